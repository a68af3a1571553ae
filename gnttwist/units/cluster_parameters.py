"""
The cluster as C{OP_CLUSTER_SET_PARAMS} makes it of the cluster that there is. Pure.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from attrs import frozen

from gnttwist.config.defaults import (
    BACKEND_PARAMETERS,
    NIC_PARAMETERS,
    NODE_PARAMETERS,
)
from gnttwist.config.parameters import fill, fill_nic
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.jobs.limits import MOST_RUNNING
from gnttwist.model.objects import Cluster, Parameters
from gnttwist.model.opcode_cluster_modify import OpClusterSetParams
from gnttwist.units import guest_parameters, ipolicy
from gnttwist.units.group_parameters import disk_parameters
from gnttwist.units.network import mac_prefix
from gnttwist.units.policy import DISKLESS
from gnttwist.units.uid_ranges import changed as changed_ranges
from gnttwist.units.values import check_known, refuse, reset, typed

TEMPLATES = frozenset({DISKLESS, "file", "sharedfile"})
"""
What this version can make disks of.
"""

NIC_MODES = ("bridged", "routed", "openvswitch")

PLAIN = (
    "candidate_pool_size", "max_tracked_jobs", "maintain_node_health", "prealloc_wipe_disks", "master_netdev",
    "reserved_lvs", "use_external_mip_script", "modify_etc_hosts", "enabled_user_shutdown", "gluster_storage_dir",
)  # fmt: skip
"""
Parameters that are set as they are given.
"""

_TOOL = re.compile(r"[-_a-zA-Z0-9]+")
_SCRIPT = re.compile(r"[A-Za-z0-9_.-]{0,100}")
_IMAGE = re.compile(r"(?:/|https?://|ftp://).+")


@frozen
class Plan:
    """
    What will be.

    @ivar remarks: What whoever asked should know.
    @ivar hypervisors: Those whose parameters are to be checked on the nodes, with all of them.
    @ivar oses: Operating systems whose parameters are to be checked, with all of them, private ones included.
    """

    cluster: Cluster
    remarks: Sequence[str]
    hypervisors: Sequence[tuple[str, Parameters]]
    oses: Mapping[str, Parameters]


def plan(config: Snapshot, op: OpClusterSetParams) -> Plan:
    """
    Work out the cluster's new parameters.

    @raise OpPrereqError: A value is wrong, or does not fit what there is.
    """
    _refuse_unsupported(op)
    before = config.cluster
    members: dict[str, Any] = {}
    remarks: list[str] = []
    for name in PLAIN:
        if (value := getattr(op, name)) is not None:
            members[name] = value
    for name, check in CHECKED.items():
        if (value := getattr(op, name)) is not None:
            members[name] = check(value, before)
    members |= _templates(config, op, remarks)
    members |= _os_lists(before, op, remarks)
    members |= _collectors(before, op)
    hvparams, checks = guest_parameters.hypervisors(before, op)
    if hvparams is not None:
        members["hvparams"] = hvparams
    if op.os_hvp:
        members["os_hvp"] = guest_parameters.os_hvp(before.os_hvp, op.os_hvp)
        filled = members.get("hvparams", before.hvparams)
        for os in op.os_hvp:
            for hypervisor, own in members["os_hvp"].get(os, {}).items():
                checks.append((hypervisor, fill(filled.get(hypervisor, {}), own)))
    members |= guest_parameters.os_parameters(before, op)
    ranges = changed_ranges(before.uid_pool, op.uid_pool, op.add_uids, op.remove_uids)
    if ranges is not None:
        members["uid_pool"] = ranges
    cluster = msgspec.structs.replace(before, **members)
    after = config.with_object(cluster)
    _check_policy(config, after, op, remarks)
    _check_interfaces(after, op)
    return Plan(cluster, remarks, checks, guest_parameters.changed_oses(cluster, op))


def _refuse_unsupported(op: OpClusterSetParams) -> None:
    for name in ("hv_state", "disk_state"):
        if getattr(op, name):
            raise refuse(f"{name} is not used by this version; leave it out")
    for name, what in (
        ("vg_name", "LVM"),
        ("drbd_helper", "DRBD"),
        ("instance_communication_network", "instance communication"),
    ):
        if getattr(op, name):
            raise refuse(f"{name}: this version has no {what}; leave it empty")


def _netmask(value: int, cluster: Cluster) -> int:
    most = 32 if cluster.primary_ip_family == 2 else 128
    if value > most:
        raise refuse(f"master_netmask: {value} is more than {most}")
    return value


def _max_running(value: int, cluster: Cluster) -> int:
    if value > MOST_RUNNING:
        raise refuse(f"max_running_jobs: {value} is more than {MOST_RUNNING}")
    return value


def _image(value: str, cluster: Cluster) -> str:
    if value and not _IMAGE.fullmatch(value):
        raise refuse(f"{value!r:.80} is neither an absolute path nor a URL of an image")
    return value


def _tools(value: list[str], cluster: Cluster) -> list[str]:
    for each in value:
        if not _TOOL.fullmatch(each) or each == "none":
            raise refuse(f"compression_tools: {each!r:.40} is no name for a tool")
    if "gzip" not in value:
        raise refuse("compression_tools: gzip must be among them")
    return value


def _allocator(value: str, cluster: Cluster) -> str:
    if not _SCRIPT.fullmatch(value):
        raise refuse(f"default_iallocator: {value!r:.60} is no name of an allocator")
    return value


def _backend(value: Parameters, cluster: Cluster) -> dict[str, Parameters]:
    wanted = dict(value)
    if "memory" in wanted:
        memory = wanted.pop("memory")
        wanted = {"minmem": memory, "maxmem": memory, **wanted}
    filled = fill(
        cluster.beparams.get("default", {}),
        reset(wanted, BACKEND_PARAMETERS),
        typed(wanted, BACKEND_PARAMETERS, "beparams", sizes={"minmem", "maxmem"}),
    )
    for name in ("minmem", "maxmem", "vcpus"):
        if filled[name] < 1:
            raise refuse(f"beparams {name}: {filled[name]} is not more than zero")
    if filled["minmem"] > filled["maxmem"]:
        raise refuse(
            f"beparams: minmem ({filled['minmem']} MiB) is more than maxmem ({filled['maxmem']} MiB)"
        )
    return {**cluster.beparams, "default": filled}


def _node(value: Parameters, cluster: Cluster) -> Parameters:
    return fill(cluster.ndparams, reset(value, NODE_PARAMETERS), typed(value, NODE_PARAMETERS, "ndparams"))


def _nic(value: Parameters, cluster: Cluster) -> dict[str, Parameters]:
    filled = fill(
        cluster.nicparams.get("default", {}),
        reset(value, NIC_PARAMETERS),
        typed(value, NIC_PARAMETERS, "nicparams"),
    )
    if filled["mode"] not in NIC_MODES:
        raise refuse(f"nicparams mode: {filled['mode']!r:.40} is none of {', '.join(NIC_MODES)}")
    if filled["mode"] != "routed" and not filled["link"]:
        raise refuse(f"nicparams: mode {filled['mode']} needs a link")
    return {**cluster.nicparams, "default": filled}


def _disks(value: dict[str, Parameters], cluster: Cluster) -> dict[str, Parameters]:
    return disk_parameters(cluster.diskparams, value)


def _policy(value: Parameters, cluster: Cluster) -> Parameters:
    return ipolicy.changed(cluster.ipolicy, value, of_group=False)


Check = Callable[[Any, Cluster], Any]
CHECKED: Mapping[str, Check] = {
    "master_netmask": _netmask,
    "max_running_jobs": _max_running,
    "install_image": _image,
    "zeroing_image": _image,
    "compression_tools": _tools,
    "default_iallocator": _allocator,
    "default_iallocator_params": lambda value, _: dict(value),
    "mac_prefix": lambda value, _: mac_prefix(value),
    "beparams": _backend,
    "ndparams": _node,
    "nicparams": _nic,
    "diskparams": _disks,
    "ipolicy": _policy,
}
"""
Parameters that are checked first, or filled from what there is.
"""


def _templates(config: Snapshot, op: OpClusterSetParams, remarks: list[str]) -> dict[str, Any]:
    cluster, members = config.cluster, dict[str, Any]()
    enabled = cluster.enabled_disk_templates
    if op.enabled_disk_templates is not None:
        enabled = members["enabled_disk_templates"] = list(dict.fromkeys(op.enabled_disk_templates))
        check_known(enabled, TEMPLATES, "enabled_disk_templates")
        for template in set(cluster.enabled_disk_templates) - set(enabled):
            users = sorted(
                each.name
                for each in config.instances
                if template in (_kinds(config, each.uuid) or {DISKLESS})
            )
            if users:
                raise refuse(
                    f"Cannot disable disk template {template}: instances have it: {', '.join(users)}",
                    ECode.STATE,
                )
    for name, template in (("file_storage_dir", "file"), ("shared_file_storage_dir", "sharedfile")):
        if (value := getattr(op, name)) is None:
            continue
        if value and (not value.startswith("/") or ".." in value.split("/")):
            raise refuse(f"{name}: {value!r:.80} is no absolute path")
        if not value and template in enabled:
            raise refuse(f"{name}: it cannot be empty while disk template {template} is enabled")
        if value == getattr(cluster, name):
            remarks.append(f"{name} is {value} already")
        if value and template not in enabled:
            remarks.append(f"{name} is set, and disk template {template} is not enabled")
        members[name] = value
    return members


def _kinds(config: Snapshot, uuid: str) -> set[str]:
    return {each.dev_type for each in config.disks_of(config.instances[uuid])}


def _os_lists(cluster: Cluster, op: OpClusterSetParams, remarks: list[str]) -> dict[str, Any]:
    members = {}
    for name in ("hidden_os", "blacklisted_os"):
        changes = getattr(op, name)
        if changes is None:
            continue
        found = list(getattr(cluster, name))
        for action, os in changes:
            if action == "add" and os in found:
                remarks.append(f"OS {os} is in {name} already")
            elif action == "add":
                found.append(os)
            elif os in found:
                found.remove(os)
            else:
                remarks.append(f"OS {os} is not in {name}")
        members[name] = found
    return members


def _collectors(cluster: Cluster, op: OpClusterSetParams) -> dict[str, Any]:
    active, intervals = op.enabled_data_collectors or {}, op.data_collector_interval or {}
    if not active and not intervals:
        return {}
    collectors = fill(cluster.data_collectors)
    check_known([*active, *intervals], collectors, "data collectors")
    for name, value in active.items():
        collectors[name]["active"] = value
    for name, interval in intervals.items():
        if interval < 1:
            raise refuse(f"data_collector_interval: {interval} microseconds are not more than zero")
        collectors[name]["interval"] = interval
    return {"data_collectors": collectors}


def _check_policy(before: Snapshot, after: Snapshot, op: OpClusterSetParams, remarks: list[str]) -> None:
    if op.ipolicy is None and op.enabled_disk_templates is None:
        return
    ipolicy.check(after.cluster.ipolicy, after.cluster.enabled_disk_templates, of_group=False)
    worse = ipolicy.newly_violating(before, after, before.groups)
    if worse:
        remarks.append(
            f"After this change these instances violate their groups' policies: {', '.join(worse)}"
        )


def _check_interfaces(after: Snapshot, op: OpClusterSetParams) -> None:
    """
    @raise OpPrereqError: With the new defaults an instance's interface would lack an address to be routed to.
    """
    if op.nicparams is None:
        return
    wrong = [
        f"{each.name} nic{index}"
        for each in after.instances
        for index, nic in enumerate(each.nics)
        if fill_nic(after, nic)["mode"] == "routed" and not nic.ip
    ]
    if wrong:
        raise refuse(f"nicparams: mode routed needs addresses, which these lack: {', '.join(sorted(wrong))}")
