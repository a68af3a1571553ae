"""
Having the master give all nodes everything again: the configuration, keys and certificates.
"""

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.jobs.context import JobContext

MARK = "redistributed"
"""
The cluster's member that gnt-masterd looks at (L{gnttwist.masterd.distribution}). Of our own: files in
Ganeti's format leave it out.
"""


async def redistribute(job: JobContext) -> None:
    """
    Ask for it; gnt-masterd does it within a second, and again for nodes that do not answer.
    """

    def mark(draft: Draft) -> None:
        cluster = draft.config.cluster
        extra = {**cluster.extra, MARK: int(cluster.extra.get(MARK, 0)) + 1}
        draft.put(msgspec.structs.replace(cluster, extra=extra))

    await job.change("redistribute the configuration", mark)
