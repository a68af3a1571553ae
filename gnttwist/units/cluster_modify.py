"""
C{OP_CLUSTER_SET_PARAMS}: change the cluster's parameters, in one transaction.
"""

from functools import partial

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, FunctionFailed, NodeError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Node, Parameters
from gnttwist.model.opcode_cluster_modify import OpClusterSetParams
from gnttwist.units import candidates
from gnttwist.units.cluster_parameters import Plan, plan
from gnttwist.units.locking import SHARED_BGL
from gnttwist.units.values import refuse


async def modify(job: JobContext, op: OpClusterSetParams) -> None:
    """
    Check the new parameters here and on the nodes, and set them.

    No node or instance is locked: a job that is under way goes on with what it has read, and each later one reads
    either all of this change or none.
    """
    await job.acquire(SHARED_BGL)
    config = await job.config()
    wanted = plan(config, op)
    await _check_on_nodes(job, config, wanted)
    certificates: dict[str, str] = {}
    if op.candidate_pool_size is not None:
        certificates = await candidates.certificates_to_promote(job, config.with_object(wanted.cluster), [])
    for line in wanted.remarks:
        job.log(line)
    if op.dry_run:
        return

    def edit(draft: Draft) -> list[str]:
        fresh = plan(draft.config, op)
        if fresh.cluster != draft.config.cluster:
            draft.put(fresh.cluster)
        return candidates.promote(draft, [], certificates) if certificates else []

    for name in await job.change("change the cluster", edit):
        job.log(f"Node {name} is a master candidate now")


async def _check_on_nodes(job: JobContext, config: Snapshot, wanted: Plan) -> None:
    """
    @raise OpPrereqError: A node that runs instances, or the master for an OS, refuses the parameters.
    """
    nodes = [each for each in config.nodes if each.vm_capable and not each.offline]
    enabled = wanted.cluster.enabled_hypervisors
    for hypervisor, parameters in wanted.hypervisors:
        if hypervisor in enabled:
            await job.gather(
                *(
                    partial(_check_hypervisor, node=each, hypervisor=hypervisor, parameters=parameters)
                    for each in nodes
                )
            )
    for os, parameters in wanted.oses.items():
        try:
            # Without insisting: parameters may be set before there is such an OS.
            await job.call(config.master, "os_validate", [False, os, ["parameters"], parameters, True])
        except FunctionFailed as reason:
            raise refuse(f"osparams of {os}: {reason}") from reason
        except NodeError as reason:
            raise refuse(str(reason), ECode.ENVIRON) from reason


async def _check_hypervisor(job: JobContext, *, node: Node, hypervisor: str, parameters: Parameters) -> None:
    try:
        await job.call(node, "hypervisor_validate_params", [hypervisor, parameters])
    except FunctionFailed as reason:
        raise refuse(f"hvparams of {hypervisor}: node {node.name}: {reason}") from reason
    except NodeError as reason:
        # As in Ganeti, a node that is silent does not keep the rest from being changed.
        job.log(f"Node {node.name} did not check the parameters of {hypervisor}: {reason}")
