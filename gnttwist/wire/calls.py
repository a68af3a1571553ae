"""
The table of node functions: what can be called on a node, with what, and how.

The one place that masterd, noded and the launcher read. A function's code is registered under the same name in
L{gnttwist.functions}; a test holds the two together. Names, arguments and timeouts are Ganeti's (reference: node
daemon RPC, section 4.8).

A row has the function's name, its arguments with their types in their order, and its result's type where it has a
result; the rest is L{Signature}'s to say::

    Signature("blockdev_grow", {"bdev": DiskArgument, "amount": int}, changing=True),
    Signature("bdev_sizes", {"devices": list[str]}, dict[str, int], limit=URGENT),

Types are what JSON has (C{bool}, C{int}, C{float}, C{str}, C{list[str]}, C{dict[str, Any]}, C{tuple[str, int]} for
arrays of fixed length, unions with C{None}, C{Any}) and the objects of L{gnttwist.wire.call_types}. A C{float} takes
whole numbers too. Arguments are checked before the function's code runs; to the result the code is held by its
annotation, which must be the table's.
"""

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from gnttwist.wire.call_types import DiskArgument, InstanceArgument

URGENT, FAST, NORMAL, SLOW, DAY = 60.0, 300.0, 900.0, 3600.0, 86400.0
"""
Ganeti's classes of time limits, in seconds.
"""

UNPRIVILEGED = "noded"
"""
The node daemon's own user, without its groups.
"""


@frozen
class Signature:
    """
    One function.

    @ivar arguments: Positional arguments' types by their names, in their order.
    @ivar result: The result's type.
    @ivar limit: Seconds after which the caller gives up.
    @ivar changing: Whether it changes the node. Changing calls carry a key and happen once; others may be repeated.
    @ivar abortable: Whether stopping it half-way leaves nothing that a repeated or undoing call cannot mend.
    @ivar user: Whom the function process runs as where the launcher is privileged: C{root}, or a role of
        L{gnttwist.privileges.accounts.USERS}. Only what needs nothing but files that everybody may read is not
        root: disks, guests and administrators' scripts and files are root's.
    """

    name: str
    arguments: Mapping[str, Any] = field(factory=dict)
    result: Any = None
    limit: float = NORMAL
    changing: bool = False
    abortable: bool = True
    user: str = "root"


Reason = list[tuple[str, str, int]]
"""
A reason trail: C{[source, reason, nanoseconds since the epoch]} each.
"""

Upload = tuple[str, Any, int, str | None, str | None, float, float]
"""
A file: path, content, mode, owner, group, times of access and change.
"""


def _table(*signatures: Signature) -> dict[str, Signature]:
    return {each.name: each for each in signatures}


FUNCTIONS: dict[str, Signature] = _table(
    Signature("version", {}, int, limit=URGENT, user=UNPRIVILEGED),
    Signature(
        "node_info",
        {
            "storage_units": list[tuple[str, str, list[Any]]] | None,
            "hv_specs": list[tuple[str, dict[str, Any]]] | None,
        },
        list[Any],
        limit=URGENT,
    ),
    Signature(
        "node_verify",
        {"checkdict": dict[str, Any], "cluster_name": str, "all_hvparams": dict[str, Any]},
        dict[str, Any],
    ),
    Signature("test_delay", {"duration": float}, limit=DAY, changing=True, user=UNPRIVILEGED),
    Signature("os_diagnose", {}, list[list[Any]], limit=FAST),
    Signature("os_versions", {}, dict[str, str | None], limit=FAST),
    Signature(
        "os_validate",
        {
            "required": bool,
            "name": str,
            "checks": list[str],
            "params": dict[str, Any],
            "force_variant": bool,
        },
        bool,
        limit=FAST,
    ),
    Signature("file_storage_dir_create", {"file_storage_dir": str}, limit=FAST, changing=True),
    Signature("file_storage_dir_remove", {"file_storage_dir": str}, limit=FAST, changing=True),
    Signature(
        "file_storage_dir_rename",
        {"old_file_storage_dir": str, "new_file_storage_dir": str},
        limit=FAST,
        changing=True,
    ),
    Signature(
        "blockdev_create",
        {
            "bdev": DiskArgument,
            "size": int,
            "owner": str,
            "on_primary": bool,
            "info": str,
            "exclusive_storage": bool,
        },
        list[Any],
        changing=True,
    ),
    Signature("blockdev_remove", {"bdev": DiskArgument}, changing=True),
    Signature(
        "blockdev_assemble",
        {"disk": DiskArgument, "instance": InstanceArgument, "on_primary": bool, "idx": int},
        list[Any],
        changing=True,
    ),
    Signature("blockdev_shutdown", {"disk": DiskArgument}, changing=True),
    Signature(
        "blockdev_grow",
        {"cf_bdev": DiskArgument, "amount": int, "dryrun": bool, "backingstore": bool, "es_flag": bool},
        changing=True,
    ),
    Signature("blockdev_wipe", {"bdev": DiskArgument, "offset": int, "size": int}, limit=SLOW, changing=True),
    Signature(
        "blockdev_convert", {"bdev_src": DiskArgument, "bdev_dest": DiskArgument}, limit=SLOW, changing=True
    ),
    Signature(
        "blockdev_open",
        {"instance_name": str, "disks": list[DiskArgument], "exclusive": bool},
        changing=True,
    ),
    Signature("blockdev_close", {"instance_name": str, "disks": list[DiskArgument]}, changing=True),
    Signature(
        "blockdev_pause_resume_sync",
        {"disks": list[DiskArgument], "pause": bool},
        list[tuple[bool, str | None]],
        changing=True,
    ),
    Signature("blockdev_getmirrorstatus", {"disks": list[DiskArgument]}, list[dict[str, Any]]),
    Signature("blockdev_getmirrorstatus_multi", {"node_disks": list[DiskArgument]}, list[tuple[bool, Any]]),
    Signature("blockdev_setinfo", {"disk": DiskArgument, "info": str}, changing=True),
    Signature("blockdev_getdimensions", {"disks": list[DiskArgument]}, list[Any]),
    Signature("blockdev_find", {"disk": DiskArgument}, dict[str, Any] | None),
    Signature(
        "instance_os_add",
        {"instance_osp": InstanceArgument, "reinstall": bool, "debug": int},
        limit=DAY,
        changing=True,
    ),
    Signature(
        "instance_run_rename",
        {"instance": InstanceArgument, "old_name": str, "debug": int},
        limit=SLOW,
        changing=True,
    ),
    Signature(
        "instance_start",
        {"instance_hvp_bep": InstanceArgument, "startup_paused": bool, "reason": Reason},
        changing=True,
    ),
    Signature(
        "instance_shutdown",
        {"instance": InstanceArgument, "timeout": float, "reason": Reason},
        limit=SLOW,
        changing=True,
    ),
    Signature(
        "instance_reboot",
        {"inst": InstanceArgument, "reboot_type": str, "shutdown_timeout": float, "reason": Reason},
        limit=SLOW,
        changing=True,
    ),
    Signature(
        "resize_disk",
        {"instance": InstanceArgument, "disk": DiskArgument, "new_size": int},
        bool,
        changing=True,
    ),
    Signature("instance_balloon_memory", {"instance": InstanceArgument, "memory": int}, changing=True),
    Signature("instance_migratable", {"instance": InstanceArgument}),
    Signature("migration_info", {"instance": InstanceArgument}, str),
    Signature("accept_instance", {"instance": InstanceArgument, "info": Any, "target": str}, changing=True),
    Signature(
        "instance_migrate",
        {"cluster_name": str, "instance": InstanceArgument, "target": str, "live": bool},
        limit=SLOW,
        changing=True,
    ),
    Signature("instance_get_migration_status", {"instance": InstanceArgument}, dict[str, Any], limit=SLOW),
    Signature(
        "instance_finalize_migration_src",
        {"instance": InstanceArgument, "success": bool, "live": bool},
        limit=SLOW,
        changing=True,
    ),
    Signature(
        "instance_finalize_migration_dst",
        {"instance": InstanceArgument, "info": str, "success": bool},
        changing=True,
    ),
    Signature(
        "instance_info",
        {"instance": str, "hname": str, "hvparams": dict[str, Any] | None},
        dict[str, Any],
        limit=URGENT,
    ),
    Signature(
        "instance_list",
        {"hypervisor_list": list[str], "hvparams": dict[str, Any] | None},
        list[str],
        limit=URGENT,
    ),
    Signature(
        "all_instances_info",
        {"hypervisor_list": list[str], "all_hvparams": dict[str, Any] | None},
        dict[str, Any],
        limit=URGENT,
    ),
    Signature(
        "instance_console_info",
        {"instances": dict[str, dict[str, dict[str, Any]]]},
        dict[str, dict[str, Any]],
        limit=URGENT,
    ),
    Signature("hypervisor_validate_params", {"hvname": str, "hvfull": dict[str, Any]}, limit=URGENT),
    Signature("bridges_exist", {"bridges_list": list[str]}, limit=URGENT, user=UNPRIVILEGED),
    Signature("upload_file", {"file": Upload}, changing=True),
    Signature("write_ssconf_files", {"values": dict[str, str | list[str]]}, changing=True),
    Signature(
        "iallocator_runner",
        {"name": str, "idata": str, "default_iallocator_params": dict[str, str | None]},
        str,
    ),
    Signature(
        "hooks_runner",
        {"hpath": str, "phase": str, "env": dict[str, str]},
        list[list[Any]],
        changing=True,
        abortable=False,
    ),
    Signature("x509_cert_create", {"validity": float}, list[str], changing=True),
    Signature("x509_cert_remove", {"name": str}, changing=True),
    Signature("restricted_command", {"cmd": str}, str, limit=SLOW, changing=True, abortable=False),
    Signature(
        "node_crypto_tokens", {"token_request": list[tuple[str, str, Any]]}, list[list[str]], limit=SLOW
    ),
    Signature("node_demote_from_mc", {}, changing=True),
    Signature(
        "node_activate_master_ip",
        {"master_params": dict[str, Any], "use_external_mip_script": bool},
        limit=FAST,
        changing=True,
    ),
    Signature(
        "node_deactivate_master_ip",
        {"master_params": dict[str, Any], "use_external_mip_script": bool},
        limit=FAST,
        changing=True,
    ),
    Signature("get_watcher_pause", {}, int | None, limit=URGENT, user=UNPRIVILEGED),
    Signature("set_watcher_pause", {"until": float | None}, limit=URGENT, changing=True),
    Signature("cluster_certificate", {"step": str, "rsa": bool}, str, changing=True),
    Signature("node_certificate", {"step": str, "rsa": bool}, list[str | None], changing=True),
    Signature("renew_secret", {"name": str, "rsa": bool}, changing=True),
    Signature("install_certificate", {"pem": str}, changing=True),
    Signature("node_leave_cluster", {"modify_ssh_setup": bool}, str, changing=True, abortable=False),
    Signature(
        "node_powercycle",
        {"hypervisor": str, "hvparams": dict[str, Any]},
        str,
        changing=True,
        abortable=False,
    ),
    Signature(
        "storage_list",
        {"su_name": str, "su_args": list[Any], "name": str | None, "fields": list[str]},
        list[list[Any]],
    ),
    Signature("master_node_name", {}, str, limit=URGENT, user=UNPRIVILEGED),
)
