"""
The opcode that changes the cluster's parameters.
"""

from typing import Annotated, Any, Literal

import msgspec

from gnttwist.model.opcode import NonEmpty, NonNegative, Opcode, Parameters

Positive = Annotated[int, msgspec.Meta(ge=1)]
Range = tuple[int, int]
"""
First and last.
"""

ListChange = tuple[Literal["add", "remove"], NonEmpty]
"""
What to do with a name in a list.
"""


class OpClusterSetParams(Opcode, frozen=True, kw_only=True):
    """
    Change parameters of the cluster; C{None} leaves one as it is.

    @ivar uid_pool: Ranges of users for guests, in place of those that there are; or C{add_uids} and C{remove_uids}.
    @ivar hidden_os: Changes to the list, as those of C{blacklisted_os}.
    @ivar data_collector_interval: Microseconds by collector.
    """

    force: bool = False
    hv_state: dict[str, Any] | None = None
    disk_state: dict[str, Any] | None = None
    vg_name: str | None = None
    enabled_hypervisors: list[str] | None = None
    hvparams: dict[str, Parameters] | None = None
    beparams: Parameters | None = None
    os_hvp: dict[str, dict[str, Parameters | None]] | None = None
    osparams: dict[str, Parameters] | None = None
    osparams_private_cluster: dict[str, Parameters] | None = None
    diskparams: dict[str, Parameters] | None = None
    candidate_pool_size: Positive | None = None
    max_running_jobs: Positive | None = None
    max_tracked_jobs: Positive | None = None
    uid_pool: list[Range] | None = None
    add_uids: list[Range] | None = None
    remove_uids: list[Range] | None = None
    maintain_node_health: bool | None = None
    prealloc_wipe_disks: bool | None = None
    nicparams: Parameters | None = None
    ndparams: Parameters | None = None
    ipolicy: Parameters | None = None
    drbd_helper: str | None = None
    default_iallocator: str | None = None
    default_iallocator_params: Parameters | None = None
    mac_prefix: NonEmpty | None = None
    master_netdev: str | None = None
    master_netmask: NonNegative | None = None
    reserved_lvs: list[NonEmpty] | None = None
    hidden_os: list[ListChange] | None = None
    blacklisted_os: list[ListChange] | None = None
    use_external_mip_script: bool | None = None
    enabled_disk_templates: list[str] | None = None
    modify_etc_hosts: bool | None = None
    file_storage_dir: str | None = None
    shared_file_storage_dir: str | None = None
    gluster_storage_dir: str | None = None
    install_image: str | None = None
    instance_communication_network: str | None = None
    zeroing_image: str | None = None
    compression_tools: list[NonEmpty] | None = None
    enabled_user_shutdown: bool | None = None
    enabled_data_collectors: dict[str, bool] | None = None
    data_collector_interval: dict[str, int] | None = None
