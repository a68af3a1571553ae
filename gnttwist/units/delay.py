"""
C{OP_TEST_DELAY}: take a while, on the master and on nodes.
"""

from functools import partial

from gnttwist.errors import ECode, OpPrereqError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Node
from gnttwist.model.opcode_cluster import OpTestDelay
from gnttwist.units.locking import SHARED_BGL, node_locks
from gnttwist.wire.calls import FUNCTIONS


async def delay(job: JobContext, op: OpTestDelay) -> None:
    """
    Wait on the master if asked to, then on the nodes all at once; C{repeat} times.
    """
    if op.interruptible:
        raise OpPrereqError(
            "interruptible: delays that a program ends are not supported; cancel the job instead", ECode.INVAL
        )
    longest = FUNCTIONS["test_delay"].limit
    if not 0 <= op.duration <= longest:
        raise OpPrereqError(f"duration: must be between 0 and {longest:.0f} seconds", ECode.INVAL)
    config = await job.config()
    names = [*op.on_nodes, *(op.on_node_uuids or ())]
    nodes = list({found.uuid: found for found in map(config.nodes.find, names)}.values())
    for each in nodes:
        if each.offline:
            raise OpPrereqError(f"Node {each.name} is offline", ECode.STATE)
    locks = {} if op.no_locks else node_locks(nodes, LockMode.EXCLUSIVE)
    await job.acquire({**SHARED_BGL, **locks})
    if op.dry_run:
        return
    for turn in range(max(1, op.repeat)):
        if op.repeat:
            job.log(f"Test iteration {turn + 1}/{op.repeat}")
        if op.on_master:
            await job.sleep(op.duration)
        await job.gather(*(partial(_on_node, node=each, duration=op.duration) for each in nodes))


async def _on_node(job: JobContext, *, node: Node, duration: float) -> None:
    await job.call(node, "test_delay", [duration])
