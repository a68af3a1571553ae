"""
Tests for L{gnttwist.masterd.distribution}.
"""

import base64
import hashlib
import json
import random
import shutil
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config.draft import Draft
from gnttwist.config.service import Configuration
from gnttwist.errors import NotAnswering
from gnttwist.jobs.calls import Call, Feedback, OnSilence
from gnttwist.masterd.distribution import INTERVAL, LOOK, RETRY_FIRST, Distribution
from gnttwist.masterd.shared_files import PAUSE, SharedFiles
from gnttwist.model.objects import Node, NodeGroup
from gnttwist.paths import Paths
from gnttwist.units.redistribution import MARK
from tests.config.objects import node, store


class Nodes:
    """
    Nodes that take what they are given.

    @ivar files: By node name, what each has.
    @ivar away: Names of those that do not answer.
    @ivar slow: A call that has not ended, where calls are to take their time.
    """

    def __init__(self) -> None:
        self.files: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.away: set[str] = set()
        self.slow: Deferred[None] | None = None

    def call(
        self,
        node: Node,
        call: Call,
        on_feedback: Callable[[Feedback], None],
        on_silence: OnSilence | None = None,
    ) -> Deferred[Any]:
        """
        Take a file, or values.
        """
        self.calls.append((node.name, call.function))
        if node.name in self.away:
            return fail(NotAnswering(f"{node.name} does not answer"))
        has = self.files.setdefault(node.name, {})
        if call.function == "node_demote_from_mc":
            has.pop("/var/lib/ganeti/config.data", None)
            return succeed(None)
        if call.function == "node_verify":
            digests = {path: self.digest(has, path) for path in call.arguments[0]["filelist"]}
            return succeed({"filelist": {path: each for path, each in digests.items() if each}})
        (argument,) = call.arguments
        if call.function == "install_certificate":
            has["/var/lib/ganeti/server.pem"] = argument.encode()
            return succeed(None)
        if call.function == "set_watcher_pause":
            has.pop(PAUSE, None)
            if argument is not None:
                has[PAUSE] = b"%d\n" % argument
            return succeed(None)
        if call.function == "upload_file":
            data = zlib.decompress(base64.b64decode(argument[1][1]))
            has[argument[0]] = json.loads(data) if argument[0].endswith("config.data") else data
        else:
            has.update(argument)
        return self.slow or succeed(None)

    def digest(self, has: dict[str, Any], path: str) -> str | None:
        """
        Of what a node has, if it has it.
        """
        found = has.get(path, has.get(path.removeprefix("/var/lib/ganeti/ssconf_")))
        if isinstance(found, dict):
            return "of the configuration"
        data = found.encode() if isinstance(found, str) else found
        return None if data is None else hashlib.sha1(data).hexdigest()

    def abort(self, node: Node, key: str) -> Deferred[None]:
        """
        Nothing is ever aborted.
        """
        raise AssertionError("a distribution is not aborted")

    def forget(self, node: Node, keys: Sequence[str]) -> Deferred[None]:
        """
        There are no keys.
        """
        raise AssertionError("calls without keys are not forgotten")


class DistributionTests(SynchronousTestCase):
    """
    Tests for L{Distribution}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        above = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, above)
        self.paths = Paths(above / "one.example.com", "one.example.com")
        self.paths.data.mkdir(parents=True)
        self.paths.server_pem.write_bytes(b"the certificate")
        self.paths.hmac_key.write_bytes(b"the key")
        self.nodes = Nodes()
        self.configuration = Configuration(store(), self.fail)
        self.successResultOf(Deferred.fromCoroutine(self.configuration.load()))
        self.edit(lambda draft: draft.put(NodeGroup(uuid="g", name="default")))
        self.add(node("n2", "two.example.com"))
        self.add(msgspec.structs.replace(node("n3", "three.example.com"), master_candidate=False))
        self.distribution = Distribution(
            self.clock,
            lambda work: succeed(work()),
            self.clock.seconds,
            self.configuration,
            self.nodes,
            SharedFiles(self.paths),
        )

    def start(self) -> None:
        """
        Start it; it is stopped when the test ends.
        """
        self.distribution.startService()
        self.addCleanup(self.distribution.stopService)

    def edit(self, change: Callable[[Draft], object]) -> None:
        """
        Change the configuration.
        """

        def edit(draft: Draft) -> None:
            change(draft)

        self.successResultOf(self.configuration.edit("test", edit, now=0.0, source=random.Random(1)))

    def add(self, value: Node) -> None:
        """
        Add or change a node.
        """
        self.edit(lambda draft: draft.put(value))

    def serial(self, name: str) -> Any:
        """
        The serial number of the configuration that a node has.
        """
        return self.nodes.files[name]["/var/lib/ganeti/config.data"]["serial_no"]

    def test_everybody(self) -> None:
        """
        Other nodes get the simple values, candidates the configuration too, and the master nothing.
        """
        self.start()
        self.assertEqual(self.serial("two.example.com"), self.configuration.snapshot.serial)
        self.assertNotIn("/var/lib/ganeti/config.data", self.nodes.files["three.example.com"])
        self.assertEqual(self.nodes.files["three.example.com"]["master_node"], "one.example.com\n")
        self.assertEqual(set(self.nodes.files), {"two.example.com", "three.example.com"})

    def test_only_news(self) -> None:
        """
        After a change nodes get what differs, and those that nothing changes for are left alone.
        """
        self.start()
        self.nodes.calls.clear()
        self.add(
            msgspec.structs.replace(self.configuration.snapshot.nodes["n2"], ndparams={"spindle_count": 2})
        )
        self.clock.advance(INTERVAL)
        self.assertEqual(self.nodes.calls, [("two.example.com", "upload_file")])
        self.assertEqual(self.serial("two.example.com"), self.configuration.snapshot.serial)

    def test_bursts(self) -> None:
        """
        Many changes at once are sent as one.
        """
        self.start()
        self.nodes.calls.clear()
        for count in range(20):
            self.add(
                msgspec.structs.replace(
                    self.configuration.snapshot.nodes["n2"], ndparams={"spindle_count": count}
                )
            )
        for _ in range(10):
            self.clock.advance(INTERVAL)
        self.assertEqual(self.nodes.calls, [("two.example.com", "upload_file")])

    def test_away(self) -> None:
        """
        A node that was away gets the newest when it is back; others do not wait for it.
        """
        self.nodes.away.add("two.example.com")
        self.start()
        self.assertIn("three.example.com", self.nodes.files)
        self.add(
            msgspec.structs.replace(self.configuration.snapshot.nodes["n2"], ndparams={"spindle_count": 9})
        )
        self.nodes.away.clear()
        self.clock.advance(RETRY_FIRST)
        self.clock.advance(INTERVAL)
        self.assertEqual(self.serial("two.example.com"), self.configuration.snapshot.serial)

    def test_offline(self) -> None:
        """
        A node that is marked offline is not called.
        """
        self.add(msgspec.structs.replace(self.configuration.snapshot.nodes["n2"], offline=True))
        self.start()
        self.assertEqual(set(self.nodes.files), {"three.example.com"})

    def test_files(self) -> None:
        """
        All nodes have keys and certificates as the master has them, also after they were changed there.
        """
        self.start()
        for name in ("two.example.com", "three.example.com"):
            self.assertEqual(self.nodes.files[name]["/var/lib/ganeti/server.pem"], b"the certificate")
        self.nodes.calls.clear()
        self.paths.hmac_key.unlink()
        self.paths.hmac_key.write_bytes(b"another key")
        for _ in range(3):
            self.clock.advance(LOOK)
        for name in ("two.example.com", "three.example.com"):
            self.assertEqual(self.nodes.files[name]["/var/lib/ganeti/hmac.key"], b"another key")
        self.assertEqual(self.nodes.calls.count(("three.example.com", "upload_file")), 1)
        self.assertNotIn(("three.example.com", "install_certificate"), self.nodes.calls)

    def test_pause(self) -> None:
        """
        All nodes have the watcher's pause while the master has it: it comes, is changed, and goes, also from a node
        that was away when it ended.
        """
        self.start()
        for content in (b"1795222520\n", b"1795229999\n"):
            self.paths.watcher_pause.write_bytes(content)
            self.clock.advance(LOOK)
            self.clock.advance(INTERVAL)
            for name in ("two.example.com", "three.example.com"):
                self.assertEqual(self.nodes.files[name][PAUSE], content)
        self.nodes.away.add("two.example.com")
        self.paths.watcher_pause.unlink()
        self.clock.advance(LOOK)
        self.clock.advance(INTERVAL)
        self.assertNotIn(PAUSE, self.nodes.files["three.example.com"])
        self.assertIn(PAUSE, self.nodes.files["two.example.com"])
        self.nodes.away.clear()
        self.clock.advance(RETRY_FIRST)
        self.assertNotIn(PAUSE, self.nodes.files["two.example.com"])

    def test_pause_unreadable(self) -> None:
        """
        What is no time is no pause, and keeps nothing else from nodes.
        """
        self.paths.watcher_pause.write_bytes(b"nan")
        self.start()
        self.assertNotIn(PAUSE, self.nodes.files["two.example.com"])
        self.assertEqual(self.serial("two.example.com"), self.configuration.snapshot.serial)

    def test_master_restarted(self) -> None:
        """
        A master that has told nodes nothing yet asks what they have, and gives them what they lack.
        """
        self.start()
        self.successResultOf(maybeDeferred(self.distribution.stopService))
        self.nodes.files["three.example.com"]["master_node"] = "another\n"
        self.nodes.calls.clear()
        self.distribution = Distribution(
            self.clock,
            lambda work: succeed(work()),
            self.clock.seconds,
            self.configuration,
            self.nodes,
            SharedFiles(self.paths),
        )
        self.start()
        calls = [each for each in self.nodes.calls if each[0] == "three.example.com"]
        self.assertEqual(
            [each[1] for each in calls], ["node_verify", "write_ssconf_files", "set_watcher_pause"]
        )
        self.assertEqual(self.nodes.files["three.example.com"]["master_node"], "one.example.com\n")

    def test_unreadable(self) -> None:
        """
        A file that cannot be read is told once, and what it holds is given when it can be.
        """
        self.paths.hmac_key.unlink()
        self.paths.hmac_key.mkdir()
        self.start()
        for _ in range(3):
            self.clock.advance(LOOK)
        self.assertEqual(self.nodes.files, {})
        self.paths.hmac_key.rmdir()
        self.paths.hmac_key.write_bytes(b"the key")
        for _ in range(3):
            self.clock.advance(LOOK)
        self.assertEqual(self.nodes.files["two.example.com"]["/var/lib/ganeti/hmac.key"], b"the key")

    def test_demoted(self) -> None:
        """
        A node that is no candidate any more loses its copy of the configuration, and gets one when it is one again.
        """
        self.start()
        for candidate in (False, True):
            two = self.configuration.snapshot.nodes["n2"]
            self.add(msgspec.structs.replace(two, master_candidate=candidate))
            self.clock.advance(INTERVAL)
            self.assertEqual("/var/lib/ganeti/config.data" in self.nodes.files["two.example.com"], candidate)

    def test_back_online(self) -> None:
        """
        A node that was offline gets everything again: it may be another machine.
        """
        self.start()
        for offline in (True, False):
            two = self.configuration.snapshot.nodes["n2"]
            self.nodes.files["two.example.com"].clear()
            self.add(msgspec.structs.replace(two, offline=offline))
            self.clock.advance(INTERVAL)
        self.assertEqual(
            set(self.nodes.files["two.example.com"]) & {"/var/lib/ganeti/hmac.key", "master_node"},
            {"/var/lib/ganeti/hmac.key", "master_node"},
        )

    def test_again(self) -> None:
        """
        When it is asked for, all nodes get everything again.
        """
        self.start()
        self.nodes.files.clear()
        cluster = self.configuration.snapshot.cluster
        again = msgspec.structs.replace(cluster, extra={MARK: 1})
        self.edit(lambda draft: draft.put(again))
        self.clock.advance(INTERVAL)
        self.assertIn("/var/lib/ganeti/hmac.key", self.nodes.files["three.example.com"])
        self.assertIn("/var/lib/ganeti/hmac.key", self.nodes.files["two.example.com"])

    def test_stops(self) -> None:
        """
        When it is stopped, nothing is left waiting.
        """
        self.nodes.slow = Deferred()
        self.distribution.startService()
        self.distribution.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.add(
            msgspec.structs.replace(self.configuration.snapshot.nodes["n2"], ndparams={"spindle_count": 9})
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])
