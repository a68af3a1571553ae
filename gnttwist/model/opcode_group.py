"""
Opcodes about node groups.
"""

from typing import Any, ClassVar, Literal

from gnttwist.model.opcode import NonEmpty, Opcode, Parameters

AllocationPolicy = Literal["preferred", "last_resort", "unallocable"]
"""
Whether new instances go to a group: gladly, if there is no other place, or never.
"""


class OpGroupAdd(Opcode, frozen=True, kw_only=True):
    """
    Make a group, which has no nodes yet.
    """

    summary_field: ClassVar[str | None] = "group_name"

    group_name: NonEmpty
    alloc_policy: AllocationPolicy | None = None
    ndparams: Parameters | None = None
    diskparams: dict[str, Parameters] | None = None
    hv_state: dict[str, Any] | None = None
    disk_state: dict[str, Any] | None = None
    ipolicy: Parameters | None = None


class OpGroupSetParams(Opcode, frozen=True, kw_only=True):
    """
    Change what a group's nodes and instances inherit; C{None} leaves one as it is.
    """

    summary_field: ClassVar[str | None] = "group_name"

    group_name: NonEmpty
    alloc_policy: AllocationPolicy | None = None
    ndparams: Parameters | None = None
    diskparams: dict[str, Parameters] | None = None
    hv_state: dict[str, Any] | None = None
    disk_state: dict[str, Any] | None = None
    ipolicy: Parameters | None = None


class OpGroupAssignNodes(Opcode, frozen=True, kw_only=True):
    """
    Move nodes to a group.

    @ivar force: Also where an instance's nodes are in different groups then.
    @ivar nodes: Names; C{node_uuids} is for internal use in Ganeti and not looked at.
    """

    summary_field: ClassVar[str | None] = "group_name"

    group_name: NonEmpty
    force: bool = False
    nodes: list[NonEmpty]
    node_uuids: list[NonEmpty] | None = None


class OpGroupRename(Opcode, frozen=True, kw_only=True):
    """
    Give a group another name.
    """

    group_name: NonEmpty
    new_name: NonEmpty


class OpGroupRemove(Opcode, frozen=True, kw_only=True):
    """
    Remove a group that has no nodes.
    """

    summary_field: ClassVar[str | None] = "group_name"

    group_name: NonEmpty


class OpGroupVerifyDisks(Opcode, frozen=True, kw_only=True):
    """
    See whether the disks of a group's instances are there and usable.
    """

    summary_field: ClassVar[str | None] = "group_name"

    group_name: NonEmpty


class OpGroupEvacuate(Opcode, frozen=True, kw_only=True):
    """
    Move all instances of a group to other groups.
    """

    summary_field: ClassVar[str | None] = "group_name"

    group_name: NonEmpty
    early_release: bool = False
    iallocator: NonEmpty | None = None
    target_groups: list[NonEmpty] | None = None
    sequential: bool = False
    force_failover: bool = False
