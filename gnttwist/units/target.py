"""
Finding the instance that an opcode is about, and locking it with its node.
"""

from collections.abc import Sequence

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Instance, Node
from gnttwist.units.locking import instance_lock, locks_of, node_locks, resource_locks
from gnttwist.units.running import find
from gnttwist.units.values import refuse


async def locked(
    job: JobContext,
    name: str,
    uuid: str | None,
    *,
    mode: LockMode = LockMode.EXCLUSIVE,
    node: LockMode | None = None,
    resources: LockMode | None = None,
    also: str | None = None,
    others: Sequence[Node] = (),
) -> tuple[Snapshot, Instance]:
    """
    Lock an instance.

    @param mode: How.
    @param node: How to lock its primary node, if at all.
    @param resources: How to lock that node's memory and disk space, if at all.
    @param also: A name that an instance is about to have.
    @param others: Nodes to lock in the same way as the primary one.
    @return: The configuration as it is with the locks held, and the instance.
    @raise OpPrereqError: There is no such instance, or it changed its name or its node just now.
    """
    config = await job.config()
    before = find(config, name, uuid)
    nodes = {each.uuid: each for each in [config.nodes[before.primary_node], *others]}.values()
    await job.acquire(
        {
            **locks_of(before, mode),
            **({} if also is None else {instance_lock(also): LockMode.EXCLUSIVE}),
            **({} if node is None else node_locks(nodes, node)),
            **({} if resources is None else resource_locks(nodes, resources)),
        }
    )
    config = await job.config()
    instance = find(config, before.uuid, None)
    if (instance.name, instance.primary_node) != (before.name, before.primary_node):
        raise refuse(
            f"Instance {before.name} was renamed or moved while this waited for its lock; try again",
            ECode.STATE,
        )
    return config, instance
