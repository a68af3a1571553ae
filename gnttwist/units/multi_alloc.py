"""
C{OP_INSTANCE_MULTI_ALLOC}: several instances placed together, each then made by a job of its own.
"""

from typing import Any

import msgspec
from attrs import evolve

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, OpPrereqError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.opcode_instance import OpInstanceCreate, OpInstanceMultiAlloc
from gnttwist.model.opcodes import parse
from gnttwist.units import placement
from gnttwist.units.create_request import check
from gnttwist.units.locking import SHARED_BGL, node_locks, resource_locks
from gnttwist.units.placement import Candidate
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
    taken: dict[str, tuple[int, int]] = {}
    places: list[str | None] = []
    for each in wanted:
        request = check(config, each)
        nodes = {node.uuid for node in placement.candidates(config, each)}
        kind = (request.hypervisor, request.template)
        if kind not in known:
            everywhere = [node for node in config.nodes if placement.unusable(node) is None]
            known[kind] = await placement.survey(job, config, everywhere, request)
        left = [_less(found, taken) for found in known[kind] if found.node.uuid in nodes]
        memory = request.specification(config).memory
        try:
            node = placement.choose(left, request, memory)
        except OpPrereqError as reason:
            if reason.args[1] != ECode.NORES:
                raise
            job.log(str(reason))
            places.append(None)
            continue
        before = taken.get(node.uuid, (0, 0))
        taken[node.uuid] = (
            before[0] + (memory if request.start else 0),
            before[1] + sum(disk.size for disk in request.disks),
        )
        places.append(node.name)
    return places


def _less(found: Candidate, taken: dict[str, tuple[int, int]]) -> Candidate:
    memory, disk = taken.get(found.node.uuid, (0, 0))
    return evolve(
        found,
        memory_free=found.memory_free - memory,
        disk_free=None if found.disk_free is None else found.disk_free - disk,
    )


def _placed(given: dict[str, Any], node: str) -> dict[str, Any]:
    return {**given, "OP_ID": "OP_INSTANCE_CREATE", "pnode": node}
