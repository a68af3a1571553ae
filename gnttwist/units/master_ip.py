"""
C{OP_CLUSTER_RENAME}, C{OP_CLUSTER_ACTIVATE_MASTER_IP} and C{OP_CLUSTER_DEACTIVATE_MASTER_IP}: the cluster's name, and
its address on the master.

A cluster whose address is its master's own has nothing to bring up or take down.
"""

import re
from typing import Any

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Cluster
from gnttwist.model.opcode_cluster import (
    OpClusterActivateMasterIp,
    OpClusterDeactivateMasterIp,
    OpClusterRename,
)
from gnttwist.units import node_facts
from gnttwist.units.locking import SHARED_BGL
from gnttwist.units.values import refuse

_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")

TAKE_BACK, TAKE_DOWN = "take the new address back", "take the former address down"


async def activate(job: JobContext, op: OpClusterActivateMasterIp) -> None:
    """
    Bring up the cluster's address on the master.
    """
    await job.acquire(SHARED_BGL)
    config = await job.config()
    if is_own(config, config.cluster.master_ip):
        job.log(f"The cluster's address {config.cluster.master_ip} is the master's own, and up with it")
    elif not op.dry_run:
        await _bring_up(job, config, config.cluster)


async def deactivate(job: JobContext, op: OpClusterDeactivateMasterIp) -> None:
    """
    Take down the cluster's address on the master.

    @raise OpPrereqError: It is the master's own.
    """
    await job.acquire(SHARED_BGL)
    config = await job.config()
    if is_own(config, config.cluster.master_ip):
        raise refuse(
            f"The cluster's address {config.cluster.master_ip} is the master's own and cannot be taken down",
            ECode.STATE,
        )
    if not op.dry_run:
        await _take_down(job, config, config.cluster)


async def rename(job: JobContext, op: OpClusterRename) -> str:
    """
    Give the cluster another name, and another address if that is asked for: the new one is there before the former
    one goes.

    @return: The new name.
    """
    await job.acquire({"cluster/BGL": LockMode.EXCLUSIVE})
    config = await job.config()
    before = config.cluster
    after = _renamed(config, op)
    if op.dry_run:
        return after.cluster_name
    moves = after.master_ip != before.master_ip

    async def take_back(job: JobContext) -> None:
        await _take_down(job, config, after)

    async def take_down(job: JobContext) -> None:
        await _take_down(job, config, before)

    if moves and not is_own(config, after.master_ip):
        job.log(f"* Bringing up the address {after.master_ip}")
        job.on_failure(TAKE_BACK, take_back)
        await _bring_up(job, config, after)

    def edit(draft: Draft) -> None:
        draft.put(
            msgspec.structs.replace(
                draft.config.cluster, cluster_name=after.cluster_name, master_ip=after.master_ip
            )
        )

    await job.change("rename the cluster", edit)
    if not moves:
        job.log(f"The cluster's address stays {after.master_ip}")
        return after.cluster_name
    if not is_own(config, after.master_ip):
        job.undo_no_more(TAKE_BACK)
    if not is_own(config, before.master_ip):
        # Also if it is cancelled now: the cluster has its new address.
        job.on_failure(TAKE_DOWN, take_down)
        try:
            await _take_down(job, config, before)
        except NodeError as reason:
            job.log(f"The former address {before.master_ip} could not be taken down: {reason}")
        job.undo_no_more(TAKE_DOWN)
    return after.cluster_name


def _renamed(config: Snapshot, op: OpClusterRename) -> Cluster:
    """
    The cluster as it will be.

    @raise OpPrereqError: It cannot be so.
    """
    name, before = op.name.lower(), config.cluster
    if not _NAME.fullmatch(name):
        raise refuse(f"name: {op.name!r:.80} is no host name")
    if config.nodes.named(name) or config.instances.named(name):
        raise refuse(f"name: {name} is a node's or an instance's name already", ECode.NOTUNIQUE)
    address = before.master_ip
    if op.master_ip is not None:
        address = node_facts.address(op.master_ip, "master_ip", node_facts.family(config))
    if (name, address) == (before.cluster_name, before.master_ip):
        raise refuse("Neither the name nor the IP address of the cluster has changed")
    for node in config.nodes:
        if node is not config.master and address in (node.primary_ip, node.secondary_ip):
            raise refuse(f"master_ip: node {node.name} has the address {address} already", ECode.NOTUNIQUE)
    for instance in config.instances:
        if any(nic.ip == address for nic in instance.nics):
            raise refuse(f"master_ip: instance {instance.name} has the address {address}", ECode.NOTUNIQUE)
    return msgspec.structs.replace(before, cluster_name=name, master_ip=address)


def is_own(config: Snapshot, address: str) -> bool:
    """
    Whether an address is the master's own, so that it is up with the master.
    """
    return address in (config.master.primary_ip, config.master.secondary_ip)


async def _bring_up(job: JobContext, config: Snapshot, cluster: Cluster) -> None:
    await job.call(config.master, "node_activate_master_ip", _parameters(cluster))


async def _take_down(job: JobContext, config: Snapshot, cluster: Cluster) -> None:
    await job.call(config.master, "node_deactivate_master_ip", _parameters(cluster))


def _parameters(cluster: Cluster) -> list[Any]:
    """
    What both functions get; the members are Ganeti's.
    """
    return [
        {
            "ip": cluster.master_ip,
            "netmask": cluster.master_netmask,
            "netdev": cluster.master_netdev,
            "ip_family": cluster.primary_ip_family,
        },
        cluster.use_external_mip_script,
    ]
