"""
C{OP_CLUSTER_POST_INIT} and C{OP_CLUSTER_VERIFY}.
"""

from typing import Any

from gnttwist.jobs.context import JobContext
from gnttwist.model.opcode import Opcode
from gnttwist.model.opcode_cluster import (
    OpClusterPostInit,
    OpClusterVerify,
    OpClusterVerifyConfig,
    OpClusterVerifyGroup,
)
from gnttwist.model.opcodes import to_input


async def post_init(job: JobContext, op: OpClusterPostInit) -> bool:
    """
    Show that the new cluster carries out jobs. There are no hooks to run yet.
    """
    await job.config()
    return True


async def verify(job: JobContext, op: OpClusterVerify) -> dict[str, Any]:
    """
    Submit a job for the configuration and, to follow it whatever it finds, one for each group.
    """
    config = await job.config()
    if op.group_name is not None:
        groups = [config.groups.find(op.group_name).name]
    else:
        groups = [each.name for each in config.groups]
    jobs: list[Opcode] = []
    if op.group_name is None:
        jobs.append(
            OpClusterVerifyConfig(
                debug_simulate_errors=op.debug_simulate_errors,
                error_codes=op.error_codes,
                ignore_errors=op.ignore_errors,
                verbose=op.verbose,
                debug_level=op.debug_level,
                priority=op.priority,
                reason=op.reason,
            )
        )
    for group in groups:
        jobs.append(
            OpClusterVerifyGroup(
                group_name=group,
                debug_simulate_errors=op.debug_simulate_errors,
                error_codes=op.error_codes,
                skip_checks=op.skip_checks,
                ignore_errors=op.ignore_errors,
                verbose=op.verbose,
                verify_clutter=op.verify_clutter,
                depends=[(-len(jobs), [])] if op.group_name is None else None,
                debug_level=op.debug_level,
                priority=op.priority,
                reason=op.reason,
            )
        )
    return {"jobs": [] if op.dry_run else await job.submit([[to_input(each)[0]] for each in jobs])}
