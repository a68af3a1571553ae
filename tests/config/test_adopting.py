"""
Tests for L{gnttwist.config.adopting}, with a configuration that Ganeti has written.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from twisted.internet import reactor as installed  # noqa: TID251  # real files need a real reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from gnttwist.config.adopting import KEPT, NEEDED, adopt, check, contents, last_job_of
from gnttwist.config.importing import read
from gnttwist.config.service import Configuration
from gnttwist.errors import ConfigurationError, OpPrereqError
from gnttwist.model.job import Job
from gnttwist.model.stored import decode
from gnttwist.paths import Paths
from gnttwist.store.sqlite import SQLiteStore

reactor: Any = installed
RECORDED = (files("tests") / "golden" / "config-3.0.json").read_bytes()


class AdoptTests(TestCase):
    """
    Tests for L{adopt} on real files.
    """

    timeout = 30

    def setUp(self) -> None:
        self.imported = read(RECORDED)
        self.paths = Paths(Path(self.mktemp()) / "node1.example.com", "node1.example.com")
        self.paths.data.mkdir(parents=True)
        for each in NEEDED:
            (self.paths.data / each).touch()
        self.paths.config_export.write_bytes(RECORDED)

    def adopt(self) -> Deferred[None]:
        """
        Take over the recorded cluster.
        """
        return Deferred.fromCoroutine(adopt(reactor, self.imported, self.paths, 2e9))

    async def test_adopted(self) -> None:
        """
        The store holds what the file says and goes on from its serial number, and the file is kept.
        """
        await self.adopt()
        kept = self.paths.config_export.with_name(self.paths.config_export.name + KEPT)
        self.assertEqual(kept.read_bytes(), RECORDED)
        store = await SQLiteStore.open(reactor, self.paths.store, lambda failure: None)
        configuration = Configuration(store, lambda failure: None)
        await configuration.load()
        await store.close()
        config = configuration.snapshot
        said = msgspec.json.decode(RECORDED)
        self.assertEqual((config.serial, config.ctime), (said["serial_no"], said["ctime"]))
        self.assertEqual([each.name for each in config.instances], ["inst1.example.com", "inst2.example.com"])
        self.assertEqual(set(config.filters.keys()), set(said["filters"]))

    async def test_job_numbers(self) -> None:
        """
        Jobs' numbers go on from the old queue's.
        """
        config = self.paths.config_export
        self.assertIsNone(last_job_of(config))
        serial = config.parent / "queue" / "serial"
        serial.parent.mkdir()
        serial.write_text("4711\n")
        await adopt(reactor, self.imported, self.paths, 2e9, last_job_of(config))
        store = await SQLiteStore.open(reactor, self.paths.store, lambda failure: None)
        [last] = (await store.range("/jobs/serial")).entries
        [first] = (await store.range("/jobs/job/")).entries
        await store.close()
        self.assertEqual((last.value, decode(Job, first.value).id), (b"4712", 4712))
        for wrong in ("", "-1", "one", str(2**53)):
            serial.write_text(wrong)
            self.assertRaises(ConfigurationError, last_job_of, config)

    async def test_twice(self) -> None:
        """
        A node that holds a cluster takes over no other one.
        """
        await self.adopt()
        await self.assertFailure(self.adopt(), OpPrereqError)

    def test_refused(self) -> None:
        """
        A cluster is taken over on its master only, and only with its keys.
        """
        other = Paths(self.paths.root, "node2.example.com")
        self.assertIn("node1", str(self.assertRaises(OpPrereqError, check, self.imported, other)))
        (self.paths.data / "hmac.key").unlink()
        self.assertIn("hmac.key", str(self.assertRaises(OpPrereqError, check, self.imported, self.paths)))

    def test_contents(self) -> None:
        """
        What is taken over can be told in numbers.
        """
        found = contents(self.imported)
        self.assertEqual((found.cluster, found.nodes, found.instances), ("cluster.example.com", 1, 2))
