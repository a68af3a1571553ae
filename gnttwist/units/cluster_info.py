"""
What QueryClusterInfo and QueryConfigValues answer (reference: LUXI, sections 1.5 and 1.8). Pure.
"""

import platform
from typing import Any

from gnttwist.config.snapshot import Snapshot
from gnttwist.jobs.limits import max_queued, node_patience
from gnttwist.model.objects import Cluster

SOFTWARE_VERSION = "3.0.2"
"""
The version whose formats are spoken; clients compare it and take it apart.
"""

VCS_VERSION = "gnttwist 0.1.0"
FORMAT_VERSION = 3_000_000
"""
Of the protocol between nodes, and of the configuration.
"""

OS_API_VERSION = 20
EXPORT_VERSION = 0

AS_THEY_ARE = (
    "enabled_hypervisors", "hvparams", "os_hvp", "beparams", "osparams", "ipolicy", "nicparams", "ndparams",
    "diskparams", "candidate_pool_size", "max_running_jobs", "max_tracked_jobs", "mac_prefix", "master_netdev",
    "master_netmask", "use_external_mip_script", "volume_group_name", "drbd_usermode_helper", "file_storage_dir",
    "shared_file_storage_dir", "gluster_storage_dir", "maintain_node_health", "ctime", "mtime", "uuid", "tags",
    "uid_pool", "default_iallocator", "default_iallocator_params", "reserved_lvs", "prealloc_wipe_disks",
    "hidden_os", "blacklisted_os", "enabled_disk_templates", "install_image", "instance_communication_network",
    "zeroing_image", "compression_tools", "enabled_user_shutdown", "modify_ssh_setup", "ssh_key_type",
    "ssh_key_bits",
)  # fmt: skip
"""
Members that are the cluster object's own.
"""

IP_VERSIONS = {2: 4, 10: 6}
"""
From address families, as the configuration has them, to versions of IP.
"""


def cluster_info(config: Snapshot) -> dict[str, Any]:
    """
    Everything about the cluster in one object.
    """
    cluster = config.cluster
    return {
        "software_version": SOFTWARE_VERSION,
        "protocol_version": FORMAT_VERSION,
        "config_version": FORMAT_VERSION,
        "os_api_version": OS_API_VERSION,
        "export_version": EXPORT_VERSION,
        "vcs_version": VCS_VERSION,
        "architecture": ["64bits", platform.machine()],
        "name": cluster.cluster_name,
        "master": config.master.name,
        "default_hypervisor": cluster.enabled_hypervisors[0],
        "primary_ip_version": IP_VERSIONS[cluster.primary_ip_family],
        "enabled_data_collectors": _collectors(cluster, "active"),
        "data_collector_interval": _collectors(cluster, "interval"),
        **{name: getattr(cluster, name) for name in AS_THEY_ARE},
    }


def config_value(config: Snapshot, drained: bool, paused_until: int | None, name: str) -> Any:
    """
    One of the values that QueryConfigValues knows, else C{None}.

    @param paused_until: Until when the watcher keeps still, in seconds since the epoch.
    """
    match name:
        case "cluster_name":
            return config.cluster.cluster_name
        case "master_node":
            return config.master.name
        case "drain_flag":
            return drained
        case "modify_ssh_setup" | "ssh_key_type" | "ssh_key_bits":
            return getattr(config.cluster, name)
        case "max_queued_jobs":
            # Our own, as the next: Ganeti has no such limits, and its description of the cluster no room for it.
            return max_queued(config.cluster)
        case "node_patience":
            return node_patience(config.cluster)
        case "watcher_pause":
            return paused_until
        case _:
            return None


def _collectors(cluster: Cluster, member: str) -> dict[str, Any]:
    return {name: each[member] for name, each in cluster.data_collectors.items()}
