"""
C{OP_NODE_REMOVE}: a node leaves the cluster.

The configuration forgets it first: from then on nobody takes its calls or places anything on it, whatever becomes of
the machine. Then it is told to clean up, which it may be past.
"""

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import NodeError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Node
from gnttwist.model.opcode_node import OpNodeRemove
from gnttwist.units import candidates, node_facts
from gnttwist.units.locking import SHARED_BGL, node_locks, resource_locks
from gnttwist.units.values import refuse

LEAVING = 60.0
"""
Seconds for the node to clean up. It may be gone for good, so nobody waits as long as for other calls.
"""


async def remove(job: JobContext, op: OpNodeRemove) -> None:
    """
    Forget the node, let another take its place among the master candidates, have it clean up.
    """
    config = await job.config()
    node = node_facts.find(config, op.node_name, op.node_uuid)
    _check(config, node)
    await job.acquire(
        {
            **SHARED_BGL,
            **node_locks(config.nodes if node.master_candidate else [node], LockMode.EXCLUSIVE),
            **resource_locks([node], LockMode.EXCLUSIVE),
        }
    )
    config = await job.config()
    node = node_facts.find(config, node.uuid, None)
    _check(config, node)
    if op.dry_run:
        return
    certificates = {}
    if node.master_candidate:
        certificates = await candidates.certificates_to_promote(job, config, [node.uuid])

    def forget(draft: Draft) -> list[str]:
        _check(draft.config, node)
        draft.delete(draft.config.nodes[node.uuid])
        candidates.accept_certificate(draft, node.uuid, None)
        return candidates.promote(draft, [], certificates)

    for name in await job.change("forget the node", forget):
        job.log(f"Node {name} is a master candidate now")
    if node.offline:
        job.log(
            f"Node {node.name} is offline and was not told: its files still have this cluster's keys. "
            "Wipe it, or run gnt node leave on it"
        )
        return
    try:
        await job.call(node, "node_leave_cluster", [config.cluster.modify_ssh_setup], limit=LEAVING)
    except NodeError as reason:
        job.log(
            f"Node {node.name} may not have removed this cluster's files: {reason}. "
            "Wipe it, or run gnt node leave on it"
        )


def _check(config: Snapshot, node: Node) -> None:
    if node.uuid == config.cluster.master_node:
        raise refuse(f"Node {node.name} is the master; let another node become it first")
    there = node_facts.instances_on(config, node)
    if there:
        names = ", ".join(each.name for each in there[:5]) + (", ..." if len(there) > 5 else "")
        raise refuse(f"Node {node.name} has instances; remove or move them first: {names}")
