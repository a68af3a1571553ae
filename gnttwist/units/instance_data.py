"""
C{OP_INSTANCE_QUERY_DATA} and C{OP_INSTANCE_CONSOLE}: what C{gnt instance info} and C{console} show.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from gnttwist.config.parameters import fill_be, fill_hv, fill_nic, fill_os
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import NodeError, OpExecError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Disk, Instance, Nic, Node
from gnttwist.model.opcode_instance import OpInstanceConsole, OpInstanceQueryData
from gnttwist.model.stored import to_members
from gnttwist.units import running
from gnttwist.units.encode import console_request, disk_dict, group_of, hvparams_by_name
from gnttwist.units.locking import SHARED_BGL, instance_lock
from gnttwist.units.policy import template_of
from gnttwist.units.target import locked

STATUS = ("dev_path", "major", "minor", "sync_percent", "estimated_time", "is_degraded", "ldisk_status")
"""
What is told of a disk on a node, in Ganeti's order.
"""


async def query_data(job: JobContext, op: OpInstanceQueryData) -> dict[str, dict[str, Any]]:
    """
    Everything about instances, by name: what is configured, and unless C{static}, what their nodes say.

    Of instances whose nodes do not answer, what is configured is told alone.
    """
    config = await job.config()
    wanted = _wanted(config, op)
    if op.use_locking:
        await job.acquire({**SHARED_BGL, **{instance_lock(each.name): LockMode.SHARED for each in wanted}})
        config = await job.config()
        wanted = [found for each in wanted if (found := config.instances.get(each.uuid)) is not None]
    live: dict[str, _Live] = {}
    if not op.static:
        by_node: dict[str, list[Instance]] = {}
        for each in wanted:
            by_node.setdefault(each.primary_node, []).append(each)
        answers = await job.gather(
            *(
                partial(_look, config=config, node=config.nodes[uuid], instances=found)
                for uuid, found in by_node.items()
            )
        )
        live = {uuid: each for answer in answers for uuid, each in answer.items()}
    return {each.name: _describe(config, each, live.get(each.uuid)) for each in wanted}


def _wanted(config: Snapshot, op: OpInstanceQueryData) -> list[Instance]:
    if not op.instances:
        return list(config.instances)
    return [*{each.uuid: each for each in map(config.instances.find, op.instances)}.values()]


_Live = tuple[str, list[list[Any] | None]]
"""
An instance's state, and of each disk what L{STATUS} says, or C{None} where it is not there.
"""


async def _look(
    job: JobContext, *, config: Snapshot, node: Node, instances: Sequence[Instance]
) -> dict[str, _Live]:
    """
    Ask one node about its instances.
    """
    if node.offline:
        job.log(f"Node {node.name} is offline; of its instances only what is configured is told")
        return {}
    try:
        arguments = [config.cluster.enabled_hypervisors, hvparams_by_name(config)]
        guests = await job.call(node, "all_instances_info", arguments)
        found = {}
        for instance in instances:
            group = group_of(config, instance)
            disks = [
                _status(await job.call(node, "blockdev_find", [disk_dict(config, each, group)]))
                for each in config.disks_of(instance)
            ]
            found[instance.uuid] = (_state(config, instance, guests.get(instance.name)), disks)
    except NodeError as reason:
        job.log(f"{reason}; of the instances of node {node.name} only what is configured is told")
        return {}
    return found


def _status(found: Mapping[str, Any] | None) -> list[Any] | None:
    return None if found is None else [found.get(each) for each in STATUS]


def _state(config: Snapshot, instance: Instance, guest: Mapping[str, Any] | None) -> str:
    """
    The state in Ganeti's words.
    """
    may_stop = config.cluster.enabled_user_shutdown
    if guest is not None:
        if guest.get("state", running.RUNNING) == running.RUNNING:
            return "up"
        return "user down" if may_stop else "down"
    if instance.admin_state == "offline":
        return "offline"
    by_user = instance.admin_state == "down" and instance.admin_state_source == "user"
    return "user down" if by_user else "down"


def _describe(config: Snapshot, instance: Instance, live: _Live | None) -> dict[str, Any]:
    node = config.nodes[instance.primary_node]
    group = config.groups[node.group]
    disks = config.disks_of(instance)
    state, seen = live or (None, [None] * len(disks))
    return {
        "name": instance.name,
        "config_state": instance.admin_state,
        "run_state": state,
        "pnode": node.name,
        "pnode_group_uuid": group.uuid,
        "pnode_group_name": group.name,
        "snodes": [],
        "snodes_group_uuids": [],
        "snodes_group_names": [],
        "os": instance.os,
        "nics": [_nic(config, each) for each in instance.nics],
        "disk_template": template_of(disks),
        "disks": [_disk(disk, status) for disk, status in zip(disks, seen, strict=True)],
        "hypervisor": instance.hypervisor,
        "network_port": instance.network_port,
        "hv_instance": instance.hvparams,
        "hv_actual": fill_hv(config, instance, skip_globals=True),
        "be_instance": instance.beparams,
        "be_actual": fill_be(config, instance),
        "os_instance": instance.osparams,
        "os_actual": fill_os(config, instance),
        "serial_no": instance.serial_no,
        "mtime": instance.mtime,
        "ctime": instance.ctime,
        "uuid": instance.uuid,
    }


def _nic(config: Snapshot, nic: Nic) -> list[Any]:
    filled = fill_nic(config, nic)
    network = None if nic.network is None else config.networks.get(nic.network)
    return [
        nic.name, nic.uuid, nic.ip, nic.mac, filled.get("mode"), filled.get("link"), filled.get("vlan"),
        nic.network, None if network is None else to_members(network),
    ]  # fmt: skip


def _disk(disk: Disk, status: list[Any] | None) -> dict[str, Any]:
    return {
        "iv_name": disk.iv_name,
        "dev_type": disk.dev_type,
        "logical_id": disk.logical_id,
        "drbd_info": None,
        "pstatus": status,
        "sstatus": None,
        "children": [],
        "mode": disk.mode,
        "size": disk.size,
        "spindles": disk.spindles,
        "name": disk.name,
        "uuid": disk.uuid,
    }


async def console(job: JobContext, op: OpInstanceConsole) -> dict[str, Any]:
    """
    How to reach the console of an instance that runs (reference: KVM, section 10.6).
    """
    config, instance = await locked(
        job, op.instance_name, op.instance_uuid, mode=LockMode.SHARED, node=LockMode.SHARED
    )
    node = running.online(config, instance)
    if not await running.runs(job, config, instance):
        raise OpExecError(f"Instance {instance.name} does not run on node {node.name}")
    asked = {instance.name: console_request(config, instance)}
    answer: dict[str, dict[str, Any]] = await job.call(node, "instance_console_info", [asked])
    return answer[instance.name]
