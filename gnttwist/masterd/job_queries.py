"""
The queries of jobs, answered as those of clients are.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from gnttwist.config.snapshot import Snapshot
from gnttwist.query.run import IN_JOBS, query, query_fields
from gnttwist.query.sources import Sources
from gnttwist.units.cluster_info import cluster_info


@frozen
class JobQueries:
    """
    The L{gnttwist.jobs.services.Queries} of a master.

    @ivar _sources: What queries read, as of now.
    """

    _sources: Callable[[], Sources]

    async def query(self, kind: str, fields: Sequence[str], qfilter: object) -> dict[str, Any]:
        """
        Answer one.
        """
        return await query(kind, fields, qfilter, self._sources(), resources=IN_JOBS)

    def query_fields(self, kind: str, names: Sequence[str] | None) -> dict[str, Any]:
        """
        Tell which fields there are.
        """
        return query_fields(kind, names, IN_JOBS)


def cluster_row(config: Snapshot, drained: bool, paused_until: float | None) -> Mapping[str, Any]:
    """
    What there is to be told of the cluster itself.
    """
    return {
        **cluster_info(config),
        "cluster_name": config.cluster.cluster_name,
        "master_node": config.master.name,
        "drain_flag": drained,
        "watcher_pause": paused_until,
    }
