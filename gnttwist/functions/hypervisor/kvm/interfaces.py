"""
Connecting a guest's tap devices to the machine's network (reference: KVM, section 10.7).

An administrator's script C{/etc/ganeti/kvm-vif-bridge} does it, where there is one, with Ganeti's environment; else
it is done here, for the modes bridged, routed and openvswitch.
"""

import re
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from gnttwist.functions import programs
from gnttwist.functions.registry import Context, FunctionError
from gnttwist.wire.call_types import NicArgument

SCRIPT = "kvm-vif-bridge"
"""
Ganeti's name, below its configuration's directory.
"""

COMMAND_TIMEOUT = 30.0
"""
Seconds for one command of ip or ovs-vsctl, which take milliseconds.
"""

_DEVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,30}")

PATH = "/sbin:/bin:/usr/sbin:/usr/bin"
SYS, PROC = Path("/sys/class/net"), Path("/proc/sys/net")


def connect(context: Context, instance: str, tags: str, index: int, nic: NicArgument, tap: str) -> None:
    """
    Connect one tap device.

    @param tags: The instance's, with blanks between them.
    @raise FunctionError: It cannot be done; the text says why.
    """
    what = f"network interface {index}"
    script = context.paths.real("/etc/ganeti") / SCRIPT
    if programs.is_executable(script):
        programs.check_safe(script)
        ran = programs.run(script, dict(environment(instance, tags, index, nic, tap)))
        if ran.status != 0:
            raise FunctionError(f"{what}: {SCRIPT} failed with exit code {ran.status}: {ran.output}")
        return
    mode, link = nic.nicparams.get("mode"), str(nic.nicparams.get("link") or "")
    try:
        match mode:
            case "bridged":
                _bridge(tap, link, str(nic.nicparams.get("vlan") or ""))
            case "openvswitch":
                _openvswitch(tap, link, str(nic.nicparams.get("vlan") or ""))
            case "routed":
                _route(tap, link, nic.ip)
            case _:
                raise FunctionError(f"there is no mode {mode!r}")
    except (FunctionError, OSError) as reason:
        raise FunctionError(f"{what}: {reason}") from reason


def environment(
    instance: str, tags: str, index: int, nic: NicArgument, tap: str
) -> Iterator[tuple[str, str]]:
    """
    What scripts are told.
    """
    mode, link = str(nic.nicparams.get("mode") or ""), str(nic.nicparams.get("link") or "")
    yield "INSTANCE", instance
    yield "MAC", nic.mac
    yield "MODE", mode
    yield "INTERFACE", tap
    yield "INTERFACE_INDEX", str(index)
    yield "INTERFACE_UUID", nic.uuid
    yield "TAGS", tags
    optional: dict[str, object] = {
        "IP": nic.ip,
        "INTERFACE_NAME": nic.name,
        "LINK": link,
        "VLAN": nic.nicparams.get("vlan"),
        "BRIDGE": link if mode == "bridged" else None,
    }
    if nic.netinfo is not None:
        network = nic.netinfo
        optional |= {
            "NETWORK_NAME": network.name,
            "NETWORK_UUID": network.uuid,
            "NETWORK_TAGS": " ".join(network.tags),
            "NETWORK_SUBNET": network.network,
            "NETWORK_GATEWAY": network.gateway,
            "NETWORK_SUBNET6": network.network6,
            "NETWORK_GATEWAY6": network.gateway6,
            "NETWORK_MAC_PREFIX": network.mac_prefix,
        }
    yield from ((name, str(value)) for name, value in optional.items() if value)


def _bridge(tap: str, bridge: str, vlan: str) -> None:
    place = SYS / _device(bridge)
    if not (place / "bridge").is_dir():
        raise FunctionError(f"there is no bridge {bridge} on this node")
    own = (SYS / tap / "address").read_text().strip()
    # A bridge takes the lowest address of its ports for its own; with this one first it never is the tap's.
    _run("ip", "link", "set", tap, "address", f"fe{own[2:]}")
    _run("ip", "link", "set", tap, "mtu", (place / "mtu").read_text().strip())
    _run("ip", "link", "set", tap, "master", bridge)
    _run("ip", "link", "set", tap, "up")
    if vlan:
        if (place / "bridge/vlan_filtering").read_text().strip() != "1":
            raise FunctionError(
                f"it has a VLAN, and bridge {bridge} does not tell VLANs apart (vlan_filtering)"
            )
        for number, how in vlans(vlan):
            _run("bridge", "vlan", "add", "dev", tap, "vid", number, *how, "master")


def vlans(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """
    Ganeti's notation C{[.]UNTAGGED[:TAGGED...]} as numbers, and how the tap has them.

    @raise FunctionError: A number is none.
    """
    first, *others = text.removeprefix(".").split(":")
    listed: list[tuple[str, tuple[str, ...]]] = [
        (first, ("pvid", "untagged")),
        *((each, ()) for each in others),
    ]
    for number, how in listed:
        if not number and how:
            continue
        if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= 4094:
            raise FunctionError(f"VLAN {text!r} is not [.]UNTAGGED[:TAGGED...] with numbers from 1 to 4094")
        yield number, how


def _openvswitch(tap: str, switch: str, vlan: str) -> None:
    options: list[str] = []
    tagged = []
    for number, how in vlans(vlan) if vlan else ():
        if how:
            options.append(f"tag={number}")
        else:
            tagged.append(number)
    if tagged:
        options.append(f"trunks={','.join(tagged)}")
    _run("ip", "link", "set", tap, "up")
    _run("ovs-vsctl", "--if-exists", "del-port", tap)
    _run("ovs-vsctl", "add-port", _device(switch), tap, *options)


def _route(tap: str, table: str, ip: str | None) -> None:
    if not ip:
        raise FunctionError("mode routed needs an IP address")
    address = ip_address(ip)
    family = "-4" if address.version == 4 else "-6"
    _run("ip", "link", "set", tap, "up")
    destination = f"{address}/{address.max_prefixlen}"
    if table:
        # Those of a device that had the name before are still there.
        while _succeeds("ip", family, "rule", "del", "dev", tap):
            pass
        _run("ip", family, "rule", "add", "dev", tap, "table", _device(table))
        _run("ip", family, "route", "replace", destination, "table", table, "proto", "static", "dev", tap)
    else:
        _run("ip", family, "route", "replace", destination, "proto", "static", "dev", tap)
    if address.version == 4:
        settings = {f"ipv4/conf/{tap}/proxy_arp": "1", f"ipv4/conf/{tap}/forwarding": "1"}
    else:
        settings = {f"ipv6/conf/{tap}/proxy_ndp": "1", f"ipv6/conf/{tap}/forwarding": "1"}
    for name, value in settings.items():
        (PROC / name).write_text(value)


def _device(name: str) -> str:
    """
    @raise FunctionError: It can be no device's name; it might be an option of the command, or a path.
    """
    if not _DEVICE.fullmatch(name):
        raise FunctionError(f"{name!r} is no name of a device")
    return name


def _succeeds(*words: str) -> bool:
    try:
        _run(*words)
    except FunctionError:
        return False
    return True


def _run(*words: str) -> None:
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_TIMEOUT,
            env={"PATH": PATH},
            check=False,
        )
    except OSError as reason:
        raise FunctionError(f"{words[0]} cannot be run: {reason.strerror}") from reason
    except subprocess.TimeoutExpired as reason:
        raise FunctionError(f"{' '.join(words)} did not end within {COMMAND_TIMEOUT:.0f} s") from reason
    if done.returncode != 0:
        raise FunctionError(f"{' '.join(words)} failed: {(done.stderr or done.stdout).strip()}")
