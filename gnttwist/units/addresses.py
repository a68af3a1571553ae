"""
What is drawn for new instances: MAC addresses and network ports. Pure, within an edit.
"""

from collections.abc import Collection

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.errors import ECode
from gnttwist.model.objects import Instance, Nic
from gnttwist.units.values import refuse

FIRST_PORT, LAST_PORT = 11000, 14999
"""
The range of network ports; Ganeti's.
"""

DRAWS = 64
"""
How often a MAC address is drawn before giving up: with half of a prefix's 16 million taken, failing has the
probability 2**-64.
"""


def draw_mac(draft: Draft, taken: Collection[str]) -> str:
    """
    A MAC address that nobody has, with the cluster's prefix.

    @raise OpPrereqError: The prefix has hardly any left.
    """
    prefix = draft.config.cluster.mac_prefix
    for _ in range(DRAWS):
        tail = draft.random.getrandbits(24).to_bytes(3, "big").hex(":")
        if (mac := f"{prefix}:{tail}") not in taken:
            return mac
    raise refuse(
        f"Hardly any MAC address with the prefix {prefix} is left; change the cluster's mac_prefix",
        ECode.NORES,
    )


def with_macs(draft: Draft, instance: Instance) -> list[Nic]:
    """
    An instance's network interfaces, with addresses and UUIDs drawn for those that have none.
    """
    others = [each for each in draft.config.instances if each.uuid != instance.uuid]
    taken = {nic.mac for each in [*others, instance] for nic in each.nics}
    nics = []
    for nic in instance.nics:
        mac = nic.mac or draw_mac(draft, taken)
        taken.add(mac)
        nics.append(msgspec.structs.replace(nic, mac=mac, uuid=nic.uuid or draft.new_uuid()))
    return nics


def draw_port(draft: Draft) -> int:
    """
    A network port of the cluster's, returned ones first.

    @raise OpPrereqError: All are taken.
    """
    cluster = draft.config.cluster
    if cluster.tcpudp_port_pool:
        port, *rest = sorted(cluster.tcpudp_port_pool)
        draft.put(msgspec.structs.replace(cluster, tcpudp_port_pool=rest))
        return port
    port = max(cluster.highest_used_port + 1, FIRST_PORT)
    if port > LAST_PORT:
        raise refuse(f"All network ports from {FIRST_PORT} to {LAST_PORT} are taken", ECode.NORES)
    draft.put(msgspec.structs.replace(cluster, highest_used_port=port))
    return port


def return_port(draft: Draft, port: int) -> None:
    """
    Let a port be drawn again.
    """
    cluster = draft.config.cluster
    draft.put(msgspec.structs.replace(cluster, tcpudp_port_pool=sorted({*cluster.tcpudp_port_pool, port})))
