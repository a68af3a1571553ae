"""
C{OP_TAGS_GET}, C{OP_TAGS_SEARCH}, C{OP_TAGS_SET} and C{OP_TAGS_DEL}.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Cluster, Instance, Network, Node, NodeGroup
from gnttwist.model.opcode_tags import OpTagsDel, OpTagsGet, OpTagsSearch, OpTagsSet
from gnttwist.units.locking import SHARED_BGL, instance_lock
from gnttwist.units.names import MAX_TAGS, check_tags
from gnttwist.units.values import refuse

Tagged = Cluster | Node | NodeGroup | Instance | Network


async def get(job: JobContext, op: OpTagsGet) -> list[str]:
    """
    An object's tags.
    """
    found = _find(await job.config(), op.kind, op.name)
    if op.use_locking:
        await job.acquire({**SHARED_BGL, **_lock(found, LockMode.SHARED)})
        found = _find(await job.config(), op.kind, op.name)
    return sorted(found.tags)


async def search(job: JobContext, op: OpTagsSearch) -> list[list[str]]:
    """
    All tags that the pattern is found in, each with its object's path as Ganeti writes it.
    """
    try:
        pattern = re.compile(op.pattern)
    except (re.error, RecursionError, OverflowError) as reason:
        raise refuse(f"pattern: {op.pattern!r:.80} is no regular expression: {reason}") from reason
    config = await job.config()
    objects: list[tuple[str, Tagged]] = [("/cluster", config.cluster)]
    objects += [(f"/instances/{each.name}", each) for each in config.instances]
    objects += [(f"/nodes/{each.name}", each) for each in config.nodes]
    objects += [(f"/nodegroup/{each.name}", each) for each in config.groups]
    objects += [(f"/network/{each.name}", each) for each in config.networks]
    return [[path, tag] for path, each in objects for tag in sorted(each.tags) if pattern.search(tag)]


async def add(job: JobContext, op: OpTagsSet) -> None:
    """
    Add tags; those that are there already are fine.
    """
    check_tags(op.tags)
    await _change(job, op, lambda tags: _added(tags, op.tags))


async def remove(job: JobContext, op: OpTagsDel) -> None:
    """
    Take tags away, all or, where one is not there, none.
    """
    check_tags(op.tags)
    await _change(job, op, lambda tags: _removed(tags, op.tags))


async def _change(job: JobContext, op: OpTagsSet | OpTagsDel, new: Callable[[list[str]], list[str]]) -> None:
    found = _find(await job.config(), op.kind, op.name)
    await job.acquire({**SHARED_BGL, **_lock(found, LockMode.EXCLUSIVE)})

    def edit(draft: Draft) -> None:
        before = _find(draft.config, op.kind, op.name)
        tags = new(before.tags)
        if tags != sorted(before.tags):
            after: Any = msgspec.structs.replace(before, tags=tags)
            draft.put(after)

    if op.dry_run:
        new(_find(await job.config(), op.kind, op.name).tags)
    else:
        await job.change("change the tags", edit)


def _added(tags: list[str], more: list[str]) -> list[str]:
    found = sorted({*tags, *more})
    if len(found) > MAX_TAGS:
        raise refuse(f"An object can have {MAX_TAGS} tags, and would have {len(found)}")
    return found


def _removed(tags: list[str], less: list[str]) -> list[str]:
    missing = sorted(set(less) - set(tags))
    if missing:
        raise refuse(f"There are no tags {', '.join(missing)}", ECode.NOENT)
    return sorted(set(tags) - set(less))


def _find(config: Snapshot, kind: str, name: str | None) -> Tagged:
    """
    @raise OpPrereqError: There is no such object.
    """
    if kind == "cluster":
        return config.cluster
    if not name:
        raise refuse(f"name: which {kind}?")
    match kind:
        case "node":
            return config.nodes.find(name)
        case "nodegroup":
            return config.groups.find(name)
        case "network":
            return config.networks.find(name)
        case _:
            return config.instances.find(name)


def _lock(found: Tagged, mode: LockMode) -> dict[str, LockMode]:
    match found:
        case Node():
            return {f"node/{found.uuid}": mode}
        case NodeGroup():
            return {f"nodegroup/{found.uuid}": mode}
        case Network():
            return {f"network/{found.uuid}": mode}
        case Instance():
            return {instance_lock(found.name): mode}
        case Cluster():
            return {}
