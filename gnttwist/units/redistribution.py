"""
C{OP_CLUSTER_REDIST_CONF}: the master gives all nodes everything again, the configuration, keys and certificates.
"""

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.jobs.context import JobContext
from gnttwist.model.opcode_cluster import OpClusterRedistConf
from gnttwist.units.locking import SHARED_BGL

MARK = "redistributed"
"""
The cluster's member that gnt-masterd looks at (L{gnttwist.masterd.distribution}). Of our own: files in Ganeti's
format leave it out.
"""


async def redistribute(job: JobContext, op: OpClusterRedistConf) -> None:
    """
    Ask for it: within a second nodes are asked what they have and given what they lack, and those that do not answer
    later.
    """
    await job.acquire(SHARED_BGL)
    if op.dry_run:
        return

    def mark(draft: Draft) -> None:
        cluster = draft.config.cluster
        extra = {**cluster.extra, MARK: int(cluster.extra.get(MARK, 0)) + 1}
        draft.put(msgspec.structs.replace(cluster, extra=extra))

    await job.change("redistribute the configuration", mark)
