"""
C{OP_CLUSTER_VERIFY_GROUP}: are a group's nodes and instances as the configuration has them?
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from gnttwist.config.parameters import group_ipolicy
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import NodeError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Instance, Node, NodeGroup
from gnttwist.model.opcode_cluster import OpClusterVerifyGroup
from gnttwist.units import certificate_checks, file_checks, neighbours
from gnttwist.units.encode import disk_dict, group_of, hvparams_by_name
from gnttwist.units.locking import SHARED_BGL, node_locks
from gnttwist.units.node_checks import Answers, check_node, questions
from gnttwist.units.policy import specification, violations
from gnttwist.units.report import Report

Guests = Mapping[str, Mapping[str, Any]]
"""
The guests on one node: what C{all_instances_info} says of each, by name.
"""


async def verify_group(job: JobContext, op: OpClusterVerifyGroup) -> bool:
    """
    Ask all nodes at once, then tell everything that is wrong.

    @return: Whether all is well.
    """
    config = await job.config()
    group = config.groups.find(op.group_name)
    members = [each for each in config.nodes if each.group == group.uuid]
    await job.acquire(
        {
            **SHARED_BGL,
            **{
                f"instance/{each.name}": LockMode.SHARED
                for node in members
                for each in config.instances_on(node)
            },
            f"nodegroup/{group.uuid}": LockMode.SHARED,
            **node_locks(members, LockMode.SHARED),
        }
    )
    config = await job.config()
    members = [each for each in config.nodes if each.group == group.uuid]
    online = [each for each in members if not each.offline]
    report = Report(job.log, op.error_codes, op.ignore_errors, op.debug_simulate_errors)

    report.section(f"Verifying group '{group.name}'")
    report.section(f"Gathering information about nodes ({len(online)} nodes)")
    others = [] if not online or config.master in online or config.master.offline else [config.master]
    answers = await _ask(job, config, report, [*online, *others])
    report.section("Verifying node status")
    for node in online:
        if node.uuid in answers:
            check_node(report, answers[node.uuid], answers.get(config.master.uuid))
            file_checks.check_node(report, answers[node.uuid], answers.get(config.master.uuid))
            certificate_checks.check(report, config, answers[node.uuid])
            neighbours.check(report, answers[node.uuid])
    file_checks.check_all(report, list(answers.values()))
    report.section("Gathering information about instances")
    capable = [each for each in online if each.vm_capable and each.uuid in answers]
    guests = await _guests(job, config, report, capable)
    report.section("Verifying instance status")
    _check_instances(report, config, members, guests)
    report.section("Verifying disks of running instances")
    await _check_disks(job, config, report, guests)
    report.section("Verifying orphan instances")
    _check_orphans(report, config, guests)
    report.section("Other Notes")
    for name in sorted(each.name for each in members if each.offline):
        report.log(f"  - NOTE: node {name} is offline and was not asked")
    for name in sorted(each.name for each in members if each.drained):
        report.log(f"  - NOTE: node {name} is drained")
    return not report.failed


async def _ask(
    job: JobContext, config: Snapshot, report: Report, nodes: Sequence[Node]
) -> dict[str, Answers]:
    """
    What nodes answer, by UUID; those that do not answer are told.
    """
    before = await job.now()
    found = await job.gather(*(partial(_verify_node, config=config, node=each) for each in nodes))
    asked = before, await job.now()
    answers = {}
    for node, said in zip(nodes, found, strict=True):
        failed = said if isinstance(said, str) else None
        report.check(
            failed, "ENODERPC", "node", node.name, f"it cannot be verified: {failed or 'simulated problem'}"
        )
        if isinstance(said, dict):
            answers[node.uuid] = Answers(node, said, asked)
    return answers


async def _verify_node(job: JobContext, *, config: Snapshot, node: Node) -> dict[str, Any] | str:
    """
    A node's answers, or why there are none.
    """
    checks = {
        **questions(config, node),
        **file_checks.questions(config, node),
        **certificate_checks.questions(config, node),
        **neighbours.questions(config, node),
    }
    arguments = [checks, config.cluster.cluster_name, hvparams_by_name(config)]
    try:
        said: dict[str, Any] = await job.call(node, "node_verify", arguments)
    except NodeError as reason:
        return str(reason)
    return said


async def _guests(
    job: JobContext, config: Snapshot, report: Report, nodes: Sequence[Node]
) -> dict[str, Guests]:
    """
    The guests on each node, by its UUID.
    """
    found = await job.gather(*(partial(_guests_on, config=config, node=each) for each in nodes))
    guests = {}
    for node, said in zip(nodes, found, strict=True):
        if isinstance(said, str):
            report.error("ENODEHV", "node", node.name, f"it does not tell its instances: {said}")
        else:
            guests[node.uuid] = said
    return guests


async def _guests_on(job: JobContext, *, config: Snapshot, node: Node) -> Guests | str:
    arguments = [config.cluster.enabled_hypervisors, hvparams_by_name(config)]
    try:
        said: Guests = await job.call(node, "all_instances_info", arguments)
    except NodeError as reason:
        return str(reason)
    return said


def _check_instances(
    report: Report, config: Snapshot, members: Sequence[Node], guests: Mapping[str, Guests]
) -> None:
    for node in members:
        neighbours.check_exclusions(report, config, node)
        for instance in config.instances_on(node):
            neighbours.check_split(report, config, instance)
            _check_policy(report, config, group_of(config, instance), instance)
            if node.offline:
                report.check(
                    instance.admin_state == "up",
                    "EINSTANCEBADNODE",
                    "instance",
                    instance.name,
                    f"it should run, and its primary node {node.name} is offline",
                )
            elif node.uuid in guests:
                report.check(
                    instance.admin_state == "up" and not _runs(guests[node.uuid].get(instance.name)),
                    "EINSTANCEDOWN",
                    "instance",
                    instance.name,
                    f"it should run on its primary node {node.name} and does not",
                )


def _runs(guest: Mapping[str, Any] | None) -> bool:
    return guest is not None and guest.get("state", 0) == 0


def _check_policy(report: Report, config: Snapshot, group: NodeGroup, instance: Instance) -> None:
    wrong = violations(group_ipolicy(config, group), specification(config, instance))
    report.check(
        wrong,
        "EINSTANCEPOLICY",
        "instance",
        instance.name,
        f"it violates the policy of group {group.name}: {'; '.join(wrong) or 'simulated problem'}",
        warning=True,
    )


async def _check_disks(
    job: JobContext, config: Snapshot, report: Report, guests: Mapping[str, Guests]
) -> None:
    """
    See that the disks of instances that should run are there.
    """
    for uuid in sorted(guests):
        for instance in config.instances_on(config.nodes[uuid]):
            if instance.disks_active:
                await _check_disks_of(job, config, report, instance)


async def _check_disks_of(job: JobContext, config: Snapshot, report: Report, instance: Instance) -> None:
    node = config.nodes[instance.primary_node]
    for index, disk in enumerate(config.disks_of(instance)):
        try:
            found = await job.call(
                node, "blockdev_find", [disk_dict(config, disk, group_of(config, instance))]
            )
        except NodeError as reason:
            report.error("EINSTANCEFAULTYDISK", "instance", instance.name, f"disk {index}: {reason}")
        else:
            report.check(
                found is None,
                "EINSTANCEMISSINGDISK",
                "instance",
                instance.name,
                f"disk {index} is not on node {node.name}",
            )


def _check_orphans(report: Report, config: Snapshot, guests: Mapping[str, Guests]) -> None:
    """
    Tell of guests that run where they should not.
    """
    for uuid, found in sorted(guests.items()):
        here = config.nodes[uuid]
        for name in sorted(found):
            instance = config.instances.named(name)
            if instance is None:
                report.error(
                    "ENODEORPHANINSTANCE", "node", here.name, f"instance {name} runs and is not known"
                )
            elif instance.primary_node != uuid:
                there = config.nodes[instance.primary_node].name
                report.error(
                    "EINSTANCEWRONGNODE",
                    "instance",
                    name,
                    f"it runs on node {here.name}; it should be on {there}",
                )
            else:
                report.check(
                    _runs(found[name]) and instance.admin_state != "up",
                    "EINSTANCEWRONGNODE",
                    "instance",
                    name,
                    f"it runs on node {here.name}; it should be {instance.admin_state}",
                )
