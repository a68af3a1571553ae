"""
The configuration's objects, with the names and types that Ganeti's C{config.data} has (reference: configuration).

Times are seconds since the epoch; sizes are MiB; references between objects are UUIDs.
"""

from typing import Any, ClassVar

from gnttwist.model.stored import Stored

Parameters = dict[str, Any]
"""
A parameter dictionary (hvparams, beparams, ...): names to JSON scalars.
"""


COMING_CERTIFICATES = "coming_certificates"
"""
A member of the cluster of our own: by node UUID, digests of certificates of master candidates that are about to be
used, and may call already.
"""


class ConfigObject(Stored, frozen=True, kw_only=True):
    """
    What every object has.

    @ivar serial_no: One more with each change of this object.
    """

    uuid: str
    serial_no: int = 1
    ctime: float = 0.0
    mtime: float = 0.0


class Cluster(ConfigObject, frozen=True, kw_only=True):
    """
    The cluster: defaults that objects inherit, limits, and who is master.
    """

    cluster_name: str
    master_node: str
    master_ip: str
    master_netdev: str
    master_netmask: int = 32
    rsahostkeypub: str = ""
    dsahostkeypub: str | None = None
    highest_used_port: int = 10999
    tcpudp_port_pool: list[int] = []
    mac_prefix: str = "aa:00:00"
    volume_group_name: str | None = None
    drbd_usermode_helper: str | None = None
    reserved_lvs: list[str] = []
    use_external_mip_script: bool = False
    file_storage_dir: str = "/srv/ganeti/file-storage"
    shared_file_storage_dir: str = "/srv/ganeti/shared-file-storage"
    gluster_storage_dir: str = "/var/run/ganeti/gluster"
    enabled_hypervisors: list[str] = []
    hvparams: dict[str, Parameters] = {}
    os_hvp: dict[str, dict[str, Parameters]] = {}
    beparams: dict[str, Parameters] = {}
    osparams: dict[str, Parameters] = {}
    osparams_private_cluster: dict[str, Parameters] = {}
    nicparams: dict[str, Parameters] = {}
    ndparams: Parameters = {}
    diskparams: dict[str, Parameters] = {}
    candidate_pool_size: int = 10
    modify_etc_hosts: bool = False
    modify_ssh_setup: bool = False
    maintain_node_health: bool = False
    uid_pool: list[list[int]] = []
    default_iallocator: str = ""
    default_iallocator_params: Parameters = {}
    hidden_os: list[str] = []
    blacklisted_os: list[str] = []
    primary_ip_family: int = 2
    prealloc_wipe_disks: bool = False
    ipolicy: Parameters = {}
    hv_state_static: dict[str, Any] = {}
    disk_state_static: dict[str, Any] = {}
    enabled_disk_templates: list[str] = []
    candidate_certs: dict[str, str] = {}
    max_running_jobs: int = 20
    max_tracked_jobs: int = 25
    install_image: str = ""
    zeroing_image: str = ""
    instance_communication_network: str = ""
    compression_tools: list[str] = []
    enabled_user_shutdown: bool = False
    data_collectors: dict[str, Any] = {}
    ssh_key_type: str = "rsa"
    ssh_key_bits: int = 2048
    tags: list[str] = []


class Node(ConfigObject, frozen=True, kw_only=True):
    """
    A machine that runs gnt-noded.
    """

    name: str
    primary_ip: str
    secondary_ip: str
    group: str
    master_candidate: bool = True
    offline: bool = False
    drained: bool = False
    master_capable: bool = True
    vm_capable: bool = True
    ndparams: Parameters = {}
    powered: bool = True
    hv_state_static: dict[str, Any] = {}
    disk_state_static: dict[str, Any] = {}
    tags: list[str] = []


class NodeGroup(ConfigObject, frozen=True, kw_only=True):
    """
    Nodes that are alike and near each other.

    @ivar networks: By network UUID: mode, link and vlan.
    """

    name: str
    ndparams: Parameters = {}
    alloc_policy: str = "preferred"
    ipolicy: Parameters = {}
    diskparams: dict[str, Parameters] = {}
    networks: dict[str, Parameters] = {}
    hv_state_static: dict[str, Any] = {}
    disk_state_static: dict[str, Any] = {}
    tags: list[str] = []


class Network(ConfigObject, frozen=True, kw_only=True):
    """
    An address range that instances' NICs draw from.

    @ivar reservations: One C{0} or C{1} for each address of the range.
    """

    name: str
    network: str
    mac_prefix: str | None = None
    network6: str | None = None
    gateway: str | None = None
    gateway6: str | None = None
    reservations: str = ""
    ext_reservations: str = ""
    tags: list[str] = []


class Nic(Stored, frozen=True, kw_only=True):
    """
    A network interface of an instance; not an object of its own in the store.

    @ivar network: A network's UUID.
    """

    mac: str
    uuid: str
    nicparams: Parameters = {}
    ip: str | None = None
    network: str | None = None
    name: str | None = None


class Instance(ConfigObject, frozen=True, kw_only=True):
    """
    A virtual machine.

    @ivar os: C{name} or C{name+variant}; empty for none.
    @ivar disks: UUIDs, in order.
    @ivar admin_state: C{up}, C{down} or C{offline}: what should be, not what is.
    """

    nested: ClassVar[dict[str, type[Stored]]] = {"nics": Nic}

    name: str
    primary_node: str
    os: str
    hypervisor: str
    admin_state: str = "down"
    admin_state_source: str = "admin"
    hvparams: Parameters = {}
    beparams: Parameters = {}
    osparams: Parameters = {}
    osparams_private: Parameters = {}
    nics: list[Nic] = []
    disks: list[str] = []
    disks_active: bool = False
    network_port: int | None = None
    forthcoming: bool | None = None
    tags: list[str] = []


class Disk(ConfigObject, frozen=True, kw_only=True):
    """
    A disk of an instance.

    @ivar dev_type: The disk template: C{file}, C{sharedfile}, ...
    @ivar logical_id: Which piece of storage, by template; C{[driver, path]} for files.
    @ivar size: In MiB.
    @ivar nodes: UUIDs of the nodes that hold data of it.
    """

    dev_type: str
    logical_id: list[Any]
    size: int
    children: list[dict[str, Any]] = []
    nodes: list[str] = []
    iv_name: str = ""
    mode: str = "rw"
    params: Parameters = {}
    name: str | None = None
    spindles: int | None = None
    forthcoming: bool | None = None


class JobFilter(Stored, frozen=True, kw_only=True):
    """
    A rule that holds back or refuses jobs.
    """

    uuid: str
    watermark: int
    priority: int
    predicates: list[Any]
    action: Any
    reason_trail: list[Any] = []
