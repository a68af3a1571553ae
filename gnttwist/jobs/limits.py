"""
How many jobs may be queued: a parameter of the cluster that Ganeti does not have. Pure.
"""

from typing import Any

import msgspec

from gnttwist.model.objects import Cluster

MEMBER = "max_queued_jobs"
"""
The cluster's member. It is one of the extra ones, which files in Ganeti's format leave out.
"""

DEFAULT_QUEUED = 20_000
"""
How many jobs may be queued or running: some kilobytes each.
"""

MOST_QUEUED = 200_000
"""
What that can be raised to: a gigabyte of memory.
"""

MOST_RUNNING = 1000
"""
What the number of running jobs can be raised to: each change of a lock looks at all that wait.
"""


def max_queued(cluster: Cluster) -> int:
    """
    How many jobs may be queued or running.
    """
    found: Any = cluster.extra.get(MEMBER)
    return found if isinstance(found, int) and 1 <= found <= MOST_QUEUED else DEFAULT_QUEUED


def with_limits(cluster: Cluster, running: int | None, queued: int | None) -> Cluster:
    """
    A cluster with other limits; C{None} leaves one as it is.
    """
    if running is not None:
        cluster = msgspec.structs.replace(cluster, max_running_jobs=running)
    if queued is not None:
        cluster = msgspec.structs.replace(cluster, extra={**cluster.extra, MEMBER: queued})
    return cluster
