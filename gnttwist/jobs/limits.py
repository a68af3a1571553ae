"""
How many jobs may be queued, and how long they wait for a silent node: parameters of the cluster that Ganeti does not
have. Pure.
"""

from typing import Any

import msgspec

from gnttwist.model.objects import Cluster

QUEUED, PATIENCE = "max_queued_jobs", "node_patience"
"""
The cluster's members. They are of the extra ones, which files in Ganeti's format leave out.
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

DEFAULT_PATIENCE = 300
"""
Seconds that a job waits for a node that is not answering: longer than a machine takes to boot.
"""

LEAST_PATIENCE, MOST_PATIENCE = 5, 7 * 86400
"""
What that can be: a restart of a node's daemon fails no job, and no job holds its locks for ever.
"""


def max_queued(cluster: Cluster) -> int:
    """
    How many jobs may be queued or running.
    """
    found: Any = cluster.extra.get(QUEUED)
    return found if isinstance(found, int) and 1 <= found <= MOST_QUEUED else DEFAULT_QUEUED


def node_patience(cluster: Cluster) -> int:
    """
    How many seconds a job waits for a node that is not answering.
    """
    found: Any = cluster.extra.get(PATIENCE)
    return found if isinstance(found, int) and LEAST_PATIENCE <= found <= MOST_PATIENCE else DEFAULT_PATIENCE


def with_limits(
    cluster: Cluster, running: int | None, queued: int | None, patience: int | None = None
) -> Cluster:
    """
    A cluster with other limits; C{None} leaves one as it is.
    """
    if running is not None:
        cluster = msgspec.structs.replace(cluster, max_running_jobs=running)
    own = {name: value for name, value in ((QUEUED, queued), (PATIENCE, patience)) if value is not None}
    return msgspec.structs.replace(cluster, extra={**cluster.extra, **own}) if own else cluster
