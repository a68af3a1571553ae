"""
Which node a new instance goes to.
"""

from collections.abc import Sequence
from functools import partial

from attrs import frozen

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Node
from gnttwist.model.opcode_instance import OpInstanceCreate
from gnttwist.units.create_request import Request
from gnttwist.units.space import storage
from gnttwist.units.values import refuse

BUILT_IN = (".", "default", "hail")
"""
The allocators that this version has: its own, under the names by which the usual one is asked for.
"""


@frozen
class Candidate:
    """
    A node and what it has, in MiB.

    @ivar disk_free: Where the instance's disks would be; C{None} without disks.
    """

    node: Node
    memory_free: int
    disk_free: int | None


def candidates(config: Snapshot, op: OpInstanceCreate) -> list[Node]:
    """
    The nodes that an instance may go to: the one that is named, or those that an allocator may choose from.

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
    found = [each for each in found if group or config.groups[each.group].alloc_policy != "unallocable"]
    if not found:
        raise refuse(
            "No node can take a new instance: all are offline, drained or cannot have instances", ECode.NORES
        )
    allocator = op.iallocator or config.cluster.default_iallocator
    if allocator and allocator not in BUILT_IN:
        raise refuse(
            f"iallocator: {allocator!r:.60} is not supported by this version; use '.' or name a node (pnode)"
        )
    if not allocator and len(config.nodes) > 1:
        raise refuse("pnode, iallocator: name a node, or an allocator ('.') to choose one")
    return found


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
    job: JobContext, config: Snapshot, nodes: Sequence[Node], request: Request
) -> list[Candidate]:
    """
    What nodes have; one that does not answer is left out.
    """
    found = await job.gather(*(partial(_look, config=config, node=each, request=request) for each in nodes))
    return [each for each in found if each is not None]


async def _look(job: JobContext, *, config: Snapshot, node: Node, request: Request) -> Candidate | None:
    directory = storage(config, request.template)
    units = [[request.template, directory, []]] if directory else []
    specification = [request.hypervisor, config.cluster.hvparams.get(request.hypervisor, {})]
    try:
        _, directories, hypervisors = await job.call(node, "node_info", [units, [specification]])
    except NodeError as reason:
        job.log(f"Cannot ask node {node.name} what it has free: {reason}")
        return None
    return Candidate(
        node, hypervisors[0]["memory_free"], directories[0]["storage_free"] if directories else None
    )


def choose(found: Sequence[Candidate], request: Request, memory: int) -> Node:
    """
    The node with the most free memory of those where the instance fits.

    @param memory: What it needs to start, in MiB.
    @raise OpPrereqError: It fits nowhere; the text says what each node lacks.
    """
    if not found:
        raise refuse("No node that could take the instance answers", ECode.ENVIRON)
    disk = sum(each.size for each in request.disks)
    lacks = {each.node.name: _lack(each, disk, memory if request.start else 0) for each in found}
    fitting = [each for each in found if not lacks[each.node.name]]
    if not fitting:
        told = "; ".join(f"node {name}: {text}" for name, text in lacks.items())
        raise refuse(f"Not enough resources for instance {request.name}: {told}", ECode.NORES)
    return min(fitting, key=lambda each: (-each.memory_free, each.node.name)).node


def _lack(candidate: Candidate, disk: int, memory: int) -> str:
    parts = []
    if candidate.memory_free < memory:
        parts.append(f"memory needed {memory} MiB, free {candidate.memory_free} MiB")
    if candidate.disk_free is not None and candidate.disk_free < disk:
        parts.append(f"disk space needed {disk} MiB, free {candidate.disk_free} MiB")
    return ", ".join(parts)
