"""
C{OP_CLUSTER_VERIFY_CONFIG}: does the configuration agree with itself?
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from gnttwist.config.defaults import HYPERVISOR_PARAMETERS, known_hypervisor_parameters
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import OpPrereqError
from gnttwist.jobs.context import JobContext
from gnttwist.model.opcode_cluster import OpClusterVerifyConfig
from gnttwist.units.locking import SHARED_BGL
from gnttwist.units.report import Report
from gnttwist.units.values import typed

Problem = tuple[str, str, str, str]
"""
Ganeti's code, kind, name and text, as L{Report.error} takes them.
"""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def verify_config(job: JobContext, op: OpClusterVerifyConfig) -> bool:
    """
    Tell everything that is wrong.

    @return: Whether all is well.
    """
    await job.acquire(SHARED_BGL)
    config = await job.config()
    report = Report(job.log, op.error_codes, op.ignore_errors, op.debug_simulate_errors)
    report.section("Verifying cluster config")
    _tell(report, [*cluster_problems(config), *reference_problems(config), *uniqueness_problems(config)])
    report.check(False, "ECLUSTERCFG", "cluster", "", "simulated problem")
    report.section("Verifying hypervisor parameters")
    _tell(report, hypervisor_problems(config))
    report.section("Verifying all nodes belong to an existing group")
    _tell(report, dangling_problems(config))
    return not report.failed


def _tell(report: Report, problems: Iterable[Problem]) -> None:
    for each in problems:
        report.error(*each)


def _cluster(text: str) -> Problem:
    return "ECLUSTERCFG", "cluster", "", text


def cluster_problems(config: Snapshot) -> Iterator[Problem]:
    """
    What is wrong with the cluster object.
    """
    cluster = config.cluster
    if cluster.master_node not in config.nodes:
        yield _cluster(f"the master node {cluster.master_node} does not exist")
    elif not config.master.master_candidate:
        yield _cluster(f"the master node {config.master.name} is not a master candidate")
    if not cluster.enabled_hypervisors:
        yield _cluster("no hypervisor is enabled")
    for each in sorted(set(cluster.enabled_hypervisors) - set(HYPERVISOR_PARAMETERS)):
        yield _cluster(f"hypervisor {each} is enabled but does not exist")
    if not cluster.enabled_disk_templates:
        yield _cluster("no disk template is enabled")
    if not cluster.beparams.get("default"):
        yield _cluster("there are no default backend parameters")
    if not cluster.nicparams.get("default"):
        yield _cluster("there are no default NIC parameters")
    candidates = sum(each.master_candidate for each in config.nodes)
    capable = sum(each.master_capable and not each.offline and not each.drained for each in config.nodes)
    if candidates < min(cluster.candidate_pool_size, capable):
        yield _cluster(
            f"there are {candidates} master candidates; the pool should have "
            f"{min(cluster.candidate_pool_size, capable)}"
        )


def reference_problems(config: Snapshot) -> Iterator[Problem]:
    """
    What names something that does not exist.
    """
    for instance in config.instances:
        if instance.hypervisor not in config.cluster.enabled_hypervisors:
            yield _cluster(
                f"instance {instance.name} has hypervisor {instance.hypervisor}, which is not enabled"
            )
        for uuid in instance.disks:
            if uuid not in config.disks:
                yield _cluster(f"instance {instance.name} has disk {uuid}, which does not exist")
        for index, uuid in enumerate(instance.disks):
            disk = config.disks.get(uuid)
            if disk is not None and disk.iv_name != f"disk/{index}":
                yield _cluster(f"disk {index} of instance {instance.name} is named {disk.iv_name}")
        for nic in instance.nics:
            if nic.network is not None and nic.network not in config.networks:
                yield _cluster(f"instance {instance.name} is in network {nic.network}, which does not exist")
    used = {uuid for each in config.instances for uuid in each.disks}
    for uuid in sorted(set(config.disks) - used):
        yield _cluster(f"disk {uuid} belongs to no instance")
    for uuid, disk in sorted(config.disks.items()):
        for node in disk.nodes:
            if node not in config.nodes:
                yield _cluster(f"disk {uuid} is on node {node}, which does not exist")
    for group in config.groups:
        for uuid in sorted(set(group.networks)):
            if uuid not in config.networks:
                yield _cluster(f"group {group.name} is connected to network {uuid}, which does not exist")


def uniqueness_problems(config: Snapshot) -> Iterator[Problem]:
    """
    What is there twice and must not be, and what is no UUID.
    """
    cluster = config.cluster
    objects = [
        cluster,
        *config.nodes,
        *config.groups,
        *config.networks,
        *config.instances,
        *config.disks.values(),
    ]
    nics = [nic for each in config.instances for nic in each.nics]
    uuids = [each.uuid for each in objects] + [each.uuid for each in nics]
    for uuid in sorted(each for each in set(uuids) if not _UUID.fullmatch(each)):
        yield _cluster(f"{uuid!r} is not a UUID")
    yield from _twice("UUID", uuids)
    yield from _twice("MAC address", [each.mac for each in nics])
    ports = [each.network_port for each in config.instances if each.network_port is not None]
    yield from _twice("network port", [*map(str, ports), *map(str, cluster.tcpudp_port_pool)])
    for port in sorted(each for each in ports if each > cluster.highest_used_port):
        yield _cluster(f"network port {port} is used but the highest used is {cluster.highest_used_port}")
    yield from _twice("primary IP address", [each.primary_ip for each in config.nodes])
    yield from _twice("disk storage", [str(each.logical_id) for each in config.disks.values()])
    yield from _twice("disk", [uuid for each in config.instances for uuid in each.disks])


def _twice(what: str, values: Iterable[str]) -> Iterator[Problem]:
    for value, times in sorted(Counter(values).items()):
        if times > 1:
            yield _cluster(f"{what} {value} is there {times} times")


def hypervisor_problems(config: Snapshot) -> Iterator[Problem]:
    """
    Parameters of the cluster, of operating systems and of instances that do not exist or have the wrong type.
    """
    cluster = config.cluster
    sources = [("cluster", name, cluster.hvparams.get(name, {})) for name in cluster.enabled_hypervisors]
    sources += [
        (f"os {os}", name, params)
        for os, by_name in sorted(cluster.os_hvp.items())
        for name, params in sorted(by_name.items())
    ]
    sources += [(f"instance {each.name}", each.hypervisor, each.hvparams) for each in config.instances]
    for source, name, params in sources:
        try:
            typed(params, known_hypervisor_parameters(name), f"hypervisor {name} parameters of {source}")
        except OpPrereqError as reason:
            yield _cluster(str(reason))


def dangling_problems(config: Snapshot) -> Iterator[Problem]:
    """
    Nodes without a group, and instances on nodes that do not exist.
    """
    for node in config.nodes:
        if node.group not in config.groups:
            yield "ECLUSTERDANGLINGNODES", "node", node.name, f"its group {node.group} does not exist"
    for instance in config.instances:
        if instance.primary_node not in config.nodes:
            yield (
                "ECLUSTERDANGLINGINST",
                "instance",
                instance.name,
                f"its primary node {instance.primary_node} does not exist",
            )
