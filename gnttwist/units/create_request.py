"""
What an C{OP_INSTANCE_CREATE} asks for, checked against the configuration. Pure: no node is asked.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from attrs import evolve, frozen

from gnttwist.config.defaults import (
    BACKEND_PARAMETERS,
    GLOBAL_HYPERVISOR_PARAMETERS,
    HYPERVISOR_PARAMETERS,
    NIC_PARAMETERS,
)
from gnttwist.config.parameters import fill, fill_be, fill_hv, fill_nic, fill_os
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.model.objects import Instance, Nic, Parameters
from gnttwist.model.opcode_instance import OpInstanceCreate
from gnttwist.units.policy import DISKLESS, Specification
from gnttwist.units.values import refuse, size, typed

HYPERVISORS = ("fake", "kvm")
TEMPLATES = (DISKLESS, "file", "sharedfile")
"""
What this version can do, of what Ganeti has.
"""

MAX_NAME = 200
"""
Names become file names with something added; the node's functions have the same limit.
"""

MAX_DISKS = 16
MAX_NICS = 8
MAX_TAGS = 4096
"""
Ganeti's limits.
"""

_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]*(\.[a-z0-9_][a-z0-9_-]*)*")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
_TAG = re.compile(r"[\w.+*/:@-]{1,128}")
_MEMORY = frozenset({"minmem", "maxmem"})


@frozen
class DiskRequest:
    """
    A disk to make.

    @ivar size: In MiB.
    """

    size: int
    mode: str = "rw"
    name: str | None = None


@frozen
class NicRequest:
    """
    A network interface to make.

    @ivar mac: C{None} for one to be drawn.
    """

    mac: str | None = None
    ip: str | None = None
    name: str | None = None
    nicparams: Mapping[str, Any] = {}


@frozen
class Request:
    """
    An instance to make; every value is of the right type and allowed by the cluster.

    @ivar hvparams: Its own; likewise the other parameters.
    @ivar directory: Where its disks' files will be; empty without files.
    @ivar install: Whether to run the OS's scripts.
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
    name = _name(config, op.instance_name)
    hypervisor = _hypervisor(config, op)
    template = _template(config, op)
    if op.os_type is None:
        raise refuse("os_type: no operating system is named; ask for OP_OS_DIAGNOSE to see which there are")
    if hypervisor == "kvm" and op.nics:
        raise refuse("nics: network interfaces of kvm instances are not supported yet; ask for none ([])")
    if len(op.nics) > MAX_NICS:
        raise refuse(f"nics: there can be {MAX_NICS} at most")
    request = Request(
        name=name,
        hypervisor=hypervisor,
        os=op.os_type,
        template=template,
        disks=tuple(_disks(op, template)),
        nics=tuple(_nic(config, index, each) for index, each in enumerate(op.nics)),
        hvparams=_hvparams(hypervisor, op.hvparams),
        beparams=_beparams(config, op.beparams),
        osparams=_osparams(op.osparams, "osparams"),
        osparams_private=_osparams(op.osparams_private or {}, "osparams_private"),
        directory=_directory(config, op, template, name),
        driver=op.file_driver or "loop",
        tags=tuple(sorted(set(op.tags))),
        install=not op.no_install and template != DISKLESS,
        start=op.start and not op.no_install,
    )
    _osparams(op.osparams_secret or {}, "osparams_secret")
    _unique_macs(config, request.nics)
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


def _name(config: Snapshot, given: str) -> str:
    name = given.lower()
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise refuse(
            f"instance_name: {given!r:.60} is not a host name: up to {MAX_NAME} letters, digits, '-' and '_', "
            "in parts separated by single dots"
        )
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
    if name not in TEMPLATES:
        raise refuse(
            f"disk_template: {name!r} is not supported by this version; supported: {', '.join(TEMPLATES)}"
        )
    if name not in enabled:
        raise refuse(
            f"disk_template: {name!r} is not enabled in the cluster; enabled: {', '.join(enabled)}",
            ECode.STATE,
        )
    return name


def _disks(op: OpInstanceCreate, template: str) -> Iterator[DiskRequest]:
    if template == DISKLESS:
        if op.disks:
            raise refuse(
                "disks: a diskless instance has none; ask for none ([]) or for another disk_template"
            )
        return
    if not 1 <= len(op.disks) <= MAX_DISKS:
        raise refuse(
            f"disks: an instance of template {template!r} has 1 to {MAX_DISKS} disks, not {len(op.disks)}"
        )
    for index, each in enumerate(op.disks):
        what = f"disks/{index}"
        unknown = sorted(set(each) - {"size", "mode", "name"})
        if unknown:
            raise refuse(f"{what}: {', '.join(unknown)} cannot be given for template {template!r}")
        if "size" not in each:
            raise refuse(f"{what}: has no size")
        wanted = size(each["size"], f"{what} size")
        if wanted <= 0:
            raise refuse(f"{what} size: {each['size']} is not more than zero MiB")
        mode = each.get("mode", "rw")
        if mode not in ("rw", "ro"):
            raise refuse(f"{what} mode: {mode!r:.60} is neither 'rw' nor 'ro'")
        yield DiskRequest(wanted, str(mode), _optional(each.get("name"), what))


def _nic(config: Snapshot, index: int, given: Mapping[Any, str | None]) -> NicRequest:
    what = f"nics/{index}"
    if _optional(given.get("network"), what) is not None:
        raise refuse(f"{what} network: networks are not supported by this version")
    mac = (_optional(given.get("mac"), what) or "auto").lower()
    if mac not in ("auto", "generate") and not _MAC.fullmatch(mac):
        raise refuse(f"{what} mac: {mac!r:.60} is not a MAC address such as aa:00:00:12:34:56, nor 'auto'")
    own = {name: value for name in ("mode", "vlan") if (value := given.get(name)) is not None}
    link = given.get("link") or given.get("bridge")
    nicparams = typed(own | ({"link": link} if link else {}), NIC_PARAMETERS, what)
    filled = fill_nic(config, Nic(mac="", uuid="", nicparams=nicparams))
    if filled.get("mode") not in ("bridged", "routed", "openvswitch"):
        raise refuse(f"{what} mode: {filled.get('mode')!r:.60} is not bridged, routed or openvswitch")
    ip = _ip(_optional(given.get("ip"), what), what)
    if filled["mode"] == "routed" and ip is None:
        raise refuse(f"{what} ip: an interface in mode routed needs one")
    drawn = mac in ("auto", "generate")
    return NicRequest(None if drawn else mac, ip, _optional(given.get("name"), what), nicparams)


def _ip(given: str | None, what: str) -> str | None:
    if given is None:
        return None
    try:
        return str(ip_address(given))
    except ValueError:
        raise refuse(f"{what} ip: {given!r:.60} is not an IP address") from None


def _optional(given: object, what: str) -> str | None:
    """
    Text, where empty and C{none} mean that there is none.
    """
    if given is None or (isinstance(given, str) and given.lower() in ("", "none")):
        return None
    if not isinstance(given, str):
        raise refuse(f"{what}: {given!r:.60} is not text")
    return given


def _hvparams(hypervisor: str, given: Mapping[str, Any]) -> Parameters:
    everywhere = sorted(GLOBAL_HYPERVISOR_PARAMETERS & set(given))
    if everywhere:
        raise refuse(f"hvparams: {', '.join(everywhere)} can be set for the whole cluster only")
    return typed(given, HYPERVISOR_PARAMETERS[hypervisor], "hvparams")


def _beparams(config: Snapshot, given: Mapping[str, Any]) -> Parameters:
    wanted = dict(given)
    if "memory" in wanted:
        # Ganeti's older name for both.
        memory = wanted.pop("memory")
        wanted = {"minmem": memory, "maxmem": memory, **wanted}
    own = typed(wanted, BACKEND_PARAMETERS, "beparams", sizes=_MEMORY)
    filled = fill(config.cluster.beparams.get("default", {}), own)
    for name in ("minmem", "maxmem", "vcpus"):
        if filled.get(name, 1) < 1:
            raise refuse(f"beparams {name}: {filled[name]} is not more than zero")
    if filled.get("minmem", 0) > filled.get("maxmem", 0):
        raise refuse(
            f"beparams: minmem ({filled['minmem']} MiB) is more than maxmem ({filled['maxmem']} MiB)"
        )
    return own


def _osparams(given: Mapping[str, Any], what: str) -> Parameters:
    """
    Names and text; scripts see them as environment variables, where a line is a line.
    """
    for name, value in given.items():
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", name):
            raise refuse(f"{what}: {name!r:.60} is not a parameter name: letters, digits, '-' and '_'")
        if isinstance(value, str) and ("\n" in value or "\0" in value):
            raise refuse(f"{what} {name}: the value has a line break or a null character in it")
        if isinstance(value, list | dict):
            raise refuse(f"{what} {name}: the value is not text")
    return {name: value if isinstance(value, str) else str(value) for name, value in given.items()}


def _directory(config: Snapshot, op: OpInstanceCreate, template: str, name: str) -> str:
    if template == DISKLESS:
        return ""
    cluster = config.cluster
    base = cluster.file_storage_dir if template == "file" else cluster.shared_file_storage_dir
    if not base:
        raise refuse(f"disk_template: the cluster has no directory for template {template!r}", ECode.STATE)
    below = op.file_storage_dir
    parts = [] if below is None else below.split("/")
    if any(not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]*", each) for each in parts):
        raise refuse(
            f"file_storage_dir: {below!r:.60} is not a path below {base}: plain names, no leading slash"
        )
    return "/".join([base, *parts, name])


def _unique_macs(config: Snapshot, nics: tuple[NicRequest, ...]) -> None:
    wanted = [each.mac for each in nics if each.mac]
    taken = {nic.mac: each.name for each in config.instances for nic in each.nics} if wanted else {}
    for mac in wanted:
        if mac in taken or wanted.count(mac) > 1:
            raise refuse(
                f"nics: MAC address {mac} is used by {taken.get(mac, 'another interface of this instance')}",
                ECode.NOTUNIQUE,
            )


def _as_inherited(config: Snapshot, request: Request) -> Request:
    """
    The request without those parameters whose values are as inherited ones.
    """
    bare = Instance(uuid="", name="", primary_node="", os=request.os, hypervisor=request.hypervisor)
    return evolve(
        request,
        hvparams=_unlike(request.hvparams, fill_hv(config, bare)),
        beparams=_unlike(request.beparams, fill_be(config, bare)),
        osparams=_unlike(request.osparams, fill_os(config, bare)),
        nics=tuple(
            evolve(each, nicparams=_unlike(each.nicparams, fill_nic(config, Nic(mac="", uuid=""))))
            for each in request.nics
        ),
    )


def _unlike(own: Mapping[str, Any], inherited: Mapping[str, Any]) -> Parameters:
    return {name: value for name, value in own.items() if name not in inherited or inherited[name] != value}
