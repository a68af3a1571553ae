"""
Running Ganeti's own programs, as C{tests.interop.prepare} has unpacked them, against a sandbox.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from attrs import frozen

from twisted.trial.unittest import SkipTest, TestCase

NODE = "node1.sandbox.test"
TIMEOUT = 120


@frozen
class Output:
    """
    What a program printed, and its exit code.
    """

    code: int
    out: str
    err: str


def prepared() -> Path:
    """
    The directory with Ganeti's programs.

    @raise SkipTest: It is not there; the text says why.
    """
    directory = Path(os.environ.get("GNT_INTEROP", "/nonexistent"))
    if (directory / "complete").exists():
        return directory
    note = directory / "unavailable"
    raise SkipTest(
        note.read_text().strip() if note.exists() else "run by `make interop`, which fetches Ganeti"
    )


class SandboxTestCase(TestCase):
    """
    Tests that share one sandbox.

    @cvar nodes: How many nodes it has.
    @cvar hypervisor: What its guests are.
    """

    timeout = TIMEOUT
    nodes = 1
    hypervisor = "fake"
    ganeti: Path
    directory: Path | None = None

    def setUp(self) -> None:
        """
        Start the sandbox before the class's first test; trial has no fixtures of a class.
        """
        if self.directory is None:
            type(self).start()

    @classmethod
    def start(cls) -> None:
        """
        Start the sandbox, and see to it that it is stopped when the tests end.
        """
        cls.ganeti = prepared()
        # Unix socket paths are limited to 107 bytes, so the sandbox cannot live below trial's own directory.
        cls.directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        atexit.register(cls.stop)
        done = cls.gnt(
            *("sandbox", "up", "--dir", str(cls.directory / "s")),
            *("--nodes", str(cls.nodes), "--hypervisor", cls.hypervisor),
        )
        if done.code != 0:
            raise RuntimeError(f"the sandbox did not start: {done.err or done.out}")

    @classmethod
    def stop(cls) -> None:
        """
        Stop the sandbox and remove it.
        """
        assert cls.directory is not None
        if (cls.directory / "s").exists():
            cls.gnt("sandbox", "down", "--dir", str(cls.directory / "s"))
        shutil.rmtree(cls.directory, ignore_errors=True)

    @classmethod
    def gnt(cls, *arguments: str) -> Output:
        """
        Run our own command on the sandbox.
        """
        return cls.execute([str(Path(sys.executable).parent / "gnt"), *arguments], {})

    @classmethod
    def tool(cls, name: str, *arguments: str) -> Output:
        """
        Run one of Ganeti's programs on the sandbox's first node.
        """
        share = cls.ganeti / "root/usr/share/ganeti/3.0"
        return cls.execute(
            [str(cls.ganeti / "python/bin/python"), str(share / name), *arguments], {"PYTHONPATH": str(share)}
        )

    @classmethod
    def execute(cls, command: list[str], environment: dict[str, str]) -> Output:
        """
        Run a program to its end, with an environment that points to the sandbox's first node.
        """
        assert cls.directory is not None
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(cls.directory),
                "COLUMNS": "200",
                "GANETI_ROOTDIR": str(cls.directory / "s" / NODE),
                "GANETI_HOSTNAME": NODE,
                **environment,
            },
        )
        return Output(done.returncode, done.stdout, done.stderr)
