"""
Opcodes about instances.
"""

from typing import Any, ClassVar, Literal

from gnttwist.model.opcode import NonEmpty, NonNegative, Opcode, Parameters

DiskTemplateName = Literal[
    "blockdev", "diskless", "drbd", "ext", "file", "gluster", "plain", "rbd", "sharedfile"
]
HypervisorName = Literal["chroot", "fake", "kvm", "lxc", "xen-hvm", "xen-pvm"]
NicMember = Literal["bridge", "ip", "link", "mac", "mode", "name", "network", "vlan"]

SHUTDOWN_TIMEOUT = 120
"""
Seconds that a guest is given to shut down by itself; Ganeti's default.
"""


class OpInstanceCreate(Opcode, frozen=True, kw_only=True):
    """
    Make an instance.

    @ivar disks: For each disk C{size} (MiB, or text with a unit), C{mode}, C{name} and the template's own members.
    @ivar nics: For each interface what differs from the cluster's defaults.
    @ivar pnode: The node it shall be on; without one an allocator chooses.
    @ivar identify_defaults: Leave out parameters that are as the cluster has them, so that they follow it.
    @ivar osparams_secret: OS parameters that are never stored.
    """

    summary_field: ClassVar[str | None] = "instance_name"
    secret_fields: ClassVar[frozenset[str]] = frozenset({"osparams_secret"})

    instance_name: str
    force_variant: bool = False
    wait_for_sync: bool = True
    name_check: bool = True
    ignore_ipolicy: bool = False
    opportunistic_locking: bool = False
    beparams: Parameters = {}
    disks: list[dict[NonEmpty, str | int]]
    disk_template: DiskTemplateName | None = None
    group_name: NonEmpty | None = None
    file_driver: Literal["blktap", "blktap2", "loop"] | None = None
    file_storage_dir: NonEmpty | None = None
    hvparams: Parameters = {}
    hypervisor: HypervisorName | None = None
    iallocator: NonEmpty | None = None
    identify_defaults: bool = False
    ip_check: bool = True
    conflicts_check: bool = True
    mode: Literal["create", "import", "remote-import"]
    nics: list[dict[NicMember, str | None]]
    no_install: bool | None = None
    osparams: Parameters = {}
    osparams_private: Parameters | None = None
    osparams_secret: Parameters | None = None
    os_type: NonEmpty | None = None
    pnode: NonEmpty | None = None
    pnode_uuid: NonEmpty | None = None
    snode: NonEmpty | None = None
    snode_uuid: NonEmpty | None = None
    source_handshake: list[Any] | None = None
    source_instance_name: NonEmpty | None = None
    source_shutdown_timeout: NonNegative = SHUTDOWN_TIMEOUT
    source_x509_ca: NonEmpty | None = None
    src_node: NonEmpty | None = None
    src_node_uuid: NonEmpty | None = None
    src_path: NonEmpty | None = None
    compress: str = "none"
    start: bool = True
    forthcoming: bool = False
    commit: bool = False
    tags: list[NonEmpty] = []
    instance_communication: bool = False
    helper_startup_timeout: int | None = None
    helper_shutdown_timeout: int | None = None


class OpInstanceStartup(Opcode, frozen=True, kw_only=True):
    """
    Start an instance.

    @ivar hvparams: For this start only.
    @ivar beparams: For this start only.
    @ivar no_remember: Do not record that it should be up.
    """

    summary_field: ClassVar[str | None] = "instance_name"

    instance_name: str
    instance_uuid: NonEmpty | None = None
    force: bool = False
    ignore_offline_nodes: bool = False
    hvparams: Parameters = {}
    beparams: Parameters = {}
    no_remember: bool = False
    startup_paused: bool = False
    shutdown_timeout: NonNegative = SHUTDOWN_TIMEOUT


class OpInstanceShutdown(Opcode, frozen=True, kw_only=True):
    """
    Stop an instance: ask it, wait for C{timeout} seconds, then end it.

    @ivar no_remember: Do not record that it should be down.
    @ivar admin_state_source: Who wanted it; the administrator if not told.
    """

    summary_field: ClassVar[str | None] = "instance_name"

    instance_name: str
    instance_uuid: NonEmpty | None = None
    force: bool = False
    ignore_offline_nodes: bool = False
    timeout: NonNegative = SHUTDOWN_TIMEOUT
    no_remember: bool = False
    admin_state_source: Literal["admin", "user"] | None = None


class OpInstanceRemove(Opcode, frozen=True, kw_only=True):
    """
    Stop an instance and destroy it with its disks.

    @ivar ignore_failures: Go on where the node fails; what could not be removed is left there.
    """

    summary_field: ClassVar[str | None] = "instance_name"

    instance_name: str
    instance_uuid: NonEmpty | None = None
    shutdown_timeout: NonNegative = SHUTDOWN_TIMEOUT
    ignore_failures: bool = False


class OpInstanceReboot(Opcode, frozen=True, kw_only=True):
    """
    Restart an instance; one that does not run is started.

    @ivar reboot_type: C{soft} asks the guest, C{hard} restarts its hypervisor's process, C{full} also gives its disks
        back meanwhile.
    """

    summary_field: ClassVar[str | None] = "instance_name"

    instance_name: str
    instance_uuid: NonEmpty | None = None
    shutdown_timeout: NonNegative = SHUTDOWN_TIMEOUT
    ignore_secondaries: bool = False
    reboot_type: Literal["full", "hard", "soft"]


class OpInstanceReinstall(Opcode, frozen=True, kw_only=True):
    """
    Install a stopped instance anew, perhaps with another operating system.

    @ivar osparams: Kept from now on, over those that it has.
    @ivar osparams_private: The same for private ones.
    @ivar osparams_secret: OS parameters that are never stored.
    """

    summary_field: ClassVar[str | None] = "instance_name"
    secret_fields: ClassVar[frozenset[str]] = frozenset({"osparams_secret"})

    instance_name: str
    instance_uuid: NonEmpty | None = None
    force_variant: bool = False
    os_type: NonEmpty | None = None
    osparams: Parameters | None = None
    osparams_private: Parameters | None = None
    osparams_secret: Parameters | None = None


class OpInstanceRename(Opcode, frozen=True, kw_only=True):
    """
    Give a stopped instance another name, and its disks' files another directory.
    """

    instance_name: str
    instance_uuid: NonEmpty | None = None
    new_name: NonEmpty
    name_check: bool = True
    ip_check: bool = True


class OpInstanceFailover(Opcode, frozen=True, kw_only=True):
    """
    Stop an instance and start it on another node that sees its disks.

    @ivar ignore_consistency: Go on where the node that it was on fails.
    @ivar cleanup: Only mend what an interrupted migration left.
    """

    summary_field: ClassVar[str | None] = "instance_name"

    instance_name: str
    instance_uuid: NonEmpty | None = None
    shutdown_timeout: NonNegative = SHUTDOWN_TIMEOUT
    ignore_consistency: bool = False
    target_node: NonEmpty | None = None
    target_node_uuid: NonEmpty | None = None
    ignore_ipolicy: bool = False
    cleanup: bool = False
    iallocator: NonEmpty | None = None


class OpInstanceMigrate(Opcode, frozen=True, kw_only=True):
    """
    Move a running instance to another node that sees its disks.

    @ivar mode: Whether the guest goes on running meanwhile; C{live} is an older way to say so.
    @ivar cleanup: Only mend what an interrupted migration left.
    @ivar allow_failover: Stop it and start it there where it cannot be migrated.
    """

    summary_field: ClassVar[str | None] = "instance_name"

    instance_name: str
    instance_uuid: NonEmpty | None = None
    mode: Literal["live", "non-live"] | None = None
    live: bool | None = None
    target_node: NonEmpty | None = None
    target_node_uuid: NonEmpty | None = None
    allow_runtime_changes: bool = True
    ignore_ipolicy: bool = False
    cleanup: bool = False
    iallocator: NonEmpty | None = None
    allow_failover: bool = False
    ignore_hvversions: bool = False


class OpInstanceConsole(Opcode, frozen=True, kw_only=True):
    """
    Tell how to reach an instance's console.
    """

    summary_field: ClassVar[str | None] = "instance_name"

    instance_name: str
    instance_uuid: NonEmpty | None = None


class OpInstanceQueryData(Opcode, frozen=True, kw_only=True):
    """
    Tell everything about instances.

    @ivar instances: Names; none means all.
    @ivar static: Ask no node.
    @ivar use_locking: Wait until nobody changes them.
    """

    use_locking: bool = False
    instances: list[NonEmpty] = []
    static: bool = False


class OpInstanceMultiAlloc(Opcode, frozen=True, kw_only=True):
    """
    Make several instances, each by a job of its own, placed together.

    @ivar instances: Opcodes that create instances.
    """

    opportunistic_locking: bool = False
    iallocator: NonEmpty | None = None
    instances: list[Any] = []

    def __post_init__(self) -> None:
        if any(isinstance(each, dict) and each.get("osparams_secret") for each in self.instances):
            # Only an opcode's own secrets are kept out of the store.
            raise ValueError("osparams_secret cannot be given here; submit a job for each such instance")
