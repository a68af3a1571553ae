"""
gnt-confd with real sockets, a real directory, and real processes.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from twisted.application.service import MultiService
from twisted.internet import reactor as _reactor  # noqa: TID251  # a functional test runs on the real one
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread, deferToThreadPool
from twisted.trial.unittest import SkipTest, TestCase

from gnttwist.client.confd import Answered, NoAnswer, Question, ask
from gnttwist.client.confd_async import AsyncioNetwork, ConfdClient, TwistedNetwork
from gnttwist.confd.limits import REPLAYS
from gnttwist.confd.service import Config, compose
from gnttwist.confd.workers import Workers
from gnttwist.config import records
from gnttwist.config.draft import Draft
from gnttwist.config.service import Configuration
from gnttwist.config.snapshot import AnyObject
from gnttwist.masterd.feed import FeedFactory
from gnttwist.net.datagram import DatagramService
from gnttwist.paths import Paths
from gnttwist.store.interface import Transaction
from gnttwist.testing.store import MemoryStore
from gnttwist.wire.confd import STATISTICS
from tests.config.objects import CLUSTER, EMPTY, instance, node

reactor: Any = _reactor
GOLDEN = Path(__file__).parent.parent / "golden/config-3.0.json"
KEY = b"0123456789abcdef\n"
GARBAGE_SECONDS = float(os.environ.get("GNT_GARBAGE_SECONDS", "2"))
WARM_UP = 2 * REPLAYS + 100
"""
Questions after which all that the daemon remembers of questions is full: memory is flat from then on.
"""


class ConfdTestCase(TestCase):
    """
    The daemon as C{makeService} puts it together.
    """

    timeout = 30
    address = "127.0.0.1"
    workers = 1

    def setUp(self) -> None:
        # Unix socket paths are limited to 107 bytes, so it cannot live below trial's own directory.
        directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(shutil.rmtree, directory)
        self.paths = Paths(directory, "node1.example.com")
        self.paths.data.mkdir(parents=True)
        self.paths.feed_socket.parent.mkdir(parents=True)
        self.paths.hmac_key.write_bytes(KEY)
        shutil.copy(GOLDEN, self.paths.config_export)
        self.start()

    def start(self) -> None:
        """
        Start the daemon.
        """
        self.service = compose(reactor, Config(self.paths, (self.address,), 0, self.workers))
        self.service.startService()
        self.addCleanup(self.service.stopService)
        parts = [each for each in self.service if isinstance(each, MultiService)] or [self.service]
        found: list[Any] = [each for each in parts[0] if isinstance(each, DatagramService | Workers)]
        self.sockets = found[0]
        self.port = found[0].port

    def ask(
        self, type: int, query: object = None, key: bytes = KEY, timeout: float = 10
    ) -> "Deferred[Answered]":
        """
        Ask from a thread, as the command line does.
        """
        question = Question.of(key, [self.address], type, query, time.time(), os.urandom(8).hex())
        return deferToThread(ask, question, timeout=timeout, port=self.port, interval=0.2)

    async def until(self, type: int, query: object, right: Callable[[Answered], bool]) -> float:
        """
        Ask until the answer is right; the test's deadline ends it otherwise.

        @return: How many seconds that took.
        """
        begin = time.monotonic()
        while not right(await self.ask(type, query)):
            await deferLater(reactor, 0.001)
        return time.monotonic() - begin

    def replace(self, path: Path, data: bytes) -> None:
        """
        Replace a file as its writers do.
        """
        fresh = path.with_name("fresh")
        fresh.write_bytes(data)
        fresh.rename(path)

    def numbered(self, serial: int) -> bytes:
        """
        The configuration with another serial number.
        """
        return self.paths.config_export.read_bytes().replace(b'"serial_no": 12', b'"serial_no": %d' % serial)


class ConfdTests(ConfdTestCase):
    """
    Tests for one process.
    """

    async def test_question(self) -> None:
        """
        A signed question gets a signed answer from the exported file.
        """
        answered = await self.ask(3)
        self.assertEqual((answered.reply.answer, answered.reply.serial), ("node1.example.com", 12))

    async def test_new_file(self) -> None:
        """
        A replaced file is noticed within two seconds, and a damaged or missing one leaves the one before in service,
        which is counted.
        """
        await self.ask(0)
        self.replace(self.paths.config_export, self.numbered(13))
        taken = await self.until(3, None, lambda answered: answered.reply.serial == 13)
        self.assertLess(taken, 2)
        for damaged in (b"{", b"[]", b'{"cluster": {}}', self.paths.config_export.read_bytes()[:-9]):
            before = (await self.ask(STATISTICS)).reply.answer["unusable"]
            self.replace(self.paths.config_export, damaged)
            await self.until(STATISTICS, None, partial(_counted, before))
            self.assertEqual((await self.ask(3)).reply.serial, 13)
        self.assertEqual(len(self.flushLoggedErrors()), 0)

    async def test_wrong_key(self) -> None:
        """
        A question signed with another key gets no answer, and says so in time.
        """
        with self.assertRaises(NoAnswer):
            await self.ask(3, key=b"wrong\n", timeout=0.5)

    async def test_key_rollover(self) -> None:
        """
        After the key's file was replaced, both keys are accepted.
        """
        await self.ask(0)
        self.replace(self.paths.hmac_key, b"another\n")
        await self.ask(3, key=b"another\n")
        await self.ask(3)

    async def test_large_file(self) -> None:
        """
        While a configuration of 30,000 instances is loaded, questions are answered: none waits for it to end.
        """
        config = json.loads(GOLDEN.read_text())
        (like, *_) = config["instances"].values()
        for number in range(30_000):
            uuid = f"{number:08x}-0000-4000-8000-000000000000"
            config["instances"][uuid] = {**like, "uuid": uuid, "name": f"i{number}.example.com"}
        config["cluster"]["serial_no"] = 99
        data = json.dumps(config).encode()
        self.assertGreater(len(data), 15_000_000)
        await self.ask(0)
        self.replace(self.paths.config_export, data)
        # How long answers take meanwhile is for the benchmark to say; here, that there are several.
        self.assertGreater(await deferToThread(self._meanwhile, 99), 2)

    def _meanwhile(self, serial: int) -> int:
        answers, found = 0, 0
        deadline = time.monotonic() + 20
        while found != serial:
            self.assertLess(time.monotonic(), deadline, "the new configuration does not come into service")
            question = Question.of(KEY, [self.address], 3, None, time.time(), os.urandom(8).hex())
            found = ask(question, timeout=5, port=self.port).reply.serial
            answers += 1
        return answers

    async def test_twisted_client(self) -> None:
        """
        The client gives Deferreds under Twisted.
        """
        found = await ConfdClient(TwistedNetwork(reactor), KEY, [self.address], self.port).ask(3)
        self.assertEqual(found.best.reply.answer, "node1.example.com")

    async def test_asyncio_client(self) -> None:
        """
        The client gives futures under asyncio, also one that fails.
        """

        async def run() -> tuple[Any, bool]:
            network = AsyncioNetwork(asyncio.get_running_loop())
            found = await ConfdClient(network, KEY, [self.address], self.port).ask(3)
            failed = False
            try:
                await ConfdClient(network, b"wrong", [self.address], self.port).ask(3, timeout=0.2)
            except NoAnswer:
                failed = True
            return found, failed

        found, failed = await deferToThread(asyncio.run, run())
        self.assertEqual(found.best.reply.answer, "node1.example.com")
        self.assertTrue(failed)


class IPv6Tests(ConfdTestCase):
    """
    Tests on an IPv6 address.
    """

    address = "::1"

    def setUp(self) -> None:
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
                probe.bind(("::1", 0))
        except OSError as reason:
            raise SkipTest(f"no IPv6 here: {reason}") from reason
        super().setUp()

    async def test_question(self) -> None:
        """
        Questions by IPv6 are answered.
        """
        self.assertEqual((await self.ask(3)).reply.answer, "node1.example.com")


class FeedTests(ConfdTestCase):
    """
    Tests for the master's feed.
    """

    async def test_fresh(self) -> None:
        """
        A change is answered while the file is as it was; when the feed has ended, the file is followed again.
        """
        configuration = Configuration(master_store(), lambda failure: failure.raiseException())
        await configuration.load()
        feed = FeedFactory(
            reactor, lambda work: deferToThreadPool(reactor, reactor.getThreadPool(), work), configuration
        )
        listening = reactor.listenUNIX(str(self.paths.feed_socket), feed)
        self.addCleanup(listening.stopListening)
        self.addCleanup(feed.close)
        await self.until(1002, None, lambda answered: answered.reply.answer == [])
        for name in ("a.example.com", "b.example.com"):

            def edit(draft: Draft, name: str = name) -> None:
                draft.put(instance(name, name, "n1"))

            await configuration.edit("test", edit, now=1.0, source=random.Random(1))
            await self.until(1002, None, partial(_named, name))
        self.assertEqual((await self.ask(1002)).reply.serial, configuration.snapshot.serial)
        feed.close()
        await listening.stopListening()
        self.paths.feed_socket.unlink(missing_ok=True)
        await deferLater(reactor, 0.05)
        self.replace(self.paths.config_export, self.numbered(77))
        await self.until(3, None, lambda answered: answered.reply.serial == 77)


class WorkersTests(ConfdTestCase):
    """
    Tests for several processes on a port.
    """

    workers = 2

    async def test_killed(self) -> None:
        """
        Both workers answer on one port, follow the file, and are started again when they are killed.
        """
        for _ in range(8):
            # From eight sockets, of which the kernel gives each worker some.
            self.assertEqual((await self.ask(3)).reply.answer, "node1.example.com")
        self.replace(self.paths.config_export, self.numbered(13))
        for _ in range(8):
            await self.until(3, None, lambda answered: answered.reply.serial == 13)
        before = set(self.sockets.processes)
        self.assertEqual(len(before), 2)
        for each in before:
            os.kill(each, signal.SIGKILL)
        for _ in range(8):
            await self.ask(3)
        after = set(self.sockets.processes)
        self.assertEqual(len(after), 2)
        self.assertEqual(before & after, set())


class GarbageTests(ConfdTestCase):
    """
    Tests for what is no question, sent to a process of its own: this one has the clients and trial in it.
    """

    def start(self) -> None:
        """
        Start a worker.
        """
        self.sockets = Workers(reactor, self.paths, (self.address,), 0, 1)
        self.sockets.startService()
        self.addCleanup(self.sockets.stopService)
        self.port = self.sockets.port

    async def test_garbage(self) -> None:
        """
        Random, truncated, nested and huge datagrams leave memory flat, and questions among them are answered. With
        GNT_GARBAGE_SECONDS it goes on for as long.
        """
        await self.ask(0)
        await deferToThread(self._warm_up)
        stop = threading.Event()
        littering = deferToThread(self._litter, stop)
        await deferLater(reactor, 0.5)
        [pid] = self.sockets.processes
        before = _resident(pid)
        end = time.monotonic() + GARBAGE_SECONDS
        answered = 0
        while time.monotonic() < end:
            await self.ask(3)
            answered += 1
        grown = _resident(pid) - before
        stop.set()
        sent = await littering
        self.assertGreater(sent, 2000)
        self.assertGreater(answered, 20)
        self.assertLess(grown, 4, "MB")

    test_garbage.timeout = 30 + GARBAGE_SECONDS  # type: ignore[attr-defined]  # where trial looks for it

    def _litter(self, stop: threading.Event) -> int:
        source = random.Random(1)
        good = Question.of(KEY, [], 3, None, time.time(), "salt").datagram
        sent = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect((self.address, self.port))
            while not stop.wait(0.0005):
                for datagram in (
                    source.randbytes(source.randrange(1, 1400)),
                    good[: source.randrange(len(good))],
                    b"plj0" + b"[" * 5000,
                    b'plj0{"msg":' + b'{"a":' * 2000,
                    b'plj0{"msg":' + b"9" * 8000,
                    b'plj0{"msg":"x","salt":"' + b"1" * 60_000 + b'","hmac":"0"}',
                    Question.of(
                        KEY, [], source.choice([1, 7, 9, 10, 99]), source.randbytes(9).hex(), time.time(), "s"
                    ).datagram,
                ):
                    sender.send(datagram)
                    sent += 1
        return sent

    def _warm_up(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(10)
            asking.connect((self.address, self.port))
            for number in range(WARM_UP):
                asking.send(Question.of(KEY, [], 3, None, time.time(), f"warm{number}").datagram)
                asking.recv(65536)


def master_store() -> MemoryStore:
    """
    A store with a configuration of one node, with what confd needs of the cluster.
    """
    made = MemoryStore()
    cluster = msgspec.structs.replace(CLUSTER, nicparams={"default": {"link": "br0"}})
    objects: list[AnyObject] = [cluster, node("n1", "one.example.com")]
    made.transact(Transaction([*records.of_objects(objects), *records.bookkeeping(EMPTY)]))
    return made.crash(auto_commit=True)


def _resident(pid: int) -> float:
    """
    A process's memory, MB.
    """
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def _counted(before: int, answered: Answered) -> bool:
    unusable: int = answered.reply.answer["unusable"]
    return unusable > before


def _named(name: str, answered: Answered) -> bool:
    return name in answered.reply.answer
