"""
What units check of a node that an opcode names, and of its parameters.
"""

import ipaddress
import re
from typing import Any

from gnttwist.config.defaults import NODE_PARAMETERS
from gnttwist.config.parameters import CONFIG_VERSION
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Instance, Node, Parameters
from gnttwist.units.values import refuse, typed

GLOBAL_PARAMETERS = frozenset({"exclusive_storage"})
"""
Node parameters that a single node cannot have differently: Ganeti's.
"""


MAX_NAME = 200
"""
Names become file names with something added; the node's functions have the same limit.
"""

_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]*(\.[a-z0-9_][a-z0-9_-]*)*")


def host_name(text: str) -> str:
    """
    A machine's name in its usual form.

    @raise OpPrereqError: It is none.
    """
    name = text.lower()
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise refuse(f"node_name: {text!r:.80} is not a host name")
    return name


def find(config: Snapshot, name: str, uuid: str | None) -> Node:
    """
    The node that an opcode means.

    @raise OpPrereqError: There is none, or its name and UUID are of two.
    """
    found = config.nodes.find(uuid or name)
    if uuid is not None and name and config.nodes.find(name).uuid != found.uuid:
        raise refuse(f"node_uuid: {uuid} is not the node {name}")
    return found


def instances_on(config: Snapshot, node: Node) -> list[Instance]:
    """
    Instances that have the node as primary or secondary one.
    """
    return [
        each
        for each in config.instances
        if each.primary_node == node.uuid or any(node.uuid in disk.nodes for disk in config.disks_of(each))
    ]


def address(text: str, what: str, family: int) -> str:
    """
    An address in its usual form.

    @param family: 4, or 6 for a cluster of that; Ganeti's numbers 2 and 10 are those of the sockets.
    @raise OpPrereqError: It is none, or of the other family.
    """
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise refuse(f"{what}: {text!r:.60} is not an IP address") from None
    if found.version != family:
        raise refuse(f"{what}: {text} is not an address of IPv{family}, as this cluster's are")
    return str(found)


def family(config: Snapshot) -> int:
    """
    The version of IP that nodes' primary addresses are of.
    """
    return 4 if config.cluster.primary_ip_family == 2 else 6


def parameters(given: Parameters, before: Parameters | None = None) -> Parameters:
    """
    A node's own parameters, changed as asked: C{default} means to have the group's again.

    @raise OpPrereqError: One is unknown, of the wrong type, or only of whole groups.
    """
    if common := sorted(GLOBAL_PARAMETERS & set(given)):
        raise refuse(f"ndparams: {', '.join(common)} cannot differ between nodes; set it for the group")
    changed = typed(given, NODE_PARAMETERS, "ndparams")
    kept = {name: each for name, each in (before or {}).items() if name not in given or given[name] is None}
    return {**kept, **changed}


def no_states(hv_state: Any, disk_state: Any) -> None:
    """
    @raise OpPrereqError: The opcode would set what this version keeps and does not use.
    """
    for name, value in (("hv_state", hv_state), ("disk_state", disk_state)):
        if value:
            raise refuse(f"{name}: resources are not set by hand in this version of gnttwist")


async def same_version(job: JobContext, node: Node, advice: str = "") -> None:
    """
    See that a node answers, and speaks our protocol.

    @param advice: What to add where it does not answer.
    @raise OpPrereqError: It does not.
    """
    try:
        version = await job.call(node, "version", [])
    except NodeError as reason:
        raise refuse(
            f"Node {node.name} does not tell its version: {reason}{advice}", ECode.ENVIRON
        ) from reason
    if version != CONFIG_VERSION:
        raise refuse(
            f"Node {node.name} speaks version {version} of the protocol, the master {CONFIG_VERSION}",
            ECode.ENVIRON,
        )
