"""
The cluster's own address, on the node that is its master (reference: node daemon RPC, section 4.8).

Both functions may be repeated: what is there already is not brought up again, what is gone is not taken down.
"""

import re
import shutil
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import msgspec
from attrs import frozen

from gnttwist.functions import programs
from gnttwist.functions.connecting import Probe, reachable
from gnttwist.functions.registry import Context, FunctionError, function

SCRIPT = "scripts/master-ip-setup"
"""
The administrator's program, below the configuration's directory, that is run instead where the cluster says so.
"""

PORT = 1811
"""
Where node daemons listen: whoever has the address answers there, be it that nothing listens.
"""

_DEVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}")


class MasterParameters(msgspec.Struct, frozen=True, kw_only=True):
    """
    What masters tell of the address; Ganeti's names.
    """

    ip: str
    netmask: int
    netdev: str


@frozen
class Address:
    """
    The address as it is to be.
    """

    ip: IPv4Address | IPv6Address
    netmask: int
    device: str

    @property
    def is_here(self) -> bool:
        """
        Whether this machine has it.

        To what it has it speaks with the same address, though not among loopback ones, which need no more than to be
        bound; elsewhere that alone says nothing, since C{ip_nonlocal_bind} lets machines bind what others have.
        """
        family = socket.AF_INET if self.ip.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            try:
                if self.ip.is_loopback:
                    trial.bind((str(self.ip), 0))
                    return True
                trial.connect((str(self.ip), PORT))  # a datagram socket's: nothing is sent
            except OSError:
                return False
            return ip_address(trial.getsockname()[0]) == self.ip


@function("node_activate_master_ip")
def node_activate_master_ip(context: Context, master_params: Any, use_external_mip_script: Any) -> None:
    """
    Bring up the cluster's address.

    @param master_params: Address, length of the network's prefix, and network device.
    @param use_external_mip_script: Let the administrator's program do it.
    """
    address = _address(context, master_params)
    if use_external_mip_script:
        _external(context, "start", address)
        return
    if address.is_here:
        return
    if any(reachable([Probe(str(address.ip), PORT)])):
        raise FunctionError(f"Another machine has the address {address.ip}")
    _ip("replace", address)
    _announce(context, address)


@function("node_deactivate_master_ip")
def node_deactivate_master_ip(context: Context, master_params: Any, use_external_mip_script: Any) -> None:
    """
    Take down the cluster's address.

    @param master_params: As for C{node_activate_master_ip}.
    @param use_external_mip_script: Let the administrator's program do it.
    """
    address = _address(context, master_params)
    if use_external_mip_script:
        _external(context, "stop", address)
    elif address.is_here:
        _ip("del", address)


def _address(context: Context, given: Any) -> Address:
    try:
        found = msgspec.convert(given, MasterParameters)
        address = Address(ip_address(found.ip), found.netmask, found.netdev)
    except (msgspec.ValidationError, ValueError) as reason:
        raise FunctionError(f"Invalid parameters of the master's address: {reason}") from reason
    if not 0 < address.netmask <= address.ip.max_prefixlen:
        raise FunctionError(f"Invalid netmask: {address.netmask}")
    if not _DEVICE.fullmatch(address.device):
        raise FunctionError(f"Invalid network device: {address.device!r:.40}")
    if address.ip.is_unspecified or str(address.ip) in _of_nodes(context):
        raise FunctionError(f"{address.ip} is a node's own address, and stays as it is")
    return address


def _of_nodes(context: Context) -> set[str]:
    """
    The nodes' addresses, as far as this node knows them.
    """
    found: set[str] = set()
    for name in ("node_primary_ips", "node_secondary_ips"):
        try:
            lines = context.paths.ssconf(name).read_text().splitlines()
        except FileNotFoundError:
            continue
        found.update(each.split()[-1] for each in lines if each.strip())
    return found


def _ip(verb: str, address: Address) -> None:
    """
    @raise FunctionError: It cannot be done.
    """
    program = shutil.which("ip", path=programs.PATH)
    if program is None:
        raise FunctionError("The program ip is missing: install iproute2")
    wanted = ["address", verb, f"{address.ip}/{address.netmask}", "dev", address.device]
    ran = programs.run(Path(program), {}, wanted)
    if ran.status:
        raise FunctionError(f"ip {' '.join(wanted)} failed with status {ran.status}: {ran.output}")


def _announce(context: Context, address: Address) -> None:
    """
    Tell neighbours who has the address now, as far as there is a program for it: others find out by themselves.
    """
    program = shutil.which("arping", path=programs.PATH)
    if program is None or address.ip.version != 4:
        return
    ran = programs.run(
        Path(program),
        {},
        ["-q", "-U", "-c", "3", "-I", address.device, "-s", str(address.ip), str(address.ip)],
    )
    if ran.status:
        context.feedback("message", f"Neighbours were not told of {address.ip}: {ran.output}")


def _external(context: Context, verb: str, address: Address) -> None:
    path = context.paths.etc / SCRIPT
    programs.check_safe(path)
    if not programs.is_executable(path):
        raise FunctionError(f"{path} is not an executable file")
    environment = {
        "MASTER_NETDEV": address.device,
        "MASTER_IP": str(address.ip),
        "MASTER_NETMASK": str(address.netmask),
        "CLUSTER_IP_VERSION": str(address.ip.version),
    }
    ran = programs.run(path, environment, [verb])
    if ran.status:
        raise FunctionError(f"{path.name} {verb} failed with status {ran.status}; output: {ran.output}")
