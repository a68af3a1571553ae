"""
What is drawn for new instances: MAC addresses and network ports. Pure, within an edit.
"""

from collections.abc import Collection, Sequence

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.errors import ECode
from gnttwist.model.objects import Instance, Nic, NodeGroup
from gnttwist.units.address_pool import network_of, release, reserve
from gnttwist.units.devices import POOL
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


def draw_mac(draft: Draft, taken: Collection[str], network: str | None = None) -> str:
    """
    A MAC address that nobody has, with the network's or else the cluster's prefix.

    @raise OpPrereqError: The prefix has hardly any left.
    """
    own = None if network is None else draft.config.networks[network].mac_prefix
    prefix = own or draft.config.cluster.mac_prefix
    for _ in range(DRAWS):
        tail = draft.random.getrandbits(24).to_bytes(3, "big").hex(":")
        if (mac := f"{prefix}:{tail}") not in taken:
            return mac
    raise refuse(
        f"Hardly any MAC address with the prefix {prefix} is left; change the cluster's mac_prefix",
        ECode.NORES,
    )


def settle_nics(
    draft: Draft, instance: Instance, before: Sequence[Nic] = (), *, conflicts_check: bool = True
) -> list[Nic]:
    """
    An instance's network interfaces, complete: UUIDs, MAC and network addresses are drawn, and addresses of networks
    that it no longer has are free again.

    @param instance: As it shall be; it need not be in the configuration.
    @param before: The interfaces that it has had until now.
    @param conflicts_check: Refuse addresses that are kept from instances, or are of a network that the interface is
        not in.
    @raise OpPrereqError: An address is not to be had, or a network is not connected to the instance's group.
    """
    group = draft.config.groups[draft.config.nodes[instance.primary_node].group]
    held = {(nic.network, nic.ip) for nic in before if nic.network is not None}
    kept = held & {(nic.network, nic.ip) for nic in instance.nics}
    for nic in before:
        if (nic.network, nic.ip) not in kept:
            release(draft, nic)
    others = [each for each in draft.config.instances if each.uuid != instance.uuid]
    taken = {nic.mac for each in [*others, instance] for nic in each.nics}
    nics = []
    for index, nic in enumerate(instance.nics):
        if nic.network is not None:
            settled = _in_network(draft, nic, group, f"nics/{index}")
            if (nic.network, nic.ip) in kept:
                # Once: another interface cannot have it as well.
                kept.remove((nic.network, nic.ip))
            elif settled.ip is not None:
                wanted = None if settled.ip == POOL else settled.ip
                ip = reserve(draft, nic.network, wanted, conflicts_check=conflicts_check)
                settled = msgspec.structs.replace(settled, ip=ip)
        else:
            settled = nic
            network = network_of(draft, group.uuid, nic.ip) if conflicts_check and nic not in before else None
            if network is not None:
                raise refuse(
                    f"nics/{index} ip: {nic.ip} is of network {network.name}; say network={network.name}, or leave "
                    "this check out (conflicts_check)"
                )
        mac = nic.mac or draw_mac(draft, taken, nic.network)
        taken.add(mac)
        nics.append(msgspec.structs.replace(settled, mac=mac, uuid=nic.uuid or draft.new_uuid()))
    return nics


def _in_network(draft: Draft, nic: Nic, group: NodeGroup, what: str) -> Nic:
    """
    An interface with the parameters that its group's connection to its network gives it.
    """
    assert nic.network is not None
    connected = group.networks.get(nic.network)
    if connected is None:
        name = draft.config.networks[nic.network].name
        raise refuse(f"{what} network: {name} is not connected to group {group.name}", ECode.STATE)
    return msgspec.structs.replace(nic, nicparams=dict(connected))


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
