"""
Tests for L{gnttwist.config.files} and L{gnttwist.config.exporter}.
"""

import fcntl
import json
import os
import random
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config import files
from gnttwist.config.export import MAX_SSCONF_BYTES, ssconf
from gnttwist.config.exporter import INTERVAL, RETRY, Exporter
from gnttwist.config.files import SsconfBusy, replace, write_all, write_ssconf
from gnttwist.config.service import Configuration
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import NodeGroup
from gnttwist.paths import Paths
from tests.config.objects import EMPTY, node, store


def place(case: SynchronousTestCase) -> Paths:
    """
    A node's directories.
    """
    paths = Paths(Path(case.mktemp()).absolute(), "node1")
    paths.data.mkdir(parents=True)
    return paths


class FilesTests(SynchronousTestCase):
    """
    Tests for writing files.
    """

    def setUp(self) -> None:
        self.paths = place(self)
        group = NodeGroup(uuid="g", name="default")
        self.config: Snapshot = EMPTY.with_objects([node("n1", "node1"), group])

    def test_all(self) -> None:
        """
        Every file is there, with Ganeti's modes and contents, and no stray one.
        """
        self.assertEqual(write_all(self.paths, self.config), [])
        data = json.loads(self.paths.config_export.read_text())
        self.assertEqual(data["serial_no"], 1)
        self.assertEqual(stat.S_IMODE(self.paths.config_export.stat().st_mode), 0o640)
        self.assertEqual(self.paths.ssconf("cluster_name").read_text(), "c.example.com\n")
        self.assertEqual(stat.S_IMODE(self.paths.ssconf("cluster_name").stat().st_mode), 0o444)
        self.assertEqual(
            {each.name for each in self.paths.data.iterdir()},
            {"config.data"} | {f"ssconf_{key}" for key in ssconf(self.config)},
        )

    def test_untouched(self) -> None:
        """
        A file whose content stays is not written again.
        """
        write_all(self.paths, self.config)
        before = self.paths.ssconf("cluster_name").stat().st_ino
        master_ip = self.paths.ssconf("master_ip").stat().st_ino
        cluster = msgspec.structs.replace(self.config.cluster, master_ip="192.0.2.9")
        write_all(self.paths, self.config.with_object(cluster))
        self.assertEqual(self.paths.ssconf("cluster_name").stat().st_ino, before)
        self.assertNotEqual(self.paths.ssconf("master_ip").stat().st_ino, master_ip)

    def test_atomic(self) -> None:
        """
        Who has the old file open goes on reading it whole; what a killed writer left is no obstacle.
        """
        path = self.paths.data / "file"
        replace(path, b"old", 0o444)
        (self.paths.data / ".file.new").write_bytes(b"half")
        (self.paths.data / ".file.new").chmod(0o444)
        with path.open("rb") as reader:
            self.assertTrue(replace(path, b"new", 0o444))
            self.assertEqual(reader.read(), b"old")
        self.assertEqual(path.read_bytes(), b"new")
        self.assertFalse(replace(path, b"new", 0o444))
        self.assertEqual([each.name for each in self.paths.data.iterdir()], ["file"])

    def test_locked(self) -> None:
        """
        Simple values are not written while somebody else holds their lock.
        """
        self.paths.lock.mkdir(parents=True)
        holder = os.open(self.paths.lock / files.SSCONF_LOCK, os.O_RDWR | os.O_CREAT)
        self.addCleanup(os.close, holder)
        fcntl.flock(holder, fcntl.LOCK_EX)
        self.assertRaises(SsconfBusy, write_ssconf, self.paths, {"cluster_name": ["c"]})
        self.assertFalse(self.paths.ssconf("cluster_name").exists())
        fcntl.flock(holder, fcntl.LOCK_UN)
        self.assertEqual(write_ssconf(self.paths, {"cluster_name": ["c"]}), [])

    def test_too_large(self) -> None:
        """
        A value that no reader would take is left as it was, and told.
        """
        write_ssconf(self.paths, {"instance_list": ["one"]})
        large = ["x" * 99] * (MAX_SSCONF_BYTES // 100 + 1)
        self.assertEqual(write_ssconf(self.paths, {"instance_list": large, "a": ["b"]}), ["instance_list"])
        self.assertEqual(self.paths.ssconf("instance_list").read_text(), "one\n")
        self.assertEqual(self.paths.ssconf("a").read_text(), "b\n")


class ExporterTests(SynchronousTestCase):
    """
    Tests for L{Exporter}, whose threads run when the test says so.
    """

    def setUp(self) -> None:
        self.paths = place(self)
        self.clock = Clock()
        self.threads: list[Callable[[], None]] = []
        self.configuration = Configuration(store(), lambda failure: failure.raiseException())
        self.successResultOf(Deferred.fromCoroutine(self.configuration.load()))
        self.edit(lambda: NodeGroup(uuid="g", name="default"))
        self.exporter = Exporter(self.clock, self.in_thread, self.configuration, self.paths)

    def in_thread(self, work: Callable[[], list[str]]) -> Deferred[list[str]]:
        """
        Keep work for L{run}.
        """
        result: Deferred[list[str]] = Deferred()

        def thread() -> None:
            execute(work).chainDeferred(result)

        self.threads.append(thread)
        return result

    def run_thread(self) -> None:
        """
        Do the oldest work that waits.
        """
        self.threads.pop(0)()

    def edit(self, make: Callable[[], NodeGroup]) -> None:
        """
        Change the configuration.
        """
        group = make()
        self.successResultOf(
            self.configuration.edit("group", lambda draft: draft.put(group), now=0.0, source=random.Random(1))
        )

    def change(self) -> None:
        """
        Change something.
        """
        self.edit(lambda: NodeGroup(uuid="g", name="default", alloc_policy="unallocable"))

    def exported(self) -> int:
        """
        The serial number that the file says.
        """
        found: int = json.loads(self.paths.config_export.read_text())["serial_no"]
        return found

    def test_start(self) -> None:
        """
        The files are written at the start.
        """
        self.exporter.startService()
        self.run_thread()
        self.assertEqual(self.exported(), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_change(self) -> None:
        """
        A change after a quiet time is written at once.
        """
        self.exporter.startService()
        self.run_thread()
        self.clock.advance(INTERVAL)
        self.change()
        self.run_thread()
        self.assertEqual(self.exported(), 3)

    def test_burst(self) -> None:
        """
        Many changes are one write, a second after the last one.
        """
        self.exporter.startService()
        self.change()
        self.run_thread()
        self.change()
        self.change()
        self.assertEqual(self.threads, [])
        self.clock.advance(INTERVAL / 2)
        self.assertEqual(self.threads, [])
        self.clock.advance(INTERVAL / 2)
        self.run_thread()
        self.assertEqual(self.exported(), 5)
        self.clock.advance(10)
        self.assertEqual(self.threads, [])

    def test_slow_disk(self) -> None:
        """
        There is one write at a time; what changes meanwhile is written after it.
        """
        self.exporter.startService()
        self.clock.advance(10)
        self.change()
        self.assertEqual(len(self.threads), 1)
        self.run_thread()
        self.assertEqual(len(self.threads), 1)
        self.run_thread()
        self.assertEqual(self.exported(), 3)

    def test_failure(self) -> None:
        """
        A write that fails is logged and tried again, with the newest configuration.
        """
        self.paths.data.rename(self.paths.data.with_name("away"))
        self.exporter.startService()
        self.run_thread()
        self.change()
        self.clock.advance(RETRY - 0.1)
        self.assertEqual(self.threads, [])
        self.paths.data.with_name("away").rename(self.paths.data)
        self.clock.advance(0.2)
        self.run_thread()
        self.assertEqual(self.exported(), 3)

    def test_stop(self) -> None:
        """
        Stopping writes what is left, and then nothing more.
        """
        self.exporter.startService()
        self.change()
        stopped = self.exporter.stopService()
        self.assertNoResult(stopped)
        self.run_thread()
        self.assertNoResult(stopped)
        self.run_thread()
        self.successResultOf(stopped)
        self.assertEqual(self.exported(), 3)
        self.change()
        self.clock.advance(10)
        self.assertEqual((self.threads, self.clock.getDelayedCalls()), ([], []))

    def test_stop_delayed(self) -> None:
        """
        Stopping does not wait for the interval.
        """
        self.exporter.startService()
        self.run_thread()
        self.change()
        stopped = self.exporter.stopService()
        self.run_thread()
        self.successResultOf(stopped)
        self.assertEqual((self.exported(), self.clock.getDelayedCalls()), (3, []))

    def test_stop_broken(self) -> None:
        """
        Stopping does not wait for a disk that fails.
        """
        self.paths.data.rename(self.paths.data.with_name("away"))
        self.exporter.startService()
        stopped = self.exporter.stopService()
        self.run_thread()
        self.successResultOf(stopped)
        self.assertEqual((self.threads, self.clock.getDelayedCalls()), ([], []))
