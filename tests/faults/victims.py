"""
A real sandbox whose daemons can be killed and brought back, for tests that kill things.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gnttwist.paths import Paths

NODE = "node1.sandbox.test"
PATIENCE = 60.0
"""
Seconds that anything here may take before the test gives up.
"""

T = TypeVar("T")


class GaveUp(Exception):
    """
    Something did not happen in time.
    """


def eventually(look: Callable[[], T | None], what: str) -> T:
    """
    Look again and again until there is something.

    @raise GaveUp: There was nothing within L{PATIENCE}.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found is not None:
            return found
        pause(0.02)
    raise GaveUp(what)


def pause(seconds: float) -> None:
    """
    Let real time pass: other processes are at work.
    """
    signal.sigtimedwait([], seconds)


class Victims:
    """
    One sandbox node's daemons.
    """

    def __init__(self, *, hypervisor: str = "fake") -> None:
        # Unix socket paths are limited to 107 bytes, so this cannot live below trial's directory.
        self.directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.sandbox = self.directory / "s"
        self.paths = Paths(self.sandbox / NODE, NODE)
        self._revived: list[subprocess.Popen[bytes]] = []
        self.gnt("sandbox", "up", "--dir", str(self.sandbox), "--hypervisor", hypervisor)

    def gnt(self, *arguments: str) -> str:
        """
        Run C{gnt} and return what it printed.

        @raise AssertionError: It failed.
        """
        done = self.try_gnt(*arguments)
        assert done.returncode == 0, f"gnt {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout

    def try_gnt(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """
        Run C{gnt}, whatever its exit code.
        """
        return subprocess.run(
            [str(Path(sys.executable).parent / "gnt"), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=self.environment,
        )

    @property
    def environment(self) -> dict[str, str]:
        """
        What points programs to the node.
        """
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "GANETI_ROOTDIR": str(self.paths.root),
            "GANETI_HOSTNAME": NODE,
        }

    def pid(self, daemon: str) -> int | None:
        """
        A daemon's pid, if it runs.
        """
        try:
            pid = int(self.paths.pid(daemon).read_text())
            os.kill(pid, 0)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return None
        return pid

    def kill(self, daemon: str) -> None:
        """
        End a daemon with SIGKILL, and wait until it is gone.
        """
        pid = self.pid(daemon)
        assert pid is not None, f"{daemon} does not run"
        os.kill(pid, signal.SIGKILL)
        for each in self._revived:
            if each.pid == pid:
                each.wait(PATIENCE)
        eventually(lambda: None if self._runs(pid) else True, f"{daemon} did not die")

    def _runs(self, pid: int) -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return False
        return state != "Z"

    def revive(self, daemon: str) -> None:
        """
        Start a daemon as an operator would by hand.
        """
        log = (self.directory / f"{daemon}.out").open("ab")
        self._revived.append(
            subprocess.Popen(
                [
                    str(Path(sys.executable).parent / "twistd"),
                    "-n",
                    "--pidfile=",
                    daemon,
                    "--root",
                    str(self.paths.root),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )
        )

    def jobs(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """
        What C{gnt job list --json} says of these jobs.
        """
        done = self.try_gnt("job", "list", "--json", *map(str, ids))
        if done.returncode != 0:
            return []
        found: list[dict[str, Any]] = msgspec.json.decode(done.stdout.encode())
        return found

    def ended(self, job: int) -> str | None:
        """
        A job's final status, if it has one; C{None} also while nobody answers.
        """
        rows = self.jobs([job])
        status: str | None = rows[0]["status"] if rows else None
        return status if status in ("success", "error", "canceled") else None

    def stop(self) -> None:
        """
        End everything and remove it.
        """
        # These first: a node daemon whose launcher is ended starts another one.
        for each in self._revived:
            if each.poll() is None:
                each.terminate()
                each.wait(PATIENCE)
        self.try_gnt("sandbox", "down", "--dir", str(self.sandbox))
        shutil.rmtree(self.directory, ignore_errors=True)
