"""
C{OP_CLUSTER_POST_INIT}, C{OP_CLUSTER_QUERY}, C{OP_CLUSTER_VERIFY} and C{OP_CLUSTER_DESTROY}.
"""

from collections.abc import Sequence
from typing import Any

from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.opcode import Dependency, Opcode
from gnttwist.model.opcode_cluster import (
    OpClusterDestroy,
    OpClusterPostInit,
    OpClusterQuery,
    OpClusterVerify,
    OpClusterVerifyConfig,
    OpClusterVerifyGroup,
)
from gnttwist.model.opcodes import to_input
from gnttwist.units.cluster_info import cluster_info
from gnttwist.units.values import refuse


async def post_init(job: JobContext, op: OpClusterPostInit) -> bool:
    """
    Show that the new cluster carries out jobs. There are no hooks to run yet.
    """
    await job.config()
    return True


async def query(job: JobContext, op: OpClusterQuery) -> dict[str, Any]:
    """
    What C{QueryClusterInfo} answers.
    """
    return cluster_info(await job.config())


async def destroy(job: JobContext, op: OpClusterDestroy) -> str:
    """
    See that nothing would be lost but the cluster itself. What follows is done where the master's files are: the
    daemons are stopped, and the files removed.

    @return: The master node's UUID.
    @raise OpPrereqError: There are instances, or other nodes.
    """
    await job.acquire({"cluster/BGL": LockMode.EXCLUSIVE})
    config = await job.config()
    if config.instances:
        raise refuse(f"The cluster has {len(config.instances)} instances; remove them first")
    others = [each.name for each in config.nodes if each is not config.master]
    if others:
        raise refuse(f"The cluster has other nodes: {', '.join(sorted(others)[:5])}; remove them first")
    return config.master.uuid


async def verify(job: JobContext, op: OpClusterVerify) -> dict[str, Any]:
    """
    Submit a job for the configuration and, to follow it whatever it finds, one for each group.
    """
    config = await job.config()
    if op.group_name is not None:
        groups = [config.groups.find(op.group_name).name]
        return {
            "jobs": [] if op.dry_run else await _submit(job, [_of_group(op, each, None) for each in groups])
        }
    if op.dry_run:
        return {"jobs": []}
    [first] = await _submit(job, [_of_config(op)])
    # By number: a relative one would be wrong if another job came between.
    accepted, number = first
    depends: list[Dependency] | None = [(number, [])] if accepted else None
    return {
        "jobs": [first, *await _submit(job, [_of_group(op, each.name, depends) for each in config.groups])]
    }


async def _submit(job: JobContext, opcodes: Sequence[Opcode]) -> list[list[Any]]:
    return await job.submit([[to_input(each)[0]] for each in opcodes])


def _of_config(op: OpClusterVerify) -> OpClusterVerifyConfig:
    return OpClusterVerifyConfig(
        debug_simulate_errors=op.debug_simulate_errors,
        error_codes=op.error_codes,
        ignore_errors=op.ignore_errors,
        verbose=op.verbose,
        debug_level=op.debug_level,
        priority=op.priority,
        reason=op.reason,
    )


def _of_group(op: OpClusterVerify, group: str, depends: list[Dependency] | None) -> OpClusterVerifyGroup:
    return OpClusterVerifyGroup(
        group_name=group,
        debug_simulate_errors=op.debug_simulate_errors,
        error_codes=op.error_codes,
        skip_checks=op.skip_checks,
        ignore_errors=op.ignore_errors,
        verbose=op.verbose,
        verify_clutter=op.verify_clutter,
        depends=depends,
        debug_level=op.debug_level,
        priority=op.priority,
        reason=op.reason,
    )
