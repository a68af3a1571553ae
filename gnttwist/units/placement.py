"""
Which node a new instance goes to.
"""

from collections.abc import Mapping, Sequence
from functools import partial, reduce

from attrs import evolve, frozen

from gnttwist.config.parameters import fill_be, group_ipolicy
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Node, NodeGroup
from gnttwist.model.opcode_instance import OpInstanceCreate
from gnttwist.units.create_request import Request
from gnttwist.units.iallocation import BUILT_IN, SHORTCUT
from gnttwist.units.policy import violations
from gnttwist.units.space import storage
from gnttwist.units.spreading import Need, Room, best, lack, less
from gnttwist.units.values import refuse


@frozen
class Candidate:
    """
    A node and what it has.
    """

    node: Node
    room: Room

    def without(self, taken: Mapping[str, Sequence[Need]]) -> "Candidate":
        """
        What is left of it when others have taken theirs, by UUIDs of nodes.
        """
        return evolve(self, room=reduce(less, taken.get(self.node.uuid, ()), self.room))


POLICIES = ("preferred", "last_resort", "unallocable")
"""
Groups' allocation policies: groups with a later one are for what no other takes, and with the last one for what is
put there by name.
"""


def candidates(config: Snapshot, op: OpInstanceCreate, request: Request) -> list[Node]:
    """
    The nodes that an instance may go to: the one that is named, or those that an allocator may choose from. Unless a
    group is named, these are of groups that the instance fits in, if there are such; else what is wrong with the one
    that is chosen will be told.

    @raise OpPrereqError: None can be had, or both a node and an allocator are named, or neither where it matters.
    """
    if op.pnode or op.pnode_uuid:
        if op.iallocator:
            raise refuse("pnode, iallocator: name a node or an allocator, not both")
        node = config.nodes.find(op.pnode_uuid or op.pnode or "")
        why = unusable(node)
        if why:
            raise refuse(f"pnode: node {node.name} {why}", ECode.STATE)
        return [node]
    group = None if op.group_name is None else config.groups.find(op.group_name).uuid
    found = [each for each in config.nodes if not unusable(each) and group in (None, each.group)]
    found = [each for each in found if group or config.groups[each.group].alloc_policy != POLICIES[-1]]
    if not found:
        raise refuse(
            "No node can take a new instance: all are offline, drained, in groups that take none, or cannot have "
            "instances",
            ECode.NORES,
        )
    if allocator(config, op) is None and len(config.nodes) > 1:
        raise refuse("pnode, iallocator: name a node, or an allocator ('.') to choose one")
    if group is not None:
        return found
    fitting = {each.uuid for each in config.groups if _fits(config, each, op, request)}
    return [each for each in found if each.group in fitting] or found


def _fits(config: Snapshot, group: NodeGroup, op: OpInstanceCreate, request: Request) -> bool:
    """
    Whether a group is connected to all networks that an instance is in, and its policy allows the instance.
    """
    if any(each.network is not None and each.network not in group.networks for each in request.nics):
        return False
    return op.ignore_ipolicy or not violations(group_ipolicy(config, group), request.specification(config))


def allocator(config: Snapshot, op: OpInstanceCreate) -> str | None:
    """
    Which allocator chooses the node; C{None} where a node is named, or nothing is.
    """
    if op.pnode or op.pnode_uuid:
        return None
    default = config.cluster.default_iallocator or None
    if op.iallocator == SHORTCUT:
        return default or BUILT_IN[0]
    return op.iallocator or default


def unusable(node: Node) -> str | None:
    """
    Why no instance can be put on a node, if so.
    """
    if node.offline:
        return "is offline"
    if node.drained:
        return "is drained"
    return None if node.vm_capable else "cannot have instances"


async def survey(
    job: JobContext, config: Snapshot, nodes: Sequence[Node], hypervisor: str, template: str
) -> list[Candidate]:
    """
    What nodes have; one that does not answer is left out.

    @param hypervisor: Whose idea of free memory counts.
    @param template: Of which disk template free space counts.
    """
    look = partial(_look, config=config, hypervisor=hypervisor, template=template)
    found = await job.gather(*(partial(look, node=each) for each in nodes))
    return [each for each in found if each is not None]


async def _look(
    job: JobContext, *, config: Snapshot, node: Node, hypervisor: str, template: str
) -> Candidate | None:
    directory = storage(config, template)
    units = [[template, directory, []]] if directory else []
    specification = [hypervisor, config.cluster.hvparams.get(hypervisor, {})]
    try:
        _, directories, [facts] = await job.call(node, "node_info", [units, [specification]])
    except NodeError as reason:
        job.log(f"Cannot ask node {node.name} what it has free: {reason}")
        return None
    place = directories[0] if directories else {}
    free = facts["memory_free"]
    room = Room(
        node.name,
        facts.get("memory_total", free),
        free,
        place.get("storage_size"),
        place.get("storage_free"),
        facts.get("cpu_total", 0),
        sum(fill_be(config, each)["vcpus"] for each in config.instances_on(node) if each.admin_state == "up"),
    )
    return Candidate(node, room)


def need(config: Snapshot, request: Request) -> Need:
    """
    What an instance takes from its node.
    """
    specification = request.specification(config)
    disk = sum(each.size for each in request.disks)
    return Need(specification.memory if request.start else 0, disk, specification.vcpus)


def choose(config: Snapshot, found: Sequence[Candidate], name: str, needed: Need) -> Node:
    """
    The node where the instance fits and that leaves the nodes most evenly used, in groups of the earliest policy
    that has one.

    @param name: The instance's.
    @raise OpPrereqError: It fits nowhere; the text says what each node lacks.
    """
    if not found:
        raise refuse("No node that could take the instance answers", ECode.ENVIRON)
    for policy in POLICIES:
        rooms = [each.room for each in found if config.groups[each.node.group].alloc_policy == policy]
        room = best(rooms, needed)
        if room is not None:
            break
    else:
        told = "; ".join(f"node {each.node.name}: {lack(each.room, needed)}" for each in found)
        raise refuse(f"Not enough resources for instance {name}: {told}", ECode.NORES)
    return next(each.node for each in found if each.room is room)
