"""
Tests for the units in C{conf/systemd}.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from shutil import rmtree

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.privileges.accounts import MEMBERSHIPS, NAMES
from gnttwist.privileges.daemons import DAEMONS

UNITS = Path(str(files("gnttwist"))).parent / "conf/systemd"
INSTALLED = "/opt/gnttwist/bin"
"""
Where the units expect the programs.
"""

MOST_EXPOSED = {"gnt-launcher.service": 77, "gnt-watcher.service": 66}
"""
Ten times what C{systemd-analyze security} may say of a unit; of others 20. The launcher's children need a lot, and so
may the administrator's hooks that the watcher runs.
"""


def settings(unit: str) -> dict[str, str]:
    """
    A unit's C{[Service]}; of settings that are given repeatedly the last.
    """
    service = (UNITS / unit).read_text().partition("[Service]")[2].partition("\n[")[0]
    return dict(re.findall(r"^([A-Za-z]+)=(.*)$", service, re.MULTILINE))


class UnitTests(SynchronousTestCase):
    """
    Tests for what units say.
    """

    def test_users(self) -> None:
        """
        Daemons run as the users and with the groups of the table that they use themselves.
        """
        for daemon in DAEMONS:
            found = settings(f"{daemon.name}.service")
            if daemon.privileged:
                self.assertNotIn("User", found)
                continue
            self.assertEqual(found["User"], NAMES[daemon.role])
            self.assertEqual(found["Group"], NAMES[daemon.role])
            wanted = {NAMES[each] for each in MEMBERSHIPS[daemon.role]}
            self.assertEqual(set(found["SupplementaryGroups"].split()), wanted)

    def test_no_capabilities(self) -> None:
        """
        Daemons have no capabilities and get none; only the launcher may be given up for lost without its children.
        """
        for daemon in DAEMONS:
            found = settings(f"{daemon.name}.service")
            self.assertEqual(found["NoNewPrivileges"], "yes")
            if daemon.privileged:
                self.assertEqual(found["KillMode"], "process")
            else:
                self.assertEqual((found["CapabilityBoundingSet"], found["ProtectSystem"]), ("", "strict"))

    def test_users_file(self) -> None:
        """
        The sysusers file makes every user and group that there is.
        """
        text = (UNITS / "gnttwist.sysusers").read_text()
        self.assertEqual(set(re.findall(r"^[ug] (\S+)", text, re.MULTILINE)), set(NAMES.values()))


class AnalyzeTests(SynchronousTestCase):
    """
    What systemd itself thinks of the units.
    """

    def setUp(self) -> None:
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is not installed")
        self.place = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(rmtree, self.place)
        programs = str(Path(sys.executable).parent)
        for each in UNITS.iterdir():
            if each.suffix in (".service", ".socket", ".target"):
                (self.place / each.name).write_text(each.read_text().replace(INSTALLED, programs))

    def analyze(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """
        Run C{systemd-analyze} on our units, with the system's behind them.
        """
        return subprocess.run(
            ["systemd-analyze", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.place,
            env={**os.environ, "SYSTEMD_UNIT_PATH": f"{self.place}:"},
        )

    def test_verify(self) -> None:
        """
        Every setting is known and every program is there.
        """
        names = [f"./{each.name}" for each in sorted(self.place.iterdir())]
        ended = self.analyze("verify", "--man=no", "--recursive-errors=no", *names)
        ours = [line for line in ended.stderr.splitlines() if "gnt" in line]
        self.assertEqual((ended.returncode, ours), (0, []))

    def test_security(self) -> None:
        """
        No unit gets more exposed than it is.
        """
        if self.analyze("security", "--offline=true", "--help").returncode != 0:
            self.skipTest("this systemd-analyze cannot judge files")
        for each in sorted(self.place.glob("*.service")):
            most = str(MOST_EXPOSED.get(each.name, 20))
            ended = self.analyze("security", "--offline=true", f"--threshold={most}", f"./{each.name}")
            self.assertEqual(ended.returncode, 0, ended.stdout[-300:] + ended.stderr)
