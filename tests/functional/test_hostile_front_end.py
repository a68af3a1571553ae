"""
What a node daemon that was taken over can reach through its launcher: the real functions, called to do harm.

L{tests.functional.test_launcher} has what breaks the launcher's protocol; here the protocol is kept, and the
meaning is hostile.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import rmtree
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.launcher import protocol
from gnttwist.noded.descriptors import sealed
from gnttwist.noded.processes import Process
from gnttwist.paths import Paths
from gnttwist.wire.call_types import DiskArgument, InstanceArgument
from gnttwist.wire.calls import FUNCTIONS
from tests.functional.test_launcher import FrontEnd
from tests.noded.process_conformance import read_all

CRASHED = "Error while executing backend function"
"""
How a result begins whose function did not expect what happened to it.
"""

OUTSIDE = (
    "/etc/passwd",
    "../../../../etc/passwd",
    "/srv/ganeti/file-storage/../../../etc/passwd",
    "/srv/ganeti/file-storage//etc/passwd",
    "/srv/ganeti/file-storage/link/victim",
    "/srv/ganeti/file-storage/link",
    "/srv/ganeti/file-storage-of-mine/victim",
    "/srv/ganeti/file-storage",
    "/srv/ganeti/file-storage/a\0b",
    "/dev/sda",
    "/proc/self/mem",
    "",
)
"""
Paths that no disk can have. The link leads out of the tree.
"""

SLASHED = ("../evil", "/bin/sh", "a/b", "..", ".", "-rf", "a\0b", "a\nb", "", "x" * 5000)
"""
What is no name.
"""

ODD: Sequence[Any] = (
    None,
    True,
    -1,
    2**70,
    1.5,
    "",
    "../..",
    "\0",
    [],
    [[[]]],
    {},
    {"": None},
    "x" * 100_000,
)
"""
Values of all kinds.
"""


ODD_TEXTS = ("", "../..", "/etc/shadow", "a\0b", "-rf", "\ud7ff" * 300, "x" * 100_000, "fake", "kvm", "file")
"""
Texts that are no names; the last ones are names where another may be wanted.
"""


def disk(path: str, **more: Any) -> dict[str, Any]:
    """
    A file disk.
    """
    return {"dev_type": "file", "logical_id": ["loop", path], "size": 1, "mode": "rw", **more}


def instance(name: str, **more: Any) -> dict[str, Any]:
    """
    An instance of the fake hypervisor.
    """
    return {
        "name": name,
        "hypervisor": "fake",
        "os": "noop",
        "beparams": {"maxmem": 64, "minmem": 64, "vcpus": 1},
        "hvparams": {},
        "nics": [],
        "disks_info": [],
        **more,
    }


def odd(kind: Any) -> Iterator[Any]:
    """
    Values of a type of the table that no honest caller sends.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        for each in inner:
            yield from odd(each)
    elif origin is list:
        yield []
        yield from ([each, each] for each in odd(inner[0]))
    elif origin is dict:
        yield {}
        yield from ({"": each, "../..": each} for each in odd(inner[1]))
    elif origin is tuple:
        members = [list(odd(each)) for each in inner]
        for variant in range(max(map(len, members))):
            yield [each[variant % len(each)] for each in members]
    elif kind is DiskArgument:
        yield from (disk(each) for each in OUTSIDE)
        yield from ({"dev_type": each, "logical_id": [[]], "size": -1} for each in ODD_TEXTS)
    elif kind is InstanceArgument:
        yield from (instance(each, disks_info=[disk(each)], os=each) for each in ODD_TEXTS)
        yield instance("web1", beparams={"maxmem": "x", "vcpus": {}}, hvparams={"": None}, osparams={"": 1})
        yield instance("web1", hypervisor="kvm", beparams={}, disks_info=[disk("/etc/shadow")])
    else:
        yield from {
            str: ODD_TEXTS,
            int: (-1, 0, 2**63),
            float: (-1, 0, 1e300),
            bool: (True, False),
            NoneType: (None,),
            Any: ODD,
        }[kind]


class HostileTests(SynchronousTestCase):
    """
    Calls that a front end should not make.
    """

    def setUp(self) -> None:
        top = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(rmtree, top)
        self.paths = Paths.from_root(str(top / "node1"))
        storage = self.paths.srv / "file-storage"
        storage.mkdir(parents=True)
        (self.paths.srv / "os").mkdir()
        (self.paths.srv / "file-storage-of-mine").mkdir()
        # What must stay as it is: beside the trees, and where links lead to.
        self.precious = top / "precious"
        self.precious.mkdir()
        (self.precious / "victim").write_text("untouched")
        (storage / "link").symlink_to(self.precious)
        (self.paths.srv / "file-storage-of-mine" / "victim").write_text("untouched")
        self.numbers = 0
        self.launcher = subprocess.Popen(
            [sys.executable, "-m", "gnttwist.launcher", "--root", str(self.paths.root)],
            stderr=subprocess.PIPE,
        )
        self.addCleanup(self.end)
        assert self.launcher.stderr is not None
        while True:
            try:
                self.client = FrontEnd(self.paths.launcher_socket).greet()
                break
            except (FileNotFoundError, ConnectionRefusedError):
                self.assertIsNone(self.launcher.poll())
        self.addCleanup(self.client.close)

    def end(self) -> None:
        """
        End the launcher, which must still be well, and look whether anything outside has changed.
        """
        self.launcher.terminate()
        self.launcher.communicate(timeout=20)
        self.assertEqual(self.launcher.returncode, 0)
        self.assertEqual([each.name for each in self.precious.iterdir()], ["victim"])
        self.assertEqual((self.precious / "victim").read_text(), "untouched")
        self.assertEqual((self.paths.srv / "file-storage-of-mine" / "victim").read_text(), "untouched")

    def call(self, function: str, *arguments: Any) -> tuple[bool, Any]:
        """
        Start a call, and wait for its result.
        """
        self.numbers += 1
        request = protocol.StartChild(self.numbers, function, f"1.0:{self.numbers}", None, 1 << 20)
        descriptor = sealed(json.dumps(arguments).encode())
        try:
            answer = self.client.ask(request, [descriptor])
        finally:
            os.close(descriptor)
        assert isinstance(answer, protocol.Started), answer
        ended = self.client.receive()
        self.assertEqual(ended, protocol.Exited(answer.id, 0, None), f"{function} {arguments!r:.200}")
        self.client.send(protocol.Dismiss(answer.id))
        path = Path(answer.spool)
        process = Process(answer.id, function, None, answer.pid, answer.started, path)
        success, payload = read_all(process)[1]
        path.unlink()
        return success, payload

    def refused(self, function: str, *arguments: Any) -> None:
        """
        A call must fail as one that expected this.
        """
        success, payload = self.call(function, *arguments)
        told = f"{function} {arguments!r:.200}: {payload}"
        self.assertFalse(success, told)
        self.assertFalse(str(payload).startswith(CRASHED), told)

    def test_paths(self) -> None:
        """
        No function makes, reads, empties or removes a file outside of the allowed trees, nor through a link.
        """
        for path in OUTSIDE:
            self.refused("file_storage_dir_remove", path)
            for function in ("blockdev_remove", "blockdev_assemble"):
                more = ("node1", True, 0) if function == "blockdev_assemble" else ()
                self.refused(function, disk(path), *more)
            self.refused("blockdev_create", disk(path), 1, "web1", True, "", False)
            if path != "/srv/ganeti/file-storage":
                self.refused("file_storage_dir_create", path)

    def test_storage_list(self) -> None:
        """
        No function changes the administrator's list of allowed trees, or who is who on the node.
        """
        for path in (
            "/etc/ganeti/file-storage-paths",
            "/etc/ganeti/users",
            "/etc/shadow",
            "/root/.ssh/authorized_keys",
        ):
            self.refused("upload_file", [path, [0, "x"], 0o644, None, None, 0.0, 0.0])
        for path in (
            "/etc/ganeti/../shadow",
            "/var/lib/ganeti/../../../etc/shadow",
            "//etc/hosts",
            "/etc/hosts/",
        ):
            self.refused("upload_file", [path, [0, "x"], 0o644, None, None, 0.0, 0.0])

    def test_upload_modes(self) -> None:
        """
        An uploaded file cannot be setuid, and a link in its place is replaced, not followed.
        """
        for mode in (0o4755, 0o2755, -1, 2**40):
            self.refused("upload_file", ["/etc/hosts", [0, "x"], mode, None, None, 0.0, 0.0])
        target = self.paths.root / "etc/hosts"
        target.parent.mkdir(exist_ok=True)
        target.symlink_to(self.precious / "victim")
        self.assertTrue(self.call("upload_file", ["/etc/hosts", [0, "x"], 0o644, None, None, 0.0, 0.0])[0])
        self.assertFalse(target.is_symlink())

    def test_names(self) -> None:
        """
        Names of simple values, operating systems, instances, bridges and hypervisors that are paths are refused.
        """
        for name in SLASHED:
            self.refused("write_ssconf_files", {name: "x"})
            self.refused("os_validate", True, name, [], {}, False)
            self.refused("instance_os_add", instance("web1", os=name), False, 0)
            self.refused("instance_start", instance(name), False, [])
            self.refused("instance_start", instance("web1", hypervisor=name), False, [])
            self.refused("instance_shutdown", instance(name), 0, [])
            self.refused("instance_info", name, "fake", {})
            self.refused("bridges_exist", [name])
            self.refused("instance_list", [name], {})
            self.refused("hypervisor_validate_params", name, {})
        self.assertEqual([each for each in self.paths.run.rglob("*") if "evil" in each.name], [])

    def test_hooks(self) -> None:
        """
        Hooks are run from their own directory, and not with variables that make them run other code.
        """
        for path in SLASHED:
            self.refused("hooks_runner", path, "pre", {})
            self.refused("hooks_runner", "instance-add", path, {})
        for variable in ("LD_PRELOAD", "BASH_ENV", "PYTHONPATH", "IFS", "GANETI_A=B", "GANETI_", ""):
            self.refused("hooks_runner", "instance-add", "pre", {variable: "/tmp/evil"})
        hooks = self.paths.etc / "hooks/instance-add-pre.d"
        hooks.mkdir(parents=True)
        (hooks / "show").write_text('#!/bin/sh\necho "$PATH"\n')
        (hooks / "show").chmod(0o755)
        succeeded, told = self.call("hooks_runner", "instance-add", "pre", {"PATH": "/tmp/evil"})
        self.assertTrue(succeeded)
        self.assertNotIn("evil", told[0][2])

    def test_keys(self) -> None:
        """
        Only what was made as a transfer's key can be removed as one.
        """
        for name in (*SLASHED, "x509-20260101000000-0123456789abcdef/../..", "../../../precious"):
            self.refused("x509_cert_remove", name)

    def test_os_link(self) -> None:
        """
        An OS script is not run that is a link to another program.
        """
        definition = self.paths.srv / "os" / "mine"
        definition.mkdir()
        (definition / "ganeti_api_version").write_text("20\n")
        (definition / "variants.list").write_text("../../../bin/sh\n")
        (definition / "parameters.list").write_text("")
        for script in ("create", "import", "export", "rename", "verify"):
            (definition / script).symlink_to("/bin/true")
        self.refused("os_validate", True, "mine+../../../bin/sh", ["parameters"], {}, False)
        self.refused("os_validate", True, "mine", ["no/such/check"], {}, False)

    def test_programs(self) -> None:
        """
        A guest's program is QEMU from the system's directories, and its kernel no file of anybody else's.
        """
        fake = self.precious / "victim"
        for path in (
            "/bin/sh",
            str(fake),
            "sh",
            "/usr/bin/../bin/sh",
            "/usr/bin/env",
            "/tmp/qemu-system-x86_64",
        ):
            self.refused("hypervisor_validate_params", "kvm", {"kvm_path": path})
            self.refused(
                "instance_start", instance("web1", hypervisor="kvm", hvparams={"kvm_path": path}), False, []
            )
        for path in ("/etc/shadow", "/boot/../etc/shadow", str(fake)):
            self.refused("hypervisor_validate_params", "kvm", {"kernel_path": path})
        for words in ("-drive file=/dev/sda", "-monitor tcp::4444", "-netdev tap,script=/tmp/x"):
            self.refused("hypervisor_validate_params", "kvm", {"kvm_extra": words})

    def test_all_kinds(self) -> None:
        """
        Whatever is given to whatever function, it answers: with a refusal where it makes no sense.
        """
        for name, signature in FUNCTIONS.items():
            # One waits as long as it is told, the other before each refusal; both have tests of their own.
            if name in ("test_delay", "restricted_command"):
                continue
            count = len(signature.arguments)
            for value in ODD if count else ():
                success, payload = self.call(name, *[value] * count)
                told = f"{name} {value!r:.60}: {payload}"
                self.assertTrue(success or not str(payload).startswith(CRASHED), told)
            self.refused(name, *[None] * (count + 1))

    def test_right_types(self) -> None:
        """
        Values of the right types that make no sense get as far as functions' code, and no further.
        """
        for name, signature in FUNCTIONS.items():
            # They wait, or have nothing to refuse: this node is none that others rely on.
            if name in ("test_delay", "restricted_command", "node_leave_cluster"):
                continue
            kinds = [list(odd(each)) for each in signature.arguments.values()]
            for variant in range(max(map(len, kinds), default=0)):
                arguments = [each[variant % len(each)] for each in kinds]
                success, payload = self.call(name, *arguments)
                told = f"{name} {arguments!r:.200}: {payload}"
                self.assertTrue(success or not str(payload).startswith(CRASHED), told)
                self.assertFalse(str(payload).startswith("wrong argument"), told)

    def test_oracles(self) -> None:
        """
        No function tells a digest of a file that is none of the cluster's, or whether there is one.
        """
        for path in (*OUTSIDE, str(self.precious / "victim"), "/etc/shadow", "/root/.ssh/id_rsa"):
            for key in ("filelist", "user-scripts"):
                self.refused("node_verify", {key: [path]}, "c", {})
        (self.paths.data / "hmac.key").symlink_to(self.precious / "victim")
        told = self.call("node_verify", {"filelist": ["/var/lib/ganeti/hmac.key"]}, "c", {})
        self.assertEqual(told, (True, {"filelist": {}}))

    def test_types(self) -> None:
        """
        Arguments of other types than the table's are refused before the function's code runs.
        """
        for name, arguments, words in (
            ("bridges_exist", ["br0"], "wrong argument bridges_list for bridges_exist, which is list[str]: "),
            (
                "blockdev_remove",
                [{"logical_id": 1}],
                "wrong argument bdev for blockdev_remove, which is Disk",
            ),
            ("test_delay", [True], "wrong argument duration for test_delay, which is float: "),
        ):
            success, payload = self.call(name, *arguments)
            self.assertFalse(success)
            self.assertIn(words, payload)

    def test_delays(self) -> None:
        """
        A delay is a number of seconds within reason.
        """
        for value in (*ODD[:2], -1, 2**70, "1", [], float("1e300")):
            self.refused("test_delay", value)

    def test_kills_only_calls(self) -> None:
        """
        A signal reaches calls and nothing else, whatever is named; also by a spool that tells of another process.
        """
        bystander = subprocess.Popen(["sleep", "30"], start_new_session=True)
        self.addCleanup(bystander.wait)
        self.addCleanup(bystander.kill)
        for id in (
            f"{self.launcher.pid}:{bystander.pid}:1.0:1",
            str(bystander.pid),
            "-1",
            f"0:{bystander.pid}:x",
        ):
            answer = self.client.ask(protocol.SignalChild(1, id, signal.SIGKILL, True))
            self.assertEqual(answer, protocol.Signalled(1))
        self.assertIsNone(bystander.poll())
