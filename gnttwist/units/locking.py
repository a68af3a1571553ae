"""
Names of locks, as units ask for them.
"""

from collections.abc import Iterable

from gnttwist.jobs.context import LockMode
from gnttwist.model.objects import Instance, Node

SHARED_BGL = {"cluster/BGL": LockMode.SHARED}
"""
What every unit holds that does not need the cluster for itself.
"""


CERTIFICATES = "cluster/certificates"
"""
The lock on nodes' certificates: exclusive while they are made anew, shared by who writes down which may call.
"""


def instance_lock(name: str) -> str:
    """
    The lock on an instance, which exists also before and after the instance.
    """
    return f"instance/{name}"


def node_locks(nodes: Iterable[Node], mode: LockMode) -> dict[str, LockMode]:
    """
    The locks on nodes: that they stay as they are.
    """
    return {f"node/{each.uuid}": mode for each in nodes}


def resource_locks(nodes: Iterable[Node], mode: LockMode) -> dict[str, LockMode]:
    """
    The locks on nodes' resources: memory and disk space.
    """
    return {f"node-res/{each.uuid}": mode for each in nodes}


def locks_of(instance: Instance, mode: LockMode = LockMode.EXCLUSIVE) -> dict[str, LockMode]:
    """
    The lock on an instance, together with the cluster's.
    """
    return {**SHARED_BGL, instance_lock(instance.name): mode}
