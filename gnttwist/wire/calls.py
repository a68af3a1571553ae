"""
The table of node functions: what can be called on a node, with what, and how.

The one place that masterd, noded and the launcher read. A function's code is registered under the same name in
L{gnttwist.functions}; a test holds the two together. Names, arguments and timeouts are Ganeti's (reference: node
daemon RPC, section 4.8).
"""

from attrs import frozen

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

    @ivar arguments: Positional arguments' names.
    @ivar limit: Seconds after which the caller gives up.
    @ivar changing: Whether it changes the node. Changing calls carry a key and happen once; others may be repeated.
    @ivar abortable: Whether stopping it half-way leaves nothing that a repeated or undoing call cannot mend.
    @ivar user: Whom the function process runs as where the launcher is privileged: C{root}, or a role of
        L{gnttwist.privileges.accounts.USERS}. Only what needs nothing but files that everybody may read is not
        root: disks, guests and administrators' scripts and files are root's.
    """

    name: str
    arguments: tuple[str, ...] = ()
    limit: float = NORMAL
    changing: bool = False
    abortable: bool = True
    user: str = "root"


def _table(*signatures: Signature) -> dict[str, Signature]:
    return {each.name: each for each in signatures}


FUNCTIONS: dict[str, Signature] = _table(
    Signature("version", limit=URGENT, user=UNPRIVILEGED),
    Signature("node_info", ("storage_units", "hv_specs"), limit=URGENT),
    Signature("node_verify", ("checkdict", "cluster_name", "all_hvparams")),
    Signature("test_delay", ("duration",), limit=DAY, changing=True, user=UNPRIVILEGED),
    Signature("os_diagnose", limit=FAST),
    Signature("os_validate", ("required", "name", "checks", "params", "force_variant"), limit=FAST),
    Signature("file_storage_dir_create", ("file_storage_dir",), limit=FAST, changing=True),
    Signature("file_storage_dir_remove", ("file_storage_dir",), limit=FAST, changing=True),
    Signature(
        "blockdev_create", ("bdev", "size", "owner", "on_primary", "info", "exclusive_storage"), changing=True
    ),
    Signature("blockdev_remove", ("bdev",), changing=True),
    Signature("blockdev_assemble", ("disk", "instance", "on_primary", "idx"), changing=True),
    Signature("blockdev_shutdown", ("disk",), changing=True),
    Signature("blockdev_find", ("disk",)),
    Signature("instance_os_add", ("instance_osp", "reinstall", "debug"), limit=DAY, changing=True),
    Signature("instance_start", ("instance_hvp_bep", "startup_paused", "reason"), changing=True),
    Signature("instance_shutdown", ("instance", "timeout", "reason"), limit=SLOW, changing=True),
    Signature("instance_info", ("instance", "hname", "hvparams"), limit=URGENT),
    Signature("instance_list", ("hypervisor_list", "hvparams"), limit=URGENT),
    Signature("all_instances_info", ("hypervisor_list", "all_hvparams"), limit=URGENT),
    Signature("instance_console_info", ("instances",), limit=URGENT),
    Signature("hypervisor_validate_params", ("hvname", "hvfull"), limit=URGENT),
    Signature("bridges_exist", ("bridges_list",), limit=URGENT, user=UNPRIVILEGED),
    Signature("upload_file", ("file",), changing=True),
    Signature("write_ssconf_files", ("values",), changing=True),
    Signature("hooks_runner", ("hpath", "phase", "env"), changing=True, abortable=False),
    Signature("x509_cert_create", ("validity",), changing=True),
    Signature("x509_cert_remove", ("name",), changing=True),
    Signature("restricted_command", ("cmd",), limit=SLOW, changing=True, abortable=False),
    Signature("master_node_name", limit=URGENT, user=UNPRIVILEGED),
)
