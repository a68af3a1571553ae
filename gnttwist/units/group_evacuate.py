"""
C{OP_GROUP_EVACUATE}: all instances of a group go to others, each by a job of its own.

Either all can go, or none is asked to.
"""

from collections.abc import Sequence

from attrs import frozen

from gnttwist.config.parameters import group_ipolicy
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, OpPrereqError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Instance, Node, NodeGroup
from gnttwist.model.opcode_group import OpGroupEvacuate
from gnttwist.model.opcode_instance import OpInstanceFailover, OpInstanceMigrate
from gnttwist.model.opcodes import to_input
from gnttwist.units import placement
from gnttwist.units.destination import Leaving, alone, disconnected
from gnttwist.units.group_change import Evacuation, change_group
from gnttwist.units.iallocation import BUILT_IN, SHORTCUT
from gnttwist.units.locking import SHARED_BGL, instance_lock, node_locks, resource_locks
from gnttwist.units.placement import Candidate
from gnttwist.units.policy import DISKLESS, specification, violations
from gnttwist.units.spreading import Need
from gnttwist.units.values import refuse

WHATEVER = ["error", "success"]
"""
How the job before may have ended where jobs are to run one after the other: Ganeti's, so that one that was cancelled
cancels those behind it.
"""

TOLD = 3
"""
Instances that an error names, with why they cannot go: more than a few lines nobody reads.
"""


@frozen
class Groups:
    """
    Where instances leave, and where they may go.
    """

    source: NodeGroup
    targets: Sequence[NodeGroup]

    def nodes(self, config: Snapshot) -> list[Node]:
        """
        The nodes that instances may go to.
        """
        uuids = {each.uuid for each in self.targets}
        return [each for each in config.nodes if each.group in uuids and placement.unusable(each) is None]

    def instances(self, config: Snapshot) -> list[Instance]:
        """
        The instances that leave.
        """
        return [
            each for each in config.instances if config.nodes[each.primary_node].group == self.source.uuid
        ]


async def evacuate(job: JobContext, op: OpGroupEvacuate) -> dict[str, list[list[object]]]:
    """
    Find a node for each instance, as if those before it were there, and submit a job for each.

    @return: The jobs.
    @raise OpPrereqError: There is an instance that cannot go; then none does.
    """
    config = await job.config()
    groups = _groups(config, op)
    allocator = _allocator(config, op)
    there = [each.name for each in groups.instances(config)]
    locked = groups.nodes(config)
    uuids = sorted(each.uuid for each in (groups.source, *groups.targets))
    await job.acquire(
        {
            **SHARED_BGL,
            **{f"nodegroup/{each}": LockMode.SHARED for each in uuids},
            **{instance_lock(each): LockMode.SHARED for each in there},
            **node_locks(locked, LockMode.SHARED),
            **resource_locks(locked, LockMode.SHARED),
        }
    )
    config = await job.config()
    groups = _groups(config, op)
    if [each.name for each in groups.instances(config)] != there:
        raise refuse(
            f"The instances of group {groups.source.name} have changed while this waited for its locks; try again",
            ECode.STATE,
        )
    if not there:
        job.log(f"Group {groups.source.name} has no instances")
        return {"jobs": []}
    _check_disks(config, groups)
    if allocator in BUILT_IN:
        found = await _plan(job, config, groups)
    else:
        found = await change_group(job, config, allocator, groups.instances(config), groups.targets)
    if found.failed:
        raise _not_all(job, groups, found)
    for name, where in found.moved:
        job.log(f"Instance {name} goes to {where}")
    if op.dry_run or not found.jobs:
        return {"jobs": []}
    return {"jobs": await job.submit(_inputs(config, op, found.jobs))}


def _not_all(job: JobContext, groups: Groups, found: Evacuation) -> OpPrereqError:
    """
    The error where instances cannot go: the log names all of them.
    """
    for name, why in found.failed:
        job.log(f"Instance {name} cannot be moved: {why}")
    told = "; ".join(f"{name}: {why}" for name, why in found.failed[:TOLD])
    more = f"; and {len(found.failed) - TOLD} more, see the job's log" if len(found.failed) > TOLD else ""
    return refuse(
        f"Not all instances of group {groups.source.name} can be moved, and none is: {told}{more}",
        ECode.NORES,
    )


def _groups(config: Snapshot, op: OpGroupEvacuate) -> Groups:
    """
    @raise OpPrereqError: They are not there, or instances could only stay where they are.
    """
    source = config.groups.find(op.group_name)
    if op.target_groups:
        named = {each.uuid: each for each in map(config.groups.find, op.target_groups)}
        if source.uuid in named:
            raise refuse(f"target_groups: group {source.name} is the one to be evacuated")
        return Groups(source, list(named.values()))
    others = [each for each in config.groups if each.uuid != source.uuid]
    found = [each for each in others if each.alloc_policy != placement.POLICIES[-1]]
    if not found:
        raise refuse(
            f"There is no group that instances of group {source.name} could go to"
            + ("; name one of those that take none by themselves" if others else "")
        )
    return Groups(source, found)


def _allocator(config: Snapshot, op: OpGroupEvacuate) -> str:
    default = config.cluster.default_iallocator
    if op.iallocator == SHORTCUT:
        return default or BUILT_IN[0]
    found = op.iallocator or default
    if not found:
        raise refuse("iallocator: this cluster has no default one; name one ('.' for the built-in one)")
    return found


def _check_disks(config: Snapshot, groups: Groups) -> None:
    """
    @raise OpPrereqError: There are disks that no other node sees.
    """
    fixed = [each.name for each in groups.instances(config) if alone(config, each)]
    if fixed:
        raise refuse(
            f"Disks of these instances are on their nodes alone: {', '.join(fixed)}. Only sharedfile disks are seen "
            f"by other nodes, so that group {groups.source.name} cannot be evacuated",
            ECode.STATE,
        )


async def _plan(job: JobContext, config: Snapshot, groups: Groups) -> Evacuation:
    """
    What the built-in allocator does: the largest are placed first, while there is most room.
    """
    nodes = groups.nodes(config)
    if not nodes:
        names = ", ".join(each.name for each in groups.targets)
        raise refuse(
            f"No node of group {names} can take an instance: all are offline, drained or cannot have instances",
            ECode.NORES,
        )
    known: dict[str, list[Candidate]] = {}
    taken: dict[str, list[Need]] = {}
    plan = Evacuation([], [], [])
    needs = {each.uuid: _need(config, each) for each in groups.instances(config)}
    for each in sorted(groups.instances(config), key=lambda each: (-needs[each.uuid].memory, each.name)):
        if each.hypervisor not in known:
            # Disks that all nodes see take no more space where the instance goes.
            known[each.hypervisor] = await placement.survey(job, config, nodes, each.hypervisor, DISKLESS)
        left = [found.without(taken) for found in known[each.hypervisor]]
        try:
            node = _choose(config, groups, each, left, needs[each.uuid])
        except OpPrereqError as reason:
            if reason.args[1] != ECode.NORES:
                raise
            plan.failed.append((each.name, str(reason.args[0])))
            continue
        taken.setdefault(node.uuid, []).append(needs[each.uuid])
        plan.moved.append((each.name, f"node {node.name}"))
        plan.jobs.append(
            [OpInstanceMigrate(instance_name=each.name, target_node=node.name, allow_failover=True)]
        )
    return plan


def _choose(
    config: Snapshot, groups: Groups, instance: Instance, left: Sequence[Candidate], needed: Need
) -> Node:
    """
    @raise OpPrereqError: There is no room (C{insufficient_resources}), or no node answers.
    """
    wrong = {each.uuid: why for each in groups.targets if (why := _unfit(config, instance, each))}
    if len(wrong) == len(groups.targets):
        raise refuse("; ".join(wrong.values()), ECode.NORES)
    fitting = [each for each in left if each.node.group not in wrong]
    if not fitting and left:
        raise refuse(
            "; ".join([*wrong.values(), "the other groups have no node that can take it"]), ECode.NORES
        )
    return placement.choose(config, fitting, instance.name, needed)


def _unfit(config: Snapshot, instance: Instance, group: NodeGroup) -> str:
    """
    Why an instance cannot be in a group; empty if it can.
    """
    if networks := disconnected(config, instance, group):
        return f"group {group.name} is not connected to network {', '.join(networks)}"
    wrong = violations(group_ipolicy(config, group), specification(config, instance))
    return f"it violates the policy of group {group.name}: {', '.join(wrong)}" if wrong else ""


def _need(config: Snapshot, instance: Instance) -> Need:
    wanted = specification(config, instance)
    return Need(wanted.memory, 0, wanted.vcpus) if instance.admin_state == "up" else Need(0)


def _inputs(
    config: Snapshot, op: OpGroupEvacuate, jobs: Sequence[Sequence[Leaving]]
) -> list[list[dict[str, object]]]:
    """
    Jobs as they are submitted.
    """
    found = []
    for index, moves in enumerate(jobs):
        inputs = [to_input(_forced(config, op, each))[0] for each in moves]
        if op.sequential and index:
            inputs = [{**each, "depends": [[-1, WHATEVER]]} for each in inputs]
        found.append(inputs)
    return found


def _forced(config: Snapshot, op: OpGroupEvacuate, move: Leaving) -> Leaving:
    """
    The same move by stopping and starting, if that is asked for, or nobody could send the guest.
    """
    instance = config.instances.find(move.instance_name)
    offline = config.nodes[instance.primary_node].offline
    if isinstance(move, OpInstanceFailover) or not (op.force_failover or offline):
        return move
    return OpInstanceFailover(
        instance_name=move.instance_name,
        target_node=move.target_node,
        ignore_ipolicy=move.ignore_ipolicy,
        iallocator=move.iallocator,
    )
