"""
Opcodes about nodes.
"""

from typing import Any, ClassVar, Literal

from gnttwist.model.opcode import NonEmpty, Opcode, Parameters

StorageType = Literal[
    "blockdev", "diskless", "ext", "file", "gluster", "lvm-pv", "lvm-vg", "rados", "sharedfile"
]
"""
Kinds of storage: what nodes have, rather than what disks are made of.
"""

OobCommand = Literal["health", "power-cycle", "power-off", "power-on", "power-status"]
"""
What a node's own management hardware can be told.
"""


class OpNodeAdd(Opcode, frozen=True, kw_only=True):
    """
    Take a machine into the cluster that has the cluster's certificates already, or take one back.

    @ivar primary_ip: Where its node daemon listens; of one that is taken back, by default as before.
    @ivar readd: Whether it is one of the cluster's nodes, which was away or made anew.
    @ivar group: Name or UUID of its group.
    """

    summary_field: ClassVar[str | None] = "node_name"

    node_name: NonEmpty
    hv_state: dict[str, Any] | None = None
    disk_state: dict[str, Any] | None = None
    primary_ip: NonEmpty | None = None
    secondary_ip: NonEmpty | None = None
    readd: bool = False
    group: NonEmpty | None = None
    master_capable: bool | None = None
    vm_capable: bool | None = None
    ndparams: Parameters | None = None
    node_setup: bool = False


class OpNodeSetParams(Opcode, frozen=True, kw_only=True):
    """
    Change a node's role, capabilities or parameters.

    @ivar auto_promote: Make another node master candidate where this one ceases to be one.
    @ivar powered: Whether it has power, as far as its management hardware tells.
    """

    summary_field: ClassVar[str | None] = "node_name"

    node_name: NonEmpty
    node_uuid: NonEmpty | None = None
    force: bool = False
    hv_state: dict[str, Any] | None = None
    disk_state: dict[str, Any] | None = None
    master_candidate: bool | None = None
    offline: bool | None = None
    drained: bool | None = None
    auto_promote: bool = False
    master_capable: bool | None = None
    vm_capable: bool | None = None
    secondary_ip: NonEmpty | None = None
    ndparams: Parameters | None = None
    powered: bool | None = None


class OpNodeRemove(Opcode, frozen=True, kw_only=True):
    """
    Remove a node that has no instances.
    """

    summary_field: ClassVar[str | None] = "node_name"

    node_name: NonEmpty
    node_uuid: NonEmpty | None = None


class OpNodePowercycle(Opcode, frozen=True, kw_only=True):
    """
    Reboot a node at once, as if it had lost its power.

    @ivar force: Also if it is the master.
    """

    summary_field: ClassVar[str | None] = "node_name"

    node_name: NonEmpty
    node_uuid: NonEmpty | None = None
    force: bool = False


class OpNodeMigrate(Opcode, frozen=True, kw_only=True):
    """
    Submit jobs that migrate all of a node's primary instances.
    """

    summary_field: ClassVar[str | None] = "node_name"

    node_name: NonEmpty
    node_uuid: NonEmpty | None = None
    mode: Literal["live", "non-live"] | None = None
    live: bool | None = None
    target_node: NonEmpty | None = None
    target_node_uuid: NonEmpty | None = None
    allow_runtime_changes: bool = True
    ignore_ipolicy: bool = False
    iallocator: NonEmpty | None = None


class OpNodeEvacuate(Opcode, frozen=True, kw_only=True):
    """
    Submit jobs that move a node's instances elsewhere.
    """

    summary_field: ClassVar[str | None] = "node_name"

    node_name: NonEmpty
    mode: Literal["all", "primary-only", "secondary-only"]
    early_release: bool = False
    node_uuid: NonEmpty | None = None
    remote_node: NonEmpty | None = None
    remote_node_uuid: NonEmpty | None = None
    iallocator: NonEmpty | None = None
    ignore_soft_errors: bool | None = None


class OpNodeQueryStorage(Opcode, frozen=True, kw_only=True):
    """
    Sizes and free space of the nodes' storage.

    @ivar nodes: Names; empty for all that are not offline.
    @ivar name: Only this unit of storage.
    """

    output_fields: list[NonEmpty]
    storage_type: StorageType | None = None
    nodes: list[NonEmpty] = []
    name: NonEmpty | None = None


class OpOobCommand(Opcode, frozen=True, kw_only=True):
    """
    Have the administrator's program for management hardware do something with nodes.

    @ivar node_names: Empty for all but the master.
    @ivar timeout: Seconds for each.
    @ivar power_delay: Seconds between two nodes that are switched on.
    """

    command: OobCommand
    node_names: list[NonEmpty] = []
    node_uuids: list[NonEmpty] | None = None
    timeout: int = 60
    ignore_status: bool = False
    power_delay: float = 2.0


class OpRestrictedCommand(Opcode, frozen=True, kw_only=True):
    """
    Run one of the administrator's restricted commands on nodes.

    @ivar use_locking: Whether the nodes are locked meanwhile.
    """

    nodes: list[NonEmpty]
    command: NonEmpty
    use_locking: bool = False
    node_uuids: list[NonEmpty] | None = None
