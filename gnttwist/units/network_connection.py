"""
C{OP_NETWORK_CONNECT} and C{OP_NETWORK_DISCONNECT}: which groups' instances can use a network.
"""

from collections.abc import Callable

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Network, Nic, NodeGroup
from gnttwist.model.opcode_network import OpNetworkConnect, OpNetworkDisconnect
from gnttwist.units import address_pool
from gnttwist.units.locking import SHARED_BGL, instance_lock
from gnttwist.units.values import refuse


async def connect(job: JobContext, op: OpNetworkConnect) -> None:
    """
    Connect a group; one that is connected already is fine.
    """
    if op.network_mode == "pool":
        raise refuse(
            "network_mode: pool means the network of a NIC; connect with bridged, routed or openvswitch"
        )
    network, group = await _lock(job, op)
    parameters = {"mode": op.network_mode, "link": op.network_link, "vlan": op.network_vlan}

    def check(config: Snapshot) -> NodeGroup:
        network_now, group_now = _found(config, network, group)
        if op.conflicts_check and network not in group_now.networks:
            _refuse_used(
                config,
                group_now,
                network_now,
                lambda nic: nic.network is None and _is_of(network_now, nic),
                "connect",
            )
        return group_now

    before = check(await job.config())
    if network in before.networks:
        job.log(f"Network {op.network_name} is connected to group {before.name} already")
        return
    if op.dry_run:
        return

    def edit(draft: Draft) -> None:
        found = check(draft.config)
        draft.put(msgspec.structs.replace(found, networks={**found.networks, network: parameters}))

    await job.change("connect the network", edit)


async def disconnect(job: JobContext, op: OpNetworkDisconnect) -> None:
    """
    Disconnect a group that no instance uses the network in.
    """
    network, group = await _lock(job, op)

    def check(config: Snapshot) -> NodeGroup:
        network_now, group_now = _found(config, network, group)
        if network in group_now.networks:
            _refuse_used(config, group_now, network_now, lambda nic: nic.network == network, "disconnect")
        return group_now

    before = check(await job.config())
    if network not in before.networks:
        job.log(f"Network {op.network_name} is not connected to group {before.name}")
        return
    if op.dry_run:
        return

    def edit(draft: Draft) -> None:
        found = check(draft.config)
        rest = {uuid: each for uuid, each in found.networks.items() if uuid != network}
        draft.put(msgspec.structs.replace(found, networks=rest))

    await job.change("disconnect the network", edit)


async def _lock(job: JobContext, op: OpNetworkConnect | OpNetworkDisconnect) -> tuple[str, str]:
    """
    Lock the group and its instances, so that none begins to use the network meanwhile.

    @return: The network's and the group's UUIDs.
    """
    config = await job.config()
    network, group = config.networks.find(op.network_name), config.groups.find(op.group_name)
    members = [
        each for node in config.nodes if node.group == group.uuid for each in config.instances_on(node)
    ]
    await job.acquire(
        {
            **SHARED_BGL,
            **{instance_lock(each.name): LockMode.SHARED for each in members},
            f"nodegroup/{group.uuid}": LockMode.EXCLUSIVE,
            f"network/{network.uuid}": LockMode.SHARED,
        }
    )
    return network.uuid, group.uuid


def _found(config: Snapshot, network: str, group: str) -> tuple[Network, NodeGroup]:
    found, where = config.networks.get(network), config.groups.get(group)
    if found is None or where is None:
        raise refuse("The network or the group was removed meanwhile", ECode.NOENT)
    return found, where


def _is_of(network: Network, nic: Nic) -> bool:
    return nic.ip is not None and ":" not in nic.ip and address_pool.contains(network, nic.ip)


def _refuse_used(
    config: Snapshot, group: NodeGroup, network: Network, conflicts: Callable[[Nic], bool], what: str
) -> None:
    """
    @raise OpPrereqError: Instances of the group have interfaces that stand in the way.
    """
    found = [
        f"{each.name} (nic{index}: {nic.ip or 'no address'})"
        for node in config.nodes
        if node.group == group.uuid
        for each in config.instances_on(node)
        for index, nic in enumerate(each.nics)
        if conflicts(nic)
    ]
    if found:
        raise refuse(
            f"Cannot {what} network {network.name} and group {group.name}: in use are {', '.join(sorted(found))}; "
            "change or remove these interfaces first",
            ECode.STATE,
        )
