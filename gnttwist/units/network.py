"""
C{OP_NETWORK_ADD}, C{OP_NETWORK_SET_PARAMS} and C{OP_NETWORK_REMOVE}.
"""

import re
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, OpPrereqError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Network
from gnttwist.model.opcode_network import OpNetworkAdd, OpNetworkRemove, OpNetworkSetParams
from gnttwist.units import address_pool
from gnttwist.units.locking import SHARED_BGL
from gnttwist.units.names import check_tags, new_name
from gnttwist.units.values import refuse

NONE = "none"
"""
The value that takes a value away.
"""

_MAC_PREFIX = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){2}")


async def add(job: JobContext, op: OpNetworkAdd) -> None:
    """
    Make a network; with the addresses that no instance may have kept from them.
    """
    network, _ = _new(await job.config(), op, "")
    await job.acquire(SHARED_BGL)
    if op.dry_run:
        return

    def edit(draft: Draft) -> list[str]:
        made, remarks = _new(draft.config, op, draft.new_uuid())
        draft.put(made)
        return remarks

    for line in await job.change(f"add network {network.name}", edit):
        job.log(line)


async def modify(job: JobContext, op: OpNetworkSetParams) -> None:
    """
    Change a network.
    """
    if op.gateway and (op.add_reserved_ips or op.remove_reserved_ips):
        raise refuse("Change either the gateway or the addresses that are kept, not both at once")
    uuid = (await job.config()).networks.find(op.network_name).uuid
    await job.acquire({**SHARED_BGL, f"network/{uuid}": LockMode.EXCLUSIVE})
    _changed(await job.config(), op, uuid)
    if op.dry_run:
        return

    def edit(draft: Draft) -> list[str]:
        after, remarks = _changed(draft.config, op, uuid)
        if after != draft.config.networks[uuid]:
            draft.put(after)
        return remarks

    for line in await job.change("change the network", edit):
        job.log(line)


async def remove(job: JobContext, op: OpNetworkRemove) -> None:
    """
    Remove a network.
    """
    config = await job.config()
    uuid = config.networks.find(op.network_name).uuid
    groups = {f"nodegroup/{each.uuid}": LockMode.SHARED for each in config.groups}
    await job.acquire({**SHARED_BGL, **groups, f"network/{uuid}": LockMode.EXCLUSIVE})
    _check_unused(await job.config(), uuid)
    if op.dry_run:
        return

    def edit(draft: Draft) -> None:
        _check_unused(draft.config, uuid)
        draft.delete(draft.config.networks[uuid])

    await job.change("remove the network", edit)


def mac_prefix(text: str) -> str:
    """
    Three octets of a MAC address, in small letters.

    @raise OpPrereqError: They are none, or those of addresses of many.
    """
    found = text.lower()
    if not _MAC_PREFIX.fullmatch(found):
        raise refuse(f"mac_prefix: {text!r:.40} is not three octets such as aa:00:00")
    if int(found[:2], 16) & 1:
        raise refuse(f"mac_prefix: {text} begins multicast addresses: the first octet must be even")
    return found


def _new(config: Snapshot, op: OpNetworkAdd, uuid: str) -> tuple[Network, list[str]]:
    name = new_name(op.network_name, "network", (each.name for each in config.networks))
    check_tags(op.tags)
    network6, gateway6 = _six(op.network6, op.gateway6)
    whole = address_pool.subnet(op.network)
    if op.gateway is not None and address_pool.address(op.gateway, "gateway") not in whole:
        raise refuse(f"gateway: {op.gateway} is not of {op.network}")
    network = address_pool.empty(
        Network(
            uuid=uuid,
            name=name,
            network=str(whole),
            gateway=op.gateway,
            network6=network6,
            gateway6=gateway6,
            mac_prefix=None if op.mac_prefix is None else mac_prefix(op.mac_prefix),
            tags=sorted(set(op.tags)),
        )
    )
    remarks = []
    own = _own_addresses(config) if op.conflicts_check else {}
    for text, whose in own.items():
        if address_pool.contains(network, text) and not address_pool.is_kept(network, text):
            network = address_pool.keep(network, text)
            remarks.append(f"Address {text} of {whose} is kept from instances")
    for text in op.add_reserved_ips or ():
        network = address_pool.keep(network, text)
    return network, remarks


def _own_addresses(config: Snapshot) -> dict[str, str]:
    """
    Addresses of nodes and of the cluster, and whose they are.
    """
    found = {}
    for node in config.nodes:
        found[node.primary_ip] = found[node.secondary_ip] = f"node {node.name}"
    found.setdefault(config.cluster.master_ip, "the cluster")
    return {text: whose for text, whose in found.items() if ":" not in text}


def _changed(config: Snapshot, op: OpNetworkSetParams, uuid: str) -> tuple[Network, list[str]]:
    network = config.networks.get(uuid)
    if network is None:
        raise refuse(f"Network {op.network_name} was removed meanwhile", ECode.NOENT)
    remarks: list[str] = []
    if op.gateway:
        network = _with_gateway(network, None if op.gateway == NONE else op.gateway, remarks)
    for text in op.add_reserved_ips or ():
        network = _tried(address_pool.keep, network, text, remarks)
    for text in op.remove_reserved_ips or ():
        if text == network.gateway:
            remarks.append(f"Address {text} is the gateway's and stays kept")
            continue
        network = _tried(address_pool.let, network, text, remarks)
    members: dict[str, str | None] = {}
    if op.mac_prefix:
        members["mac_prefix"] = None if op.mac_prefix == NONE else mac_prefix(op.mac_prefix)
    for name in ("network6", "gateway6"):
        if value := getattr(op, name):
            members[name] = None if value == NONE else value
    network = msgspec.structs.replace(network, **members)
    network6, gateway6 = _six(network.network6, network.gateway6)
    return msgspec.structs.replace(network, network6=network6, gateway6=gateway6), remarks


def _with_gateway(network: Network, gateway: str | None, remarks: list[str]) -> Network:
    if gateway == network.gateway:
        remarks.append(f"The gateway is {gateway or 'none'} already")
        return network
    if gateway is not None:
        if address_pool.is_taken(network, gateway):
            raise refuse(f"gateway: {gateway} is in use by an instance", ECode.STATE)
        network = address_pool.keep(network, gateway)
    if network.gateway is not None:
        network = address_pool.let(network, network.gateway)
    return msgspec.structs.replace(network, gateway=gateway)


def _tried(
    step: Callable[[Network, str], Network], network: Network, text: str, remarks: list[str]
) -> Network:
    """
    As in Ganeti, addresses that are as wanted already are no reason to fail.
    """
    try:
        return step(network, text)
    except OpPrereqError as reason:
        if reason.args[1] != ECode.STATE:
            raise
        remarks.append(str(reason))
        return network


def _six(network: str | None, gateway: str | None) -> tuple[str | None, str | None]:
    """
    An IPv6 range and gateway, in their usual form.

    @raise OpPrereqError: One is ill-formed, or they do not fit together.
    """
    try:
        whole = None if network is None else IPv6Network(network)
    except ValueError as reason:
        raise refuse(
            f"network6: {network!r:.60} is no range of IPv6 addresses such as 2001:db8::/64"
        ) from reason
    try:
        way = None if gateway is None else IPv6Address(gateway)
    except ValueError as reason:
        raise refuse(f"gateway6: {gateway!r:.60} is no IPv6 address") from reason
    if way is not None and whole is not None and way not in whole and not way.is_link_local:
        raise refuse(f"gateway6: {gateway} is not of {network}, nor link-local")
    return (None if whole is None else str(whole)), (None if way is None else str(way))


def _check_unused(config: Snapshot, uuid: str) -> None:
    network = config.networks.get(uuid)
    if network is None:
        raise refuse("The network was removed meanwhile", ECode.NOENT)
    connected = sorted(each.name for each in config.groups if uuid in each.networks)
    if connected:
        raise refuse(
            f"Network {network.name} is connected to group(s) {', '.join(connected)}; disconnect it first",
            ECode.STATE,
        )
