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
from gnttwist.units.policy import DISKLESS
from gnttwist.units.values import refuse, size, typed

MAX_DISKS = 16
MAX_NICS = 8
"""
Ganeti's limits.
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
    """

    mac: str | None = None
    ip: str | None = None
    name: str | None = None
    nicparams: Mapping[str, Any] = {}


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


def nics(config: Snapshot, given: Sequence[Mapping[Any, str | None]]) -> tuple[NicRequest, ...]:
    """
    The network interfaces of a new instance.

    @raise OpPrereqError: One is wrong, or there are too many, or a MAC address is used already.
    """
    if len(given) > MAX_NICS:
        raise refuse(f"nics: there can be {MAX_NICS} at most")
    found = tuple(_nic(config, index, each) for index, each in enumerate(given))
    _unique_macs(config, found)
    return found


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
    if filled.get("mode") not in MODES:
        raise refuse(f"{what} mode: {filled.get('mode')!r:.60} is none of {', '.join(MODES)}")
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


def _unique_macs(config: Snapshot, nics: tuple[NicRequest, ...]) -> None:
    wanted = [each.mac for each in nics if each.mac]
    taken = {nic.mac: each.name for each in config.instances for nic in each.nics} if wanted else {}
    for mac in wanted:
        if mac in taken or wanted.count(mac) > 1:
            raise refuse(
                f"nics: MAC address {mac} is used by {taken.get(mac, 'another interface of this instance')}",
                ECode.NOTUNIQUE,
            )
