"""
C{OP_INSTANCE_MULTI_ALLOC}: several instances placed together, each then made by a job of its own.
"""

from typing import Any

import msgspec

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, OpPrereqError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Node
from gnttwist.model.opcode_instance import OpInstanceCreate, OpInstanceMultiAlloc
from gnttwist.model.opcodes import parse
from gnttwist.units import iallocation, placement
from gnttwist.units.create_request import Request, check
from gnttwist.units.iallocation import BUILT_IN
from gnttwist.units.locking import SHARED_BGL, node_locks, resource_locks
from gnttwist.units.placement import Candidate
from gnttwist.units.spreading import Need
from gnttwist.units.values import refuse


async def multi_alloc(job: JobContext, op: OpInstanceMultiAlloc) -> dict[str, Any]:
    """
    Find a node for each instance, as if those before it were there, and submit a job for each that fits.

    @return: The jobs, the names of the instances that they make, and those of instances that fit nowhere.
    """
    wanted = [_creation(each, index, op) for index, each in enumerate(op.instances)]
    names = [each.instance_name.lower() for each in wanted]
    if doubled := sorted({each for each in names if names.count(each) > 1}):
        raise refuse(f"instances: {', '.join(doubled)} would be made twice")
    config = await job.config()
    nodes = [each for each in config.nodes if placement.unusable(each) is None]
    await job.acquire(
        {
            **SHARED_BGL,
            **node_locks(nodes, LockMode.SHARED),
            **resource_locks(nodes, LockMode.SHARED),
        }
    )
    config = await job.config()
    places = await _place(job, config, wanted)
    found = list(zip(wanted, op.instances, places, strict=True))
    result: dict[str, Any] = {
        "allocatable": [each.instance_name for each, _, place in found if place is not None],
        "failed": [each.instance_name for each, _, place in found if place is None],
    }
    if op.dry_run:
        return {"jobs": [], **result}
    jobs = await job.submit([[_placed(given, place)] for _, given, place in found if place is not None])
    return {"jobs": jobs, **result}


def _creation(given: Any, index: int, op: OpInstanceMultiAlloc) -> OpInstanceCreate:
    """
    One of the instances, with the allocator that is asked for.
    """
    what = f"instances[{index}]"
    if not isinstance(given, dict):
        raise refuse(f"{what}: is not an opcode")
    try:
        found = parse({"OP_ID": "OP_INSTANCE_CREATE", **given})
    except OpPrereqError as reason:
        raise refuse(f"{what}: {reason}") from reason
    if not isinstance(found, OpInstanceCreate):
        raise refuse(f"{what}: is {found.op_id()}; only OP_INSTANCE_CREATE can be there")
    if found.iallocator:
        raise refuse(f"{what} iallocator: one allocator places all; name it beside the instances")
    if found.pnode or found.pnode_uuid:
        return found
    return msgspec.structs.replace(found, iallocator=op.iallocator)


async def _place(job: JobContext, config: Snapshot, wanted: list[OpInstanceCreate]) -> list[str | None]:
    """
    For each instance the node that it goes to, or C{None} where it fits nowhere.
    """
    known: dict[tuple[str, str], list[Candidate]] = {}
    taken: dict[str, list[Need]] = {}
    places: list[str | None] = []
    for each in wanted:
        request = check(config, each)
        nodes = {node.uuid for node in placement.candidates(config, each, request)}
        kind = (request.hypervisor, request.template)
        if kind not in known:
            everywhere = [node for node in config.nodes if placement.unusable(node) is None]
            known[kind] = await placement.survey(job, config, everywhere, *kind)
        left = [found.without(taken) for found in known[kind] if found.node.uuid in nodes]
        needed = placement.need(config, request)
        try:
            node = await _chosen(job, config, each, request, left)
        except OpPrereqError as reason:
            if reason.args[1] != ECode.NORES:
                raise
            job.log(str(reason))
            places.append(None)
            continue
        taken.setdefault(node.uuid, []).append(needed)
        places.append(node.name)
    return places


async def _chosen(
    job: JobContext, config: Snapshot, op: OpInstanceCreate, request: Request, left: list[Candidate]
) -> Node:
    """
    The node of one of the instances. A program that chooses does not know of those before it; what it chooses has to
    have the space beside them.
    """
    allocator = placement.allocator(config, op)
    if allocator is not None and allocator not in BUILT_IN:
        names = [each.node.name for each in left]
        name = await iallocation.place(job, config, allocator, request, names, op.group_name)
        left = [each for each in left if each.node.name == name]
    return placement.choose(config, left, request.name, placement.need(config, request))


def _placed(given: dict[str, Any], node: str) -> dict[str, Any]:
    return {**given, "OP_ID": "OP_INSTANCE_CREATE", "pnode": node}
