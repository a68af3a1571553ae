"""
C{OP_NODE_SET_PARAMS}: change a node's role, capabilities and parameters.

Which files the node has from then on, and who may call whom, follows from the configuration.
"""

from typing import Any

from gnttwist.config.draft import Draft
from gnttwist.errors import ECode, NodeError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Node
from gnttwist.model.opcode_node import OpNodeSetParams
from gnttwist.units import candidates, node_facts, node_roles
from gnttwist.units.locking import CERTIFICATES, SHARED_BGL, node_locks, resource_locks
from gnttwist.units.values import refuse

RETURNING = (
    ". If certificates were renewed while it was away, take it back with gnt node prepare and add --readd"
)
"""
What is said of a node that was offline and cannot be talked to.
"""


async def modify(job: JobContext, op: OpNodeSetParams) -> list[list[Any]]:
    """
    Change a node.

    @return: What has changed: names and new values.
    """
    node_roles.check(op)
    config = await job.config()
    node = node_facts.find(config, op.node_name, op.node_uuid)
    refills = op.auto_promote and node_roles.might_demote(op)
    locked = list(config.nodes) if refills else [node]
    # Not always: a node that a renewal waits for must be able to be marked offline.
    promotes = {CERTIFICATES: LockMode.SHARED} if refills or node_roles.might_promote(op) else {}
    await job.acquire(
        {
            **SHARED_BGL,
            **promotes,
            **node_locks(locked, LockMode.EXCLUSIVE),
            **resource_locks([node], LockMode.EXCLUSIVE),
        }
    )
    config = await job.config()
    if node.uuid not in config.nodes:
        raise refuse(f"Node {node.name} was removed meanwhile", ECode.NOENT)
    plan = node_roles.plan(config, op, node.uuid)
    if plan.returns:
        await node_facts.same_version(job, plan.node, RETURNING)
        job.log(f"Node {node.name} comes back without being added again; make sure that it is well")
    certificates = {}
    if plan.promoted:
        certificates[node.uuid] = await _certificate(job, plan.node)
    if refills and plan.demoted:
        certificates |= await candidates.certificates_to_promote(job, config, [node.uuid])
    if op.dry_run:
        return plan.result
    for line in plan.remarks:
        job.log(line)

    def record(draft: Draft) -> list[Any]:
        # Again: other nodes' roles may have changed meanwhile.
        final = node_roles.plan(draft.config, op, node.uuid)
        if final.promoted and node.uuid not in certificates:
            raise refuse(f"The roles of other nodes have changed meanwhile; try again: {node.name}")
        if final.node != draft.config.nodes[node.uuid]:
            draft.put(final.node)
        if final.promoted or final.demoted:
            candidates.accept_certificate(draft, node.uuid, certificates.get(node.uuid))
        filled = candidates.promote(draft, [node.uuid], certificates) if refills and final.demoted else []
        return [final.result, filled]

    result, promoted = await job.change("change the node", record)
    for each in promoted:
        job.log(f"Node {each} is a master candidate now")
    return list(result)


async def _certificate(job: JobContext, node: Node) -> str:
    try:
        return await candidates.certificate_of(job, node)
    except NodeError as reason:
        raise refuse(f"Node {node.name} cannot be a master candidate: {reason}", ECode.ENVIRON) from reason
