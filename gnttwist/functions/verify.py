"""
C{node_verify}: many small checks in one call. Each key of the request has its answer under the same key
(reference: node daemon RPC, section 4.6).
"""

import base64
import hashlib
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from gnttwist.functions import arguments
from gnttwist.functions.compared import digests, unusable_scripts
from gnttwist.functions.connecting import Probe, reachable
from gnttwist.functions.delay import PROTOCOL_VERSION
from gnttwist.functions.hypervisor.table import hypervisor
from gnttwist.functions.node import missing_bridges
from gnttwist.functions.osapi.calls import os_diagnose
from gnttwist.functions.registry import Context, FunctionError, function
from gnttwist.functions.storage.places import allowed, place

RELEASE = "3.0.2"
"""
The Ganeti release whose formats we speak, for masters that compare releases.
"""

PORT = 1811
"""
Where node daemons listen; Ganeti's.
"""

SYSTEM = frozenset(
    {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/proc", "/root", "/sbin", "/sys", "/usr", "/var"}
)
"""
Directories of the system itself, which cannot be meant for disks.
"""

NO_DRBD = "DRBD is not supported by this node"
NO_LVM = "LVM is not supported by this node"


@frozen
class Request:
    """
    One check's circumstances.

    @ivar asked: The value under the check's key.
    @ivar hvparams: Cluster parameters by hypervisor.
    """

    context: Context
    asked: Any
    hvparams: Mapping[str, Any]

    def params(self, name: str) -> dict[str, Any]:
        """
        A hypervisor's cluster parameters.
        """
        return arguments.shaped(
            dict[str, Any], self.hvparams.get(name, {}), f"parameters of hypervisor {name}"
        )

    def texts(self) -> list[str]:
        """
        The value, where it is a list of texts.
        """
        return arguments.shaped(list[str], self.asked, "list of texts")


_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s+(.+?)-----END CERTIFICATE-----", re.DOTALL)

CERTIFICATES = frozenset(
    f"/var/lib/ganeti/{name}" for name in ("server.pem", "client.pem", "rapi.pem", "spice.pem")
)
"""
Whose ends are told.
"""

SILENT = object()
"""
What a check answers that has nothing to say when all is well: its key is left out.
"""


def _filelist(request: Request) -> dict[str, str]:
    return digests(request.context, request.texts())


def _client_certificate(request: Request) -> list[str | None]:
    return list(client_certificate(request.context))


def client_certificate(context: Context) -> tuple[str | None, str | None]:
    """
    What is wrong with the file of this node's certificate, or the digest by which the list of candidates has it.
    """
    path = context.paths.client_pem
    try:
        found = _CERTIFICATE.search(path.read_text("ascii"))
    except (OSError, UnicodeDecodeError) as reason:
        return f"Cannot read {context.paths.canonical(path)}: {reason}", None
    if found is None:
        return f"There is no certificate in {context.paths.canonical(path)}", None
    try:
        der = base64.b64decode(found[1])
    except ValueError as reason:
        return f"The certificate in {context.paths.canonical(path)} is damaged: {reason}", None
    return None, hashlib.sha1(der).digest().hex(":").upper()


def _instance_list(request: Request) -> list[str]:
    return sorted({name for each in request.texts() for name in hypervisor(each).names(request.context)})


def _hypervisors(request: Request) -> dict[str, str | None]:
    return {each: hypervisor(each).verify(request.context, request.params(each)) for each in request.texts()}


def _hvparams(request: Request) -> list[list[str]]:
    """
    Only sources whose parameters are wrong are answered.
    """
    wrong = []
    asked = arguments.shaped(list[tuple[str, str, dict[str, Any]]], request.asked, "hypervisor parameters")
    for source, name, params in asked:
        try:
            hypervisor(name).validate(request.context, params)
        except FunctionError as reason:
            wrong.append([source, name, str(reason)])
    return wrong


def _hypervisor_info(request: Request) -> dict[str, Any]:
    name = arguments.text(request.asked, "hypervisor")
    return hypervisor(name).node_info(request.context, request.params(name))


def _node_list(request: Request) -> dict[str, str]:
    """
    Logins by ssh between nodes. gnttwist's nodes do not use them, so there is nothing to find wrong.
    """
    return {}


def _net_test(request: Request) -> dict[str, str]:
    """
    Nodes that do not accept connections on their primary or secondary address; only candidates test.
    """
    nodes, candidates = arguments.shaped(
        tuple[list[tuple[str, str, str]], list[str]], request.asked, "addresses to test"
    )
    own = request.context.paths.hostname
    if own not in candidates:
        return {}
    mine = next(((primary, secondary) for name, primary, secondary in nodes if name == own), None)
    if mine is None:
        return {own: "Can't find my own primary/secondary IP in the node list"}
    # All at once: addresses that are silent would otherwise take their time one after the other.
    probes = {
        (name, kind): Probe(address, PORT, source)
        for name, primary, secondary in nodes
        for kind, address, source in (("primary", primary, mine[0]), ("secondary", secondary, mine[1]))
        if kind == "primary" or secondary != primary
    }
    failed: dict[str, list[str]] = {}
    for (name, kind), answers in zip(probes, reachable(list(probes.values())), strict=True):
        if not answers:
            failed.setdefault(name, []).append(kind)
    return {name: f"failure using the {' and '.join(each)} interface(s)" for name, each in failed.items()}


def _master_ip(request: Request) -> bool | None:
    """
    Whether the master's address answers; only candidates test.
    """
    master, address, candidates = arguments.shaped(
        tuple[str, str, list[str]], request.asked, "master address to test"
    )
    own = request.context.paths.hostname
    if own not in candidates:
        return None
    [answers] = reachable([Probe(address, PORT, "127.0.0.1" if master == own else None)])
    return answers


def _bridges(request: Request) -> list[str]:
    return missing_bridges(arguments.names(request.asked, "bridge name"))


def _user_scripts(request: Request) -> list[str]:
    return unusable_scripts(request.context, request.texts())


def _file_storage_path(request: Request) -> object:
    """
    Whether disks can be made in the directory: within the allowed trees, and a directory if it is there.
    """
    if not request.asked:
        return SILENT
    try:
        wanted = place(request.context, request.asked, "file storage path")
    except FunctionError as reason:
        return str(reason)
    if wanted.path.exists() and not wanted.path.is_dir():
        return f"{request.asked} is not a directory"
    return SILENT


def _allowed_paths(request: Request) -> object:
    """
    The allowed trees that cannot be right; the master asks one node, by name.
    """
    if request.asked != request.context.paths.hostname:
        return SILENT
    return [each for each in allowed(request.context) if not each.startswith("/") or each in SYSTEM]


def _node_setup(request: Request) -> list[str]:
    wrong = []
    if not (os.path.isdir("/sys/block") and os.path.isdir("/sys/class/net")):
        wrong.append(
            "sysfs is not mounted under /sys: the directories /sys/block and /sys/class/net are missing"
        )
    if not os.path.isdir("/proc/sys"):
        wrong.append("procfs is not mounted under /proc: the directory /proc/sys is missing")
    return wrong


def _time(request: Request) -> list[int]:
    return [*divmod(time.time_ns() // 1000, 1_000_000)]


def _certificate_ends(request: Request) -> dict[str, float]:
    """
    When certificates end, in seconds since the epoch, of those files that are there.
    """
    # Here, and not above: 10 MB that every function process would have to copy.
    from cryptography import x509

    found = {}
    for path in request.texts():
        if path not in CERTIFICATES:
            raise FunctionError(f"Files such as {path!r:.100} are not looked at as certificates")
        try:
            text = request.context.paths.real(path).read_bytes()
            found[path] = x509.load_pem_x509_certificate(text).not_valid_after_utc.timestamp()
        except (OSError, ValueError):
            # That it cannot be used is told by other checks, and by whoever uses it.
            continue
    return found


CHECKS: dict[str, Callable[[Request], object]] = {
    "filelist": _filelist,
    "client-cert": _client_certificate,
    "certificate-ends": _certificate_ends,
    "instancelist": _instance_list,
    "hypervisor": _hypervisors,
    "hvparms": _hvparams,
    "hvinfo": _hypervisor_info,
    "nodelist": _node_list,
    "node-net-test": _net_test,
    "master-ip": _master_ip,
    "bridges": _bridges,
    "user-scripts": _user_scripts,
    "version": lambda request: [PROTOCOL_VERSION, RELEASE],
    "time": _time,
    "oslist": lambda request: os_diagnose(request.context),
    "nodesetup": _node_setup,
    "file-storage-path": _file_storage_path,
    "shared-file-storage-path": _file_storage_path,
    "allowed-file-storage-paths": _allowed_paths,
    "lvlist": lambda request: NO_LVM,
    "vglist": lambda request: {},
    "pvlist": lambda request: [],
    "drbd-version": lambda request: NO_DRBD,
    "drbd-list": lambda request: NO_DRBD,
    "drbd-helper": lambda request: [False, NO_DRBD],
    "ssh-setup": lambda request: [],
    "ssh-clutter": lambda request: [],
    "nonvmnodes": lambda request: SILENT,
}
"""
By key. Keys for things that this node cannot have say so; ssh between nodes is not used, so it is always well.
"""


@function("node_verify")
def node_verify(context: Context, checkdict: Any, cluster_name: Any, all_hvparams: Any) -> dict[str, Any]:
    """
    Make the checks that C{checkdict} asks for.

    @param all_hvparams: Cluster parameters by hypervisor.
    @return: Answers under the same keys; a key that is not known is left out and told as feedback.
    """
    asked = arguments.shaped(dict[str, Any], checkdict, "checks")
    hvparams = arguments.shaped(dict[str, Any], all_hvparams, "hypervisor parameters")
    answers = {}
    for key, value in asked.items():
        check = CHECKS.get(key)
        if check is None:
            context.feedback("message", f"Nothing here can check {key!r}")
        elif (answer := check(Request(context, value, hvparams))) is not SILENT:
            answers[key] = answer
    return answers
