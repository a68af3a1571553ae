"""
Ganeti 3.0.2's own watcher and its allocator C{hail}, unmodified, in a sandbox.
"""

import json
from pathlib import Path

from twisted.trial.unittest import SkipTest

from tests.interop.ganeti import NODE, SandboxTestCase

HTOOLS = "root/usr/lib/ganeti/3.0/usr/bin/htools"
LIBRARIES = "root/lib/x86_64-linux-gnu", "root/usr/lib/x86_64-linux-gnu"


class WatcherTests(SandboxTestCase):
    """
    Tests for the watcher and for hail on two nodes with the fake hypervisor.
    """

    nodes = 2

    @property
    def root(self) -> Path:
        """
        The first node's files.
        """
        assert self.directory is not None
        return self.directory / "s" / NODE

    def ran(self, *arguments: str) -> str:
        """
        What our own command prints; it must succeed.
        """
        output = self.gnt(*arguments)
        self.assertEqual((output.code, output.err), (0, ""), output.out)
        return output.out

    def status(self, name: str) -> str:
        """
        What an instance is.
        """
        shown = json.loads(self.ran("instance", "list", "--json", "-o", "name,status"))
        found: str = next(each["status"] for each in shown if each["name"] == name)
        return found

    def test_both_watchers(self) -> None:
        """
        C{ganeti-watcher} starts again what has died, and C{gnt watcher} goes on from its notes.
        """
        self.ran("instance", "add", "-t", "diskless", "-o", "noop", "-n", NODE, "-B", "memory=64m", "web")
        self.ran("watcher")
        [notes] = (self.root / "var/lib/ganeti").glob("watcher.*.data")
        (self.root / "var/run/ganeti/fake-hypervisor/web").unlink()
        self.assertEqual(self.status("web"), "ERROR_down")
        group = notes.name.split(".")[1]
        output = self.tool("ganeti-watcher", "--node-group", group)
        self.assertEqual(output.code, 0, output.err)
        self.assertEqual(self.status("web"), "running")
        self.assertIn("web", json.loads(notes.read_text())["instance"])
        self.ran("watcher")
        self.assertEqual(json.loads(notes.read_text())["instance"], {})

    def test_hail(self) -> None:
        """
        C{hail} reads what it is asked, chooses a node, and the instance is made there.
        """
        program = self.ganeti / HTOOLS
        if not program.exists():
            raise SkipTest("run by `make interop`, which fetches htools; these were fetched before it did")
        script = self.root / "usr/lib/ganeti/iallocators/htools-hail"
        script.parent.mkdir(parents=True)
        libraries = ":".join(str(self.ganeti / each) for each in LIBRARIES)
        script.write_text(f'#!/bin/sh\nHTOOLS=hail LD_LIBRARY_PATH={libraries} exec {program} "$@"\n')
        script.chmod(0o755)
        asked = ("debug", "iallocator", "new", "-I", "htools-hail", "--dir", "out")
        answer = json.loads(self.ran(*asked))
        self.assertEqual((answer["success"], len(answer["result"])), (True, 1), answer["info"])
        several = json.loads(self.ran(*asked, "--mode", "multi-allocate", "--count", "2"))
        self.assertEqual(len(several["result"][0]), 2)
        added = ("-t", "file", "--disk", "0:size=16m", "-o", "noop", "-B", "memory=64m")
        self.ran("instance", "add", *added, "-I", "htools-hail", "new")
        self.assertEqual(self.status("new"), "running")
