"""
What an C{OP_INSTANCE_CREATE} asks for, checked against the configuration. Pure: no node is asked.
"""

import re

from attrs import evolve, frozen

from gnttwist.config.parameters import fill_be, fill_hv, fill_nic, fill_os
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.model.objects import Disk, Instance, Nic, Parameters
from gnttwist.model.opcode_instance import OpInstanceCreate
from gnttwist.units.devices import DiskRequest, NicRequest, disks, nics, template_name
from gnttwist.units.own_parameters import beparams, hvparams, osparams, unlike
from gnttwist.units.policy import DISKLESS, Specification
from gnttwist.units.space import storage
from gnttwist.units.values import refuse

HYPERVISORS = ("fake", "kvm")
"""
What this version can do, of what Ganeti has.
"""

MAX_NAME = 200
"""
Names become file names with something added; the node's functions have the same limit.
"""

MAX_TAGS = 4096
"""
Ganeti's limit.
"""

_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]*(\.[a-z0-9_][a-z0-9_-]*)*")
_TAG = re.compile(r"[\w.+*/:@-]{1,128}")


@frozen
class Request:
    """
    An instance to make; every value is of the right type and allowed by the cluster.

    @ivar hvparams: Its own; likewise the other parameters.
    @ivar directory: Where its disks' files will be; empty without files.
    @ivar install: Whether to run the OS's scripts.
    @ivar conflicts_check: Whether addresses that are kept from instances are refused.
    """

    name: str
    hypervisor: str
    os: str
    template: str
    disks: tuple[DiskRequest, ...]
    nics: tuple[NicRequest, ...]
    hvparams: Parameters
    beparams: Parameters
    osparams: Parameters
    osparams_private: Parameters
    directory: str
    driver: str
    tags: tuple[str, ...]
    install: bool
    start: bool
    conflicts_check: bool

    def instance(self, uuid: str = "", primary_node: str = "") -> Instance:
        """
        The instance without disks and interfaces.
        """
        return Instance(
            uuid=uuid,
            name=self.name,
            primary_node=primary_node,
            os=self.os,
            hypervisor=self.hypervisor,
            hvparams=self.hvparams,
            beparams=self.beparams,
            osparams=self.osparams,
            osparams_private=self.osparams_private,
            tags=list(self.tags),
        )

    def specification(self, config: Snapshot) -> Specification:
        """
        What policies are about.
        """
        backend = fill_be(config, self.instance())
        return Specification(
            memory=backend["maxmem"],
            vcpus=backend["vcpus"],
            spindle_use=backend["spindle_use"],
            disks=[each.size for each in self.disks],
            nics=len(self.nics),
            template=self.template,
        )


def check(config: Snapshot, op: OpInstanceCreate) -> Request:
    """
    What is asked for.

    @raise OpPrereqError: It cannot be, whatever the nodes' state; the text says which parameter to change.
    """
    _supported(op)
    name = _free_name(config, op.instance_name)
    hypervisor = _hypervisor(config, op)
    template = _template(config, op)
    if op.os_type is None:
        raise refuse("os_type: no operating system is named; ask for OP_OS_DIAGNOSE to see which there are")
    request = Request(
        name=name,
        hypervisor=hypervisor,
        os=op.os_type,
        template=template,
        disks=tuple(disks(op.disks, template)),
        nics=nics(config, op.nics),
        hvparams=hvparams(hypervisor, op.hvparams),
        beparams=beparams(config, op.beparams),
        osparams=osparams(op.osparams, "osparams"),
        osparams_private=osparams(op.osparams_private or {}, "osparams_private"),
        directory=disk_directory(config, template, name, op.file_storage_dir),
        driver=op.file_driver or "loop",
        tags=tuple(sorted(set(op.tags))),
        install=not op.no_install and template != DISKLESS,
        start=op.start and not op.no_install,
        conflicts_check=op.conflicts_check,
    )
    osparams(op.osparams_secret or {}, "osparams_secret")
    if wrong := [each for each in request.tags if not _TAG.fullmatch(each)]:
        raise refuse(f"tags: {wrong[0]!r:.60} is not a tag: letters, digits and .+*/:@-_, 128 at most")
    if len(request.tags) > MAX_TAGS:
        raise refuse(f"tags: there can be {MAX_TAGS} at most")
    return _as_inherited(config, request) if op.identify_defaults else request


def _supported(op: OpInstanceCreate) -> None:
    """
    Refuse what Ganeti has and this version has not.
    """
    if op.mode != "create":
        raise refuse(f"mode: {op.mode!r} is not supported by this version; only 'create' is")
    for name in ("forthcoming", "commit", "instance_communication"):
        if getattr(op, name):
            raise refuse(f"{name}: this is not supported by this version")
    for name in ("snode", "snode_uuid"):
        if getattr(op, name):
            raise refuse(
                f"{name}: only DRBD disks have a second node, and they are not supported by this version"
            )


def instance_name(given: str, what: str) -> str:
    """
    A name that an instance may have, in lower case.

    @param what: The parameter that it was given as.
    @raise OpPrereqError: It is none.
    """
    name = given.lower()
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise refuse(
            f"{what}: {given!r:.60} is not a host name: up to {MAX_NAME} letters, digits, '-' and '_', "
            "in parts separated by single dots"
        )
    return name


def _free_name(config: Snapshot, given: str) -> str:
    name = instance_name(given, "instance_name")
    if config.instances.named(name) is not None:
        raise refuse(f"Instance '{name}' is already in the cluster", ECode.EXISTS)
    return name


def _hypervisor(config: Snapshot, op: OpInstanceCreate) -> str:
    enabled = config.cluster.enabled_hypervisors
    if not enabled:
        raise refuse("The cluster has no hypervisor enabled", ECode.STATE)
    name = op.hypervisor or enabled[0]
    if name not in enabled:
        raise refuse(
            f"hypervisor: {name!r} is not enabled in the cluster; enabled: {', '.join(enabled)}", ECode.STATE
        )
    if name not in HYPERVISORS:
        raise refuse(
            f"hypervisor: {name!r} is not supported by this version; supported: {', '.join(HYPERVISORS)}"
        )
    return name


def _template(config: Snapshot, op: OpInstanceCreate) -> str:
    enabled = config.cluster.enabled_disk_templates
    usable = [each for each in enabled if (each != DISKLESS) == bool(op.disks)]
    name = op.disk_template or (usable[0] if usable else "")
    if not name:
        raise refuse(
            f"disk_template: none of the enabled ones ({', '.join(enabled)}) will do; name one", ECode.STATE
        )
    return template_name(config, name, "disk_template")


def disk_directory(config: Snapshot, template: str, name: str, below: str | None = None) -> str:
    """
    Where an instance's disks' files are; empty for templates without files.

    @param below: Directories between the cluster's for the template and the instance's.
    @raise OpPrereqError: The cluster has none, or C{below} is not plain names.
    """
    if template == DISKLESS:
        return ""
    base = storage(config, template)
    if not base:
        raise refuse(f"disk_template: the cluster has no directory for template {template!r}", ECode.STATE)
    parts = [] if below is None else below.split("/")
    if any(not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]*", each) for each in parts):
        raise refuse(
            f"file_storage_dir: {below!r:.60} is not a path below {base}: plain names, no leading slash"
        )
    return "/".join([base, *parts, name])


def new_disk(
    uuid: str, wanted: DiskRequest, index: int, *, template: str, driver: str, directory: str, node: str
) -> Disk:
    """
    A disk that is to be made.

    @param node: Of which node, by UUID.
    """
    return Disk(
        uuid=uuid,
        dev_type=template,
        # Storage takes a file whose name has the disk's UUID for this disk's.
        logical_id=[driver, f"{directory}/{uuid}.{template}.disk{index}"],
        size=wanted.size,
        mode=wanted.mode,
        name=wanted.name,
        nodes=[node],
        iv_name=f"disk/{index}",
    )


def _as_inherited(config: Snapshot, request: Request) -> Request:
    """
    The request without those parameters whose values are as inherited ones.
    """
    bare = Instance(uuid="", name="", primary_node="", os=request.os, hypervisor=request.hypervisor)
    return evolve(
        request,
        hvparams=unlike(request.hvparams, fill_hv(config, bare)),
        beparams=unlike(request.beparams, fill_be(config, bare)),
        osparams=unlike(request.osparams, fill_os(config, bare)),
        nics=tuple(
            evolve(each, nicparams=unlike(each.nicparams, fill_nic(config, Nic(mac="", uuid=""))))
            for each in request.nics
        ),
    )
