"""
Small objects for tests of the configuration.
"""

from gnttwist.config import records
from gnttwist.config.snapshot import AnyObject, Snapshot
from gnttwist.model.objects import Cluster, Instance, Node
from gnttwist.store.interface import Transaction
from gnttwist.testing.store import MemoryStore

CLUSTER = Cluster(
    uuid="c", cluster_name="c.example.com", master_node="n1", master_ip="192.0.2.1", master_netdev="lo"
)
EMPTY = Snapshot(cluster=CLUSTER, serial=1)


def node(uuid: str, name: str) -> Node:
    """
    A node of this name.
    """
    return Node(uuid=uuid, name=name, primary_ip="192.0.2.1", secondary_ip="192.0.2.1", group="g")


def instance(uuid: str, name: str, on: str) -> Instance:
    """
    An instance on this node.
    """
    return Instance(uuid=uuid, name=name, primary_node=on, os="", hypervisor="fake")


def store(*, auto_commit: bool = True) -> MemoryStore:
    """
    A store whose configuration is one node's.
    """
    made = MemoryStore()
    objects: list[AnyObject] = [CLUSTER, node("n1", "one.example.com")]
    made.transact(Transaction([*records.of_objects(objects), *records.bookkeeping(EMPTY)]))
    return made.crash(auto_commit=auto_commit)
