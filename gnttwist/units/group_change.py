"""
Asking allocators that are programs how instances get to other groups: the request C{change-group} of the iallocator
protocol.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from attrs import frozen

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, OpCodeUnknown, OpExecError, OpPrereqError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Instance, NodeGroup
from gnttwist.model.opcode_instance import OpInstanceFailover, OpInstanceMigrate
from gnttwist.model.opcodes import parse
from gnttwist.units.destination import Leaving
from gnttwist.units.iallocation import ask, read
from gnttwist.units.iallocator_input import cluster_document
from gnttwist.units.policy import template_of
from gnttwist.units.space import storage
from gnttwist.units.values import refuse


@frozen
class Evacuation:
    """
    Where instances go.

    @ivar moved: Names of instances, and where each goes, in words.
    @ivar failed: Names of instances that cannot go, and why.
    @ivar jobs: The moves, by jobs.
    """

    moved: list[tuple[str, str]]
    failed: list[tuple[str, str]]
    jobs: list[list[Leaving]]


_Answer = tuple[list[tuple[str, str, list[str]]], list[tuple[str, str | None]], list[list[dict[str, Any]]]]
"""
Which instances go to which group and nodes, which cannot and why, and opcodes by jobs.
"""


async def change_group(
    job: JobContext,
    config: Snapshot,
    allocator: str,
    instances: Sequence[Instance],
    targets: Sequence[NodeGroup],
) -> Evacuation:
    """
    Let a program say how instances get to other groups.

    @param instances: At least one.
    @raise OpPrereqError: It does not know how, or asks for what it was not asked for.
    @raise OpExecError: Its answer cannot be read.
    """
    names = [each.name for each in instances]
    groups = [each.uuid for each in targets]
    asked = {"type": "change-group", "instances": names, "target_groups": groups}
    templates = [template_of(config.disks_of(each)) for each in instances]
    # Free space is told of one template: of one that takes any, if there is such.
    template = max(templates, key=lambda each: bool(storage(config, each)))
    document = await cluster_document(job, config, instances[0].hypervisor, template)
    answer = read(allocator, await ask(job, config, allocator, {**document, "request": asked}))
    if not answer.success:
        raise refuse(f"Allocator {allocator} cannot move the instances: {answer.info}", ECode.NORES)
    try:
        moved, failed, jobs = msgspec.convert(answer.result, _Answer)
    except msgspec.ValidationError as reason:
        raise OpExecError(f"The answer of allocator {allocator} cannot be read: {reason}") from reason
    plan = Evacuation(
        [(name, f"group {group}, node {', '.join(nodes)}") for name, group, nodes in moved],
        [(name, why or "no reason is told") for name, why in failed],
        [[_move(config, allocator, names, groups, each) for each in moves] for moves in jobs],
    )
    told = {*(name for name, _ in failed), *(each.instance_name for moves in plan.jobs for each in moves)}
    plan.failed.extend(
        (each, f"allocator {allocator} says nothing of it") for each in names if each not in told
    )
    return plan


def _move(
    config: Snapshot,
    allocator: str,
    names: Collection[str],
    groups: Collection[str],
    given: Mapping[str, Any],
) -> Leaving:
    """
    One of the moves that a program asks for.

    @param names: The instances that may be moved.
    @param groups: UUIDs of the groups that they may go to.
    @raise OpPrereqError: It is something else.
    """
    try:
        op = parse(given)
    except (OpCodeUnknown, OpPrereqError) as reason:
        raise refuse(f"Allocator {allocator} asks for what cannot be done: {reason}", ECode.FAULT) from reason
    if not isinstance(op, OpInstanceFailover | OpInstanceMigrate):
        raise refuse(
            f"Allocator {allocator} asks for {op.op_id()}, by which no instance gets to another group",
            ECode.FAULT,
        )
    target = config.nodes.named(op.target_node or "")
    if op.instance_name not in names or target is None or target.group not in groups:
        raise refuse(
            f"Allocator {allocator} would move instance {op.instance_name!r:.80} to node {op.target_node!r:.80}, "
            "which it was not asked for",
            ECode.FAULT,
        )
    # Names are what was checked; a UUID would be preferred to them.
    return msgspec.structs.replace(op, instance_uuid=None, target_node_uuid=None)
