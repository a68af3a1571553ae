"""
The cluster as C{OP_CLUSTER_SET_PARAMS} makes it of the cluster that there is. Pure.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from attrs import frozen

from gnttwist.config.defaults import (
    BACKEND_PARAMETERS,
    HYPERVISOR_PARAMETERS,
    NIC_PARAMETERS,
    NODE_PARAMETERS,
    known_hypervisor_parameters,
)
from gnttwist.config.parameters import fill, fill_nic
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.jobs.limits import MOST_RUNNING
from gnttwist.model.objects import Cluster, Parameters
from gnttwist.model.opcode_cluster_modify import OpClusterSetParams
from gnttwist.units import ipolicy
from gnttwist.units.group_parameters import disk_parameters
from gnttwist.units.network import mac_prefix
from gnttwist.units.own_parameters import osparams
from gnttwist.units.policy import DISKLESS
from gnttwist.units.uid_ranges import changed as changed_ranges
from gnttwist.units.values import DEFAULT, refuse, typed

HYPERVISORS = frozenset({"fake", "kvm"})
TEMPLATES = frozenset({DISKLESS, "file", "sharedfile"})
"""
What this version can run, and make disks of.
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
    hvparams, checks = _hypervisors(before, op)
    if hvparams is not None:
        members["hvparams"] = hvparams
    if op.os_hvp:
        members["os_hvp"] = _os_hvp(before.os_hvp, op.os_hvp)
        filled = members.get("hvparams", before.hvparams)
        for os in op.os_hvp:
            for hypervisor, own in members["os_hvp"].get(os, {}).items():
                checks.append((hypervisor, fill(filled.get(hypervisor, {}), own)))
    members |= _os_parameters(before, op)
    ranges = changed_ranges(before.uid_pool, op.uid_pool, op.add_uids, op.remove_uids)
    if ranges is not None:
        members["uid_pool"] = ranges
    cluster = msgspec.structs.replace(before, **members)
    after = config.with_object(cluster)
    _check_policy(config, after, op, remarks)
    _check_interfaces(after, op)
    return Plan(cluster, remarks, checks, _changed_oses(cluster, op))


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
        _reset(wanted, BACKEND_PARAMETERS),
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
    return fill(cluster.ndparams, _reset(value, NODE_PARAMETERS), typed(value, NODE_PARAMETERS, "ndparams"))


def _nic(value: Parameters, cluster: Cluster) -> dict[str, Parameters]:
    filled = fill(
        cluster.nicparams.get("default", {}),
        _reset(value, NIC_PARAMETERS),
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


def _reset(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Parameters:
    """
    Those that are to be as in a new cluster: above the cluster there is nothing to inherit from.
    """
    return {
        name: defaults[name] for name, value in given.items() if name in defaults and value in (DEFAULT, None)
    }


def _templates(config: Snapshot, op: OpClusterSetParams, remarks: list[str]) -> dict[str, Any]:
    cluster, members = config.cluster, dict[str, Any]()
    enabled = cluster.enabled_disk_templates
    if op.enabled_disk_templates is not None:
        enabled = members["enabled_disk_templates"] = list(dict.fromkeys(op.enabled_disk_templates))
        _known(enabled, TEMPLATES, "enabled_disk_templates")
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


def _known(given: Iterable[str], known: Iterable[str], what: str) -> None:
    found = list(given)
    unknown = sorted(set(found) - set(known))
    if unknown or not found:
        raise refuse(
            f"{what}: {', '.join(unknown) or 'none at all'} cannot be used; there are {', '.join(sorted(known))}"
        )


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
    _known([*active, *intervals], collectors, "data collectors")
    for name, value in active.items():
        collectors[name]["active"] = value
    for name, interval in intervals.items():
        if interval < 1:
            raise refuse(f"data_collector_interval: {interval} microseconds are not more than zero")
        collectors[name]["interval"] = interval
    return {"data_collectors": collectors}


def _hypervisors(
    cluster: Cluster, op: OpClusterSetParams
) -> tuple[dict[str, Parameters] | None, list[tuple[str, Parameters]]]:
    """
    @return: The new C{hvparams}, if there are any, and what of them to check on the nodes.
    """
    if op.enabled_hypervisors is not None:
        _known(op.enabled_hypervisors, HYPERVISORS, "enabled_hypervisors")
    if op.hvparams is None and op.enabled_hypervisors is None:
        return None, []
    result = fill(cluster.hvparams)
    for hypervisor, given in (op.hvparams or {}).items():
        known = _parameters_of(hypervisor)
        result[hypervisor] = fill(
            HYPERVISOR_PARAMETERS[hypervisor],
            result.get(hypervisor, {}),
            _reset(given, known),
            typed(given, known, f"hvparams of {hypervisor}"),
        )
    for hypervisor in op.enabled_hypervisors or ():
        result[hypervisor] = fill(HYPERVISOR_PARAMETERS[hypervisor], result.get(hypervisor, {}))
    changed = {*(op.hvparams or {}), *(op.enabled_hypervisors or ())} & HYPERVISORS
    return result, [(each, result[each]) for each in sorted(changed)]


def _parameters_of(hypervisor: str) -> Mapping[str, Any]:
    if hypervisor not in HYPERVISOR_PARAMETERS:
        raise refuse(
            f"hvparams: there is no hypervisor {hypervisor}; there are {', '.join(sorted(HYPERVISOR_PARAMETERS))}"
        )
    return known_hypervisor_parameters(hypervisor)


def _os_hvp(
    before: Mapping[str, Mapping[str, Parameters]], given: Mapping[str, Mapping[str, Parameters | None]]
) -> dict[str, dict[str, Parameters]]:
    result = fill(before)
    for os, by_hypervisor in given.items():
        own = result.setdefault(os, {})
        for hypervisor, values in by_hypervisor.items():
            if values is None:
                own.pop(hypervisor, None)
                continue
            new = typed(values, _parameters_of(hypervisor), f"os_hvp of {os} and {hypervisor}")
            rest = {name: value for name, value in own.get(hypervisor, {}).items() if name not in values}
            own[hypervisor] = {**rest, **new}
        result[os] = {hypervisor: values for hypervisor, values in own.items() if values}
        if not result[os]:
            del result[os]
    return result


def _os_parameters(cluster: Cluster, op: OpClusterSetParams) -> dict[str, Any]:
    members = {}
    for name in ("osparams", "osparams_private_cluster"):
        given: Mapping[str, Parameters] | None = getattr(op, name)
        if given is None:
            continue
        result = fill(getattr(cluster, name))
        for os, values in given.items():
            new = {each: value for each, value in values.items() if value not in (None, DEFAULT)}
            rest = {each: value for each, value in result.get(os, {}).items() if each not in values}
            result[os] = {**rest, **osparams(new, name)}
            if not result[os]:
                del result[os]
        members[name] = result
    return members


def _changed_oses(cluster: Cluster, op: OpClusterSetParams) -> dict[str, Parameters]:
    changed = {*(op.osparams or {}), *(op.osparams_private_cluster or {})}
    return {
        os: fill(cluster.osparams.get(os, {}), cluster.osparams_private_cluster.get(os, {}))
        for os in sorted(changed)
    }


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
