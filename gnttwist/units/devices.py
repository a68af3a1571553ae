"""
Disks and network interfaces as users ask for them. Pure.

Each refusal says which one, by its index, and what to change.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from attrs import frozen

from gnttwist.config.defaults import NIC_PARAMETERS
from gnttwist.config.parameters import fill_nic
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.model.objects import Nic
from gnttwist.units.address_pool import contains
from gnttwist.units.policy import DISKLESS
from gnttwist.units.values import refuse, size, typed

MAX_DISKS = 16
MAX_NICS = 8
"""
Ganeti's limits.
"""

TEMPLATES = (DISKLESS, "file", "sharedfile")
"""
The disk templates that this version can do.
"""

MEMBERS = frozenset({"bridge", "ip", "link", "mac", "mode", "name", "network", "vlan"})
"""
What can be said of a network interface.
"""

POOL = "pool"
"""
The address that means: a free one of the network.
"""

MODES = ("bridged", "routed", "openvswitch")

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


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
    @ivar ip: An address, or L{POOL}.
    @ivar nicparams: Its own; one in a network gets them from how its group is connected.
    @ivar network: A network's UUID.
    """

    mac: str | None = None
    ip: str | None = None
    name: str | None = None
    nicparams: Mapping[str, Any] = {}
    network: str | None = None

    def nic(self, uuid: str = "") -> Nic:
        """
        The interface, with what is to be drawn for it still open: an empty C{mac}, and L{POOL} for its address.
        """
        return Nic(
            mac=self.mac or "",
            uuid=uuid,
            nicparams=dict(self.nicparams),
            ip=self.ip,
            network=self.network,
            name=self.name,
        )


def disks(given: Sequence[Mapping[str, str | int]], template: str) -> Iterator[DiskRequest]:
    """
    The disks of an instance.

    @raise OpPrereqError: One is wrong, or the template has another number of them.
    """
    if template == DISKLESS:
        if given:
            raise refuse(
                "disks: a diskless instance has none; ask for none ([]) or for another disk_template"
            )
        return
    if not 1 <= len(given) <= MAX_DISKS:
        raise refuse(
            f"disks: an instance of template {template!r} has 1 to {MAX_DISKS} disks, not {len(given)}"
        )
    for index, each in enumerate(given):
        yield disk(each, f"disks/{index}")


def disk(given: Mapping[str, Any], what: str) -> DiskRequest:
    """
    A disk that is to be made.

    @raise OpPrereqError: It cannot be.
    """
    unknown = sorted(set(given) - {"size", "mode", "name"})
    if unknown:
        raise refuse(f"{what}: {', '.join(unknown)} cannot be given; size, mode and name can")
    if "size" not in given:
        raise refuse(f"{what}: has no size")
    wanted = size(given["size"], f"{what} size")
    if wanted <= 0:
        raise refuse(f"{what} size: {given['size']} is not more than zero MiB")
    return DiskRequest(wanted, mode(given.get("mode", "rw"), what), optional(given.get("name"), what))


def template_name(config: Snapshot, name: str, what: str) -> str:
    """
    A disk template that disks can be made of.

    @raise OpPrereqError: This version or the cluster does not support it.
    """
    if name not in TEMPLATES:
        raise refuse(
            f"{what}: {name!r:.60} is not supported by this version; supported: {', '.join(TEMPLATES)}"
        )
    enabled = config.cluster.enabled_disk_templates
    if name not in enabled:
        raise refuse(
            f"{what}: {name!r} is not enabled in the cluster; enabled: {', '.join(enabled)}", ECode.STATE
        )
    return name


def mode(given: object, what: str) -> str:
    """
    How a guest may use a disk.

    @param what: Which disk it is about.
    @raise OpPrereqError: There is no such mode.
    """
    if given not in ("rw", "ro"):
        raise refuse(f"{what} mode: {given!r:.60} is neither 'rw' nor 'ro'")
    return str(given)


def nics(config: Snapshot, given: Sequence[Mapping[Any, str | None]]) -> tuple[NicRequest, ...]:
    """
    The network interfaces of a new instance.

    @raise OpPrereqError: One is wrong, or there are too many, or a MAC address is used already.
    """
    if len(given) > MAX_NICS:
        raise refuse(f"nics: there can be {MAX_NICS} at most")
    found = tuple(nic(config, each, f"nics/{index}") for index, each in enumerate(given))
    unused_macs(config, [each.mac for each in found if each.mac])
    return found


def nic(config: Snapshot, given: Mapping[Any, str | None], what: str) -> NicRequest:
    """
    A network interface that is to be made.

    @raise OpPrereqError: It cannot be.
    """
    if unknown := sorted(set(given) - MEMBERS):
        raise refuse(f"{what}: there is no {', '.join(unknown)}; there are {', '.join(sorted(MEMBERS))}")
    network = optional(given.get("network"), what)
    name, mac = optional(given.get("name"), what), _mac(given.get("mac"), what)
    if network is not None:
        return NicRequest(mac, *_in_network(config, network, given, name, what))
    own = {name: value for name in ("mode", "vlan") if (value := given.get(name)) is not None}
    link = given.get("link") or given.get("bridge")
    nicparams = typed(own | ({"link": link} if link else {}), NIC_PARAMETERS, what)
    filled = fill_nic(config, Nic(mac="", uuid="", nicparams=nicparams))
    if filled.get("mode") not in MODES:
        raise refuse(f"{what} mode: {filled.get('mode')!r:.60} is none of {', '.join(MODES)}")
    ip = optional(given.get("ip"), what)
    if ip is not None and ip.lower() == POOL:
        raise refuse(f"{what} ip: {POOL} is for interfaces in a network; name it")
    ip = _ip(ip, what)
    if filled["mode"] == "routed" and ip is None:
        raise refuse(f"{what} ip: an interface in mode routed needs one")
    return NicRequest(mac, ip, name, nicparams)


def _in_network(
    config: Snapshot, text: str, given: Mapping[Any, str | None], name: str | None, what: str
) -> tuple[str | None, str | None, Mapping[str, Any], str]:
    """
    Address, name, parameters and network of an interface in a network.
    """
    network = config.networks.find(text)
    if spare := sorted({"mode", "link", "bridge", "vlan"} & {key for key, value in given.items() if value}):
        raise refuse(
            f"{what} {', '.join(spare)}: interfaces in network {network.name} have what its connection says"
        )
    ip = optional(given.get("ip"), what)
    if ip is None:
        return None, name, {}, network.uuid
    if ip.lower() == POOL:
        return POOL, name, {}, network.uuid
    found = _ip(ip, what)
    if not contains(network, found):
        raise refuse(f"{what} ip: {ip} is not of network {network.name} ({network.network})")
    return found, name, {}, network.uuid


def changed_nic(config: Snapshot, old: Nic, given: Mapping[str, str | None], what: str) -> Nic:
    """
    A network interface after a change; an empty C{mac} stands for one to be drawn.

    @raise OpPrereqError: It cannot be changed so.
    """
    if str(given.get("mac")).lower() == "auto":
        raise refuse(f"{what} mac: 'auto' is for new interfaces; 'generate' draws another address")
    given = {"link" if name == "bridge" else name: value for name, value in given.items()}
    # What a network's connection gave it is not its own.
    own = {} if old.network else {name: each for name, each in old.nicparams.items() if name not in given}
    before: dict[str, str | None] = {**own, "ip": old.ip, "name": old.name, "mac": old.mac}
    if old.network and not {"mode", "link"} & set(given):
        before["network"] = old.network
    return nic(config, before | dict(given), what).nic(old.uuid)


def _mac(given: str | None, what: str) -> str | None:
    mac = (optional(given, what) or "auto").lower()
    if mac in ("auto", "generate"):
        return None
    if not _MAC.fullmatch(mac):
        raise refuse(f"{what} mac: {mac!r:.60} is not a MAC address such as aa:00:00:12:34:56, nor 'auto'")
    return mac


def _ip(given: str | None, what: str) -> str | None:
    if given is None:
        return None
    try:
        return str(ip_address(given))
    except ValueError:
        raise refuse(f"{what} ip: {given!r:.60} is not an IP address") from None


def optional(given: object, what: str) -> str | None:
    """
    Text, where empty and C{none} mean that there is none.

    @raise OpPrereqError: It is not text.
    """
    if given is None or (isinstance(given, str) and given.lower() in ("", "none")):
        return None
    if not isinstance(given, str):
        raise refuse(f"{what}: {given!r:.60} is not text")
    return given


def unused_macs(config: Snapshot, wanted: Sequence[str], uuid: str = "") -> None:
    """
    Check that nobody has MAC addresses that interfaces of an instance are to have.

    @param uuid: The instance's, if it is there already.
    @raise OpPrereqError: Another instance has one, or two of them are the same.
    """
    taken = {
        nic.mac: each.name
        for each in (config.instances if wanted else ())
        if each.uuid != uuid
        for nic in each.nics
    }
    for mac in wanted:
        if mac in taken or wanted.count(mac) > 1:
            raise refuse(
                f"nics: MAC address {mac} is used by {taken.get(mac, 'another interface of this instance')}",
                ECode.NOTUNIQUE,
            )
