"""
Daemons with users of their own, compared in C{/proc} with what the documentation says of them.
"""

import http.client
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.paths import Paths
from gnttwist.privileges.accounts import USERS, Account, Accounts, load
from gnttwist.privileges.daemons import DAEMONS, Daemon, may
from gnttwist.privileges.rules import RULES
from gnttwist.sandbox.addresses import NODED_PORT
from gnttwist.sandbox.processes import wait_until
from tests.functional import users_sandbox

LISTENING = {"tcp": "0A", "udp": "07"}
"""
The states, in C{/proc/net}, of a socket that takes connections or datagrams from anybody.
"""

ACCEPTS = 0x10000
"""
The flag of unix sockets that listen.
"""

AS_ACCOUNT = """
import json, os, socket, sys
from gnttwist.privileges.accounts import Account
from gnttwist.privileges.drop import become
name, uid, gid, groups, paths, sockets = json.load(sys.stdin)
become(Account(name, uid, gid, tuple(groups)))
def connects(path, kind):
    try:
        socket.socket(socket.AF_UNIX, kind).connect(path)
    except PermissionError:
        return False
    return True
def rights(path):
    return "".join(letter for letter, bit in (("r", os.R_OK), ("w", os.W_OK)) if os.access(path, bit))
print(json.dumps({
    "paths": {each: rights(each) for each in paths},
    "sockets": {each: connects(each, kind) for each, kind in sockets.items()},
}))
"""
"""
What finds out, as another user, what it may do.
"""


def status(pid: int) -> dict[str, str]:
    """
    A process's C{status}.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def listens(pid: int, run: Path) -> set[str]:
    """
    What a process listens on, as L{Daemon} has it.
    """
    inodes = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(each)
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    return {name for inode, name in sockets(run) if inode in inodes}


def sockets(run: Path) -> Iterator[tuple[str, str]]:
    """
    All sockets that listen, with their inodes.
    """
    for kind, state in LISTENING.items():
        for file in (kind, f"{kind}6"):
            for line in Path(f"/proc/net/{file}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == state:
                    yield fields[9], f"{kind}/{int(fields[1].rpartition(':')[2], 16)}"
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[3], 16) & ACCEPTS:
            path = fields[7] if len(fields) > 7 else "unnamed"
            yield fields[6], str(Path(path).relative_to(run)) if path.startswith(f"{run}/") else path


class PrivilegesTests(SynchronousTestCase):
    """
    A sandbox started by root.
    """

    def setUp(self) -> None:
        if reason := users_sandbox.cannot():
            self.skipTest(reason)
        self.sandbox = users_sandbox.up()
        self.addCleanup(users_sandbox.down, self.sandbox)
        self.paths: Paths = self.sandbox.paths(self.sandbox.master)
        self.accounts: Accounts = load(self.paths)

    def pid(self, daemon: Daemon) -> int:
        """
        A daemon's process.
        """
        return int(self.paths.pid(daemon.name).read_text())

    def call(self, function: str, *arguments: Any) -> Any:
        """
        Call a function, as a master candidate does.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.paths.server_pem)
        context.load_cert_chain(self.paths.client_pem)
        address = self.sandbox.master.address
        connection = http.client.HTTPSConnection(address, NODED_PORT, timeout=20, context=context)
        try:
            connection.request(
                "POST", f"/{function}", json.dumps(arguments), {"Content-Type": "application/json"}
            )
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def test_daemons(self) -> None:
        """
        Every daemon's users, groups, capabilities and listening sockets are what the documentation says.
        """
        for daemon in DAEMONS:
            with self.subTest(daemon=daemon.name):
                pid = self.pid(daemon)
                found = status(pid)
                self.assertEqual(listens(pid, self.paths.run), {*daemon.ports, *daemon.sockets})
                if daemon.privileged:
                    self.assertEqual(found["Uid"].split(), ["0"] * 4)
                    self.assertEqual(found["Groups"], "")
                    continue
                account = self.accounts.daemon(daemon.role)
                self.assertEqual(found["Uid"].split(), [str(account.uid)] * 4)
                self.assertEqual(found["Gid"].split(), [str(account.gid)] * 4)
                self.assertEqual(set(found["Groups"].split()), {str(each) for each in account.groups})
                for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                    self.assertEqual(int(found[name], 16), 0, name)
                self.assertEqual(found["NoNewPrivs"], "1")

    def test_files(self) -> None:
        """
        With the daemons running, every file is as the table says, and each daemon's user may do with it what the
        documentation says and nothing else.
        """
        self.assertEqual(self.call("version")[0], True)
        checked = users_sandbox.gnt("--root", str(self.paths.root), "node", "ensure-dirs", "--check")
        self.assertEqual((checked.returncode, checked.stdout), (0, ""))
        for role in USERS:
            wanted = {str(path): may(role, rule) for rule in RULES for path in self.existing(rule)}
            found = self.ask_as(self.accounts.daemon(role), list(wanted))["paths"]
            # What two daemons replace is either's, and may be written by the one that did.
            either = {str(path) for rule in RULES if rule.also for path in self.existing(rule)}
            self.assertEqual(
                {path: value for path, value in found.items() if path not in either},
                {path: value for path, value in wanted.items() if path not in either},
                role,
            )

    def existing(self, rule: Any) -> list[Path]:
        """
        What there is that a rule is about.
        """
        place = rule.tree(self.paths) / rule.below
        return [place] if rule.files is None else sorted(place.glob(rule.files))

    def ask_as(self, account: Account, paths: list[str]) -> Any:
        """
        What an account may read and write, and to which sockets it may connect.
        """
        kinds = {str(self.paths.launcher_socket): 5, str(self.paths.luxi_socket): 1}
        asked = [account.name, account.uid, account.gid, account.groups, paths, kinds]
        ended = subprocess.run(
            [sys.executable, "-c", AS_ACCOUNT],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=20,
        )
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return json.loads(ended.stdout)

    def test_sockets(self) -> None:
        """
        Only gnt-noded's user reaches the launcher, and it does not reach LUXI.
        """
        launcher, luxi = str(self.paths.launcher_socket), str(self.paths.luxi_socket)
        for role, reaches in (
            ("noded", {launcher: True, luxi: False}),
            ("confd", {launcher: False, luxi: True}),
            ("rapi", {launcher: False, luxi: True}),
        ):
            self.assertEqual(self.ask_as(self.accounts.daemon(role), [])["sockets"], reaches, role)
        # Nor do function processes that are not root.
        function = self.accounts.function("noded")
        assert function is not None
        self.assertFalse(self.ask_as(function, [])["sockets"][luxi])

    def test_functions(self) -> None:
        """
        A function process is whom the table names: without groups and capabilities, or root.
        """
        launcher = self.pid(next(each for each in DAEMONS if each.privileged))
        self.assertEqual(self.call("StartFunction", "test_delay", [3.0], 0)[1], False)
        children: list[int] = []

        def started() -> bool:
            children[:] = [
                int(each.name)
                for each in Path("/proc").iterdir()
                if each.name.isdecimal() and self.parent(each) == launcher
            ]
            return bool(children) and status(children[0])["NoNewPrivs"] == "1"

        self.assertTrue(wait_until(started, 5.0))
        found = status(children[0])
        uid = str(self.accounts.uid("noded"))
        self.assertEqual((found["Uid"].split(), found["Groups"]), ([uid] * 4, ""))
        self.assertEqual(int(found["CapPrm"], 16), 0)
        # What only root can do.
        self.assertEqual(self.call("file_storage_dir_create", "/srv/ganeti/file-storage/web1"), [True, None])
        self.assertEqual((self.paths.srv / "file-storage/web1").stat().st_uid, 0)

    def parent(self, entry: Path) -> int:
        """
        A process's parent; 0 where it has ended.
        """
        try:
            return int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
        except OSError:
            return 0
