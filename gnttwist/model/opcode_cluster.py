"""
Opcodes about the whole cluster, its operating systems and its own testing.
"""

from typing import Any, ClassVar, Literal

from gnttwist.model.opcode import NonEmpty, NonNegative, Opcode
from gnttwist.model.opcode_instance import DiskTemplateName, HypervisorName

VerifyError = Literal[
    "ECLUSTERCERT",
    "ECLUSTERCFG",
    "ECLUSTERCLIENTCERT",
    "ECLUSTERDANGLINGINST",
    "ECLUSTERDANGLINGNODES",
    "ECLUSTERFILECHECK",
    "EEXTAGS",
    "EGROUPDIFFERENTPVSIZE",
    "EINSTANCEBADNODE",
    "EINSTANCEDOWN",
    "EINSTANCEFAULTYDISK",
    "EINSTANCELAYOUT",
    "EINSTANCEMISSINGCFGPARAMETER",
    "EINSTANCEMISSINGDISK",
    "EINSTANCEPOLICY",
    "EINSTANCESPLITGROUPS",
    "EINSTANCEUNSUITABLENODE",
    "EINSTANCEWRONGNODE",
    "ENODEDRBD",
    "ENODEDRBDHELPER",
    "ENODEDRBDVERSION",
    "ENODEFILECHECK",
    "ENODEFILESTORAGEPATHS",
    "ENODEFILESTORAGEPATHUNUSABLE",
    "ENODEGLUSTERSTORAGEPATHUNUSABLE",
    "ENODEHOOKS",
    "ENODEHV",
    "ENODELVM",
    "ENODEN1",
    "ENODENET",
    "ENODEOOBPATH",
    "ENODEORPHANINSTANCE",
    "ENODEORPHANLV",
    "ENODEOS",
    "ENODERPC",
    "ENODESETUP",
    "ENODESHAREDFILESTORAGEPATHUNUSABLE",
    "ENODESSH",
    "ENODETIME",
    "ENODEUSERSCRIPTS",
    "ENODEVERSION",
]
"""
What verification can find wrong.
"""

SkippedCheck = Literal["nplusone_mem", "hvparam_assessment"]
"""
Checks that can be left out; the second is 3.1's.
"""


class OpClusterPostInit(Opcode, frozen=True, kw_only=True):
    """
    The first job of a new cluster.
    """


class OpClusterVerify(Opcode, frozen=True, kw_only=True):
    """
    Submit the jobs that verify the configuration and each group.

    @ivar group_name: Only this group, and not the configuration.
    """

    debug_simulate_errors: bool = False
    error_codes: bool = False
    skip_checks: list[SkippedCheck] = []
    ignore_errors: list[VerifyError] = []
    verbose: bool = False
    group_name: NonEmpty | None = None
    verify_clutter: bool = False


class OpClusterVerifyDisks(Opcode, frozen=True, kw_only=True):
    """
    Submit the jobs that verify the disks of each group's instances.

    @ivar group_name: Only this group.
    """

    group_name: NonEmpty | None = None


class OpClusterVerifyConfig(Opcode, frozen=True, kw_only=True):
    """
    Check the configuration against itself.

    @ivar debug_simulate_errors: Report every check as failed.
    @ivar error_codes: Report in the form for programs.
    @ivar ignore_errors: What is reported as a warning only.
    """

    debug_simulate_errors: bool = False
    error_codes: bool = False
    ignore_errors: list[VerifyError] = []
    verbose: bool = False


class OpClusterVerifyGroup(Opcode, frozen=True, kw_only=True):
    """
    Check a group's nodes and instances against the configuration.

    @ivar group_name: Its name or UUID.
    """

    summary_field: ClassVar[str | None] = "group_name"

    group_name: NonEmpty
    debug_simulate_errors: bool = False
    error_codes: bool = False
    skip_checks: list[SkippedCheck] = []
    ignore_errors: list[VerifyError] = []
    verbose: bool = False
    verify_clutter: bool = False


class OpClusterRedistConf(Opcode, frozen=True, kw_only=True):
    """
    Give all nodes the configuration, keys and certificates again.
    """


class OpClusterRenewCrypto(Opcode, frozen=True, kw_only=True):
    """
    Make keys and certificates anew, while everything goes on. The fields after C{debug} are our own: Ganeti makes
    these with the cluster stopped.

    @ivar node_certificates: Those of all nodes; also made with the cluster's.
    @ivar renew_ssh_keys: There are none here.
    @ivar rsa: Certificates with RSA keys, for clients that know no others.
    """

    node_certificates: bool = False
    renew_ssh_keys: bool = False
    ssh_key_type: Literal["dsa", "ecdsa", "rsa"] | None = None
    ssh_key_bits: int | None = None
    verbose: bool = False
    debug: bool = False
    cluster_certificate: bool = False
    rapi_certificate: bool = False
    spice_certificate: bool = False
    confd_hmac_key: bool = False
    cluster_domain_secret: bool = False
    rsa: bool = False


class OpClusterRepairDiskSizes(Opcode, frozen=True, kw_only=True):
    """
    Write down the sizes that disks really have.

    @ivar instances: Names of those whose disks are looked at; empty for all.
    """

    instances: list[NonEmpty] = []


class OpClusterQuery(Opcode, frozen=True, kw_only=True):
    """
    Everything about the cluster in one object, as a job.
    """


class OpClusterDestroy(Opcode, frozen=True, kw_only=True):
    """
    See that the cluster can be given up: it has no instances, and no node but the master.
    """


class OpClusterRename(Opcode, frozen=True, kw_only=True):
    """
    Give the cluster another name.

    @ivar master_ip: Another address, too. Our own: Ganeti looks up the name's.
    """

    summary_field: ClassVar[str | None] = "name"

    name: NonEmpty
    master_ip: NonEmpty | None = None


class OpClusterActivateMasterIp(Opcode, frozen=True, kw_only=True):
    """
    Bring up the cluster's address on the master.
    """


class OpClusterDeactivateMasterIp(Opcode, frozen=True, kw_only=True):
    """
    Take down the cluster's address on the master.
    """


class OpOsDiagnose(Opcode, frozen=True, kw_only=True):
    """
    Which operating systems can be installed.

    @ivar names: Only these; empty for all.
    """

    output_fields: list[NonEmpty]
    names: list[NonEmpty] = []


class OpTestAllocator(Opcode, frozen=True, kw_only=True):
    """
    Show what an allocator is asked, or what it answers; nothing is changed.

    @ivar direction: C{in} for what it is asked, C{out} for what it answers.
    @ivar name: The instance's, or with C{multi-allocate} what the names of several begin with.
    @ivar count: How many instances C{multi-allocate} is about.
    """

    summary_field: ClassVar[str | None] = "iallocator"

    direction: Literal["in", "out"]
    mode: Literal[
        "allocate", "allocate-secondary", "change-group", "multi-allocate", "node-evacuate", "relocate"
    ]
    name: NonEmpty
    nics: list[dict[str, str | None]] | None = None
    disks: list[Any] | None = None
    hypervisor: HypervisorName | None = None
    iallocator: NonEmpty | None = None
    tags: list[NonEmpty] = []
    memory: NonNegative | None = None
    vcpus: NonNegative | None = None
    os: NonEmpty | None = None
    disk_template: DiskTemplateName | None = None
    instances: list[NonEmpty] | None = None
    evac_mode: Literal["all", "primary-only", "secondary-only"] | None = None
    target_groups: list[NonEmpty] | None = None
    spindle_use: NonNegative = 1
    count: NonNegative = 1
    group_name: NonEmpty | None = None


class OpTestDelay(Opcode, frozen=True, kw_only=True):
    """
    Take a while.

    @ivar duration: In seconds.
    @ivar on_nodes: Names of nodes to take a while on, after the master.
    @ivar repeat: How often; 0 for once without a word.
    @ivar no_locks: Do not lock the nodes.
    """

    summary_field: ClassVar[str | None] = "duration"

    duration: float
    on_master: bool = True
    on_nodes: list[NonEmpty] = []
    on_node_uuids: list[NonEmpty] | None = None
    repeat: NonNegative = 0
    interruptible: bool = False
    no_locks: bool = True
