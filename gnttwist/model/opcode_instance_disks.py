"""
Opcodes about instances' disks.
"""

from typing import Annotated, Any, ClassVar

import msgspec

from gnttwist.model.opcode import NonEmpty, NonNegative, Opcode

DiskIndex = Annotated[int, msgspec.Meta(ge=0, lt=16)]
"""
Ganeti's limit of disks is 16.
"""


class OpInstanceActivateDisks(Opcode, frozen=True, kw_only=True):
    """
    Make an instance's disks usable on its node, without starting it.

    @ivar ignore_size: Go by the disks' sizes as they are.
    """

    summary_field: ClassVar[str | None] = "instance_name"

    instance_name: str
    instance_uuid: NonEmpty | None = None
    ignore_size: bool = False
    wait_for_sync: bool = False


class OpInstanceDeactivateDisks(Opcode, frozen=True, kw_only=True):
    """
    Undo C{OP_INSTANCE_ACTIVATE_DISKS}.

    @ivar force: Without asking the node whether the instance runs.
    """

    summary_field: ClassVar[str | None] = "instance_name"

    instance_name: str
    instance_uuid: NonEmpty | None = None
    force: bool = False


class OpInstanceGrowDisk(Opcode, frozen=True, kw_only=True):
    """
    Make a disk larger.

    @ivar amount: In MiB.
    @ivar absolute: Whether C{amount} is the new size and not what is added.
    """

    summary_field: ClassVar[str | None] = "instance_name"

    instance_name: str
    instance_uuid: NonEmpty | None = None
    wait_for_sync: bool = True
    disk: DiskIndex
    amount: NonNegative
    absolute: bool = False
    ignore_ipolicy: bool = False


class OpInstanceRecreateDisks(Opcode, frozen=True, kw_only=True):
    """
    Make lost disks of a stopped instance anew, empty.

    @ivar disks: Indices, or pairs of an index and what shall be different; none means all.
    @ivar nodes: Where to make them, if not where they were.
    """

    summary_field: ClassVar[str | None] = "instance_name"

    instance_name: str
    instance_uuid: NonEmpty | None = None
    disks: list[int | tuple[NonNegative, dict[NonEmpty, Any]]] = []
    nodes: list[NonEmpty] = []
    node_uuids: list[NonEmpty] | None = None
    iallocator: NonEmpty | None = None
