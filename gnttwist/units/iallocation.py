"""
Asking allocators: the requests and answers of the iallocator protocol, and programs that speak it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError, OpExecError
from gnttwist.jobs.context import JobContext
from gnttwist.units.create_request import Request
from gnttwist.units.iallocator_input import cluster_document, nics
from gnttwist.units.values import refuse

BUILT_IN = ("built-in", "hail")
"""
The names of this version's own allocator: its own, and that of Ganeti's usual one, which new clusters are set to.
"""

SHORTCUT = "."
"""
The name that means the cluster's default: Ganeti's.
"""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """
    What an allocator answers.

    @ivar result: Depends on the request; for a placement the names of the nodes.
    """

    success: bool
    info: str
    result: Any


def allocation(config: Snapshot, request: Request) -> dict[str, Any]:
    """
    The request to place an instance.
    """
    specification = request.specification(config)
    return {
        "type": "allocate",
        "name": request.name,
        "disk_template": request.template,
        "group_name": None,
        "tags": list(request.tags),
        "os": request.os,
        "vcpus": specification.vcpus,
        "memory": specification.memory,
        "spindle_use": specification.spindle_use,
        "disks": [{"size": each.size, "mode": each.mode, "type": request.template} for each in request.disks],
        "disk_space_total": sum(each.size for each in request.disks),
        "nics": nics(config, [each.nic() for each in request.nics]),
        "required_nodes": 1,
        "hypervisor": request.hypervisor,
    }


async def place(
    job: JobContext,
    config: Snapshot,
    allocator: str,
    request: Request,
    allowed: Sequence[str],
    group: str | None = None,
) -> str:
    """
    Let a program choose a node for an instance.

    @param allowed: The names of the nodes that it may choose from.
    @param group: The group's name that the instance is to be in, if that is asked for.
    @return: The node's name.
    @raise OpPrereqError: It has no node to give, or gives none of these.
    @raise OpExecError: Its answer cannot be read.
    """
    asked = {**allocation(config, request), "group_name": group, "restrict-to-nodes": list(allowed)}
    document = await cluster_document(job, config, request.hypervisor, request.template)
    answer = read(allocator, await ask(job, config, allocator, {**document, "request": asked}))
    if not answer.success:
        raise refuse(f"Allocator {allocator} has no node for {request.name}: {answer.info}", ECode.NORES)
    match answer.result:
        case [str(name)] if name in allowed:
            return name
        case [str(name)]:
            raise refuse(
                f"Allocator {allocator} chose node {name!r:.80}, which may not be used for {request.name}",
                ECode.FAULT,
            )
    raise OpExecError(
        f"Allocator {allocator} answers {answer.result!r:.80} where the name of one node was asked for"
    )


async def ask(job: JobContext, config: Snapshot, allocator: str, document: Mapping[str, Any]) -> str:
    """
    Run an allocator on the master.

    @return: What it printed.
    @raise OpPrereqError: It could not be run.
    """
    text = msgspec.json.encode(document).decode()
    parameters = {
        name: None if value is None else str(value)
        for name, value in config.cluster.default_iallocator_params.items()
    }
    try:
        printed: str = await job.call(config.master, "iallocator_runner", [allocator, text, parameters])
    except NodeError as reason:
        raise refuse(f"iallocator: {allocator} could not be asked: {reason}", ECode.ENVIRON) from reason
    return printed


def read(allocator: str, printed: str) -> Answer:
    """
    An allocator's answer.

    @raise OpExecError: It is none.
    """
    try:
        found = msgspec.json.decode(printed)
        if isinstance(found, dict) and "result" not in found:
            # So answers were called in version 1, and some programs still do.
            found = {**found, "result": found.get("nodes")}
        return msgspec.convert(found, Answer)
    except (msgspec.DecodeError, msgspec.ValidationError) as reason:
        raise OpExecError(f"The answer of allocator {allocator} cannot be read: {reason}") from reason
