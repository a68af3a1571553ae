"""
The opcode that changes an instance.
"""

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from gnttwist.model.opcode import NonEmpty, Opcode, Parameters
from gnttwist.model.opcode_instance import DiskTemplateName


class OpInstanceSetParams(Opcode, frozen=True, kw_only=True):
    """
    Change an instance's parameters, disks and network interfaces.

    @ivar nics: C{[action, which, members]} each, or Ganeti's older C{[action or index, members]}; likewise C{disks}.
    @ivar beparams: What shall be different; C{default} for as the cluster has it. Likewise the other parameters.
    @ivar runtime_mem: MiB that the running guest shall have now.
    @ivar disk_template: What its disks shall be converted to.
    @ivar file_storage_dir: Where these are then, below the cluster's directory.
    @ivar offline: Mark it offline, or no longer so.
    """

    summary_field: ClassVar[str | None] = "instance_name"

    instance_name: str
    instance_uuid: NonEmpty | None = None
    force: bool = False
    force_variant: bool = False
    ignore_ipolicy: bool = False
    nics: list[list[Any]] = []
    disks: list[list[Any]] = []
    beparams: Parameters = {}
    runtime_mem: Annotated[int, msgspec.Meta(gt=0)] | None = None
    hvparams: Parameters = {}
    disk_template: DiskTemplateName | None = None
    ext_params: Parameters = {}
    file_driver: Literal["blktap", "blktap2", "loop"] | None = None
    file_storage_dir: NonEmpty | None = None
    pnode: NonEmpty | None = None
    pnode_uuid: NonEmpty | None = None
    remote_node: NonEmpty | None = None
    remote_node_uuid: NonEmpty | None = None
    iallocator: NonEmpty | None = None
    os_name: NonEmpty | None = None
    osparams: Parameters = {}
    osparams_private: Parameters | None = None
    wait_for_sync: bool = True
    offline: bool | None = None
    conflicts_check: bool = True
    hotplug: bool = False
    hotplug_if_possible: bool = False
    instance_communication: bool | None = None
