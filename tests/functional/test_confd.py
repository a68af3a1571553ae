"""
gnt-confd with real sockets and a real directory.
"""

import os
import shutil
import time
from pathlib import Path

from twisted.application.service import MultiService
from twisted.internet import reactor as _reactor  # noqa: TID251  # a functional test runs on the real one
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from gnttwist.client.confd import Answered, NoAnswer, Question, ask
from gnttwist.confd.service import Config, compose
from gnttwist.net.datagram import DatagramService
from gnttwist.paths import Paths

GOLDEN = Path(__file__).parent.parent / "golden/config-3.0.json"
KEY = b"0123456789abcdef\n"


class ConfdTests(TestCase):
    """
    Tests for the daemon as C{makeService} puts it together.
    """

    timeout = 20

    def setUp(self) -> None:
        self.paths = Paths(Path(self.mktemp()).absolute(), "node1.example.com")
        self.paths.data.mkdir(parents=True)
        self.paths.hmac_key.write_bytes(KEY)
        shutil.copy(GOLDEN, self.paths.config_export)
        self.service = compose(_reactor, Config(self.paths, ("127.0.0.1",), 0))
        self.service.startService()
        self.addCleanup(self.service.stopService)
        parts = next(each for each in self.service if isinstance(each, MultiService))
        udp = next(each for each in parts if isinstance(each, DatagramService))
        self.port = udp.port

    def ask(
        self, type: int, query: object = None, key: bytes = KEY, timeout: float = 5
    ) -> "Deferred[Answered]":
        """
        Ask from a thread, as the command line does.
        """
        question = Question.of(key, ["127.0.0.1"], type, query, time.time(), os.urandom(8).hex())
        return deferToThread(ask, question, timeout=timeout, port=self.port, interval=0.2)

    async def test_question(self) -> None:
        """
        A signed question gets a signed answer from the exported file.
        """
        answered = await self.ask(3)
        self.assertEqual((answered.reply.answer, answered.reply.serial), ("node1.example.com", 12))

    async def test_new_file(self) -> None:
        """
        A replaced file is noticed, and a damaged one leaves the one before in service.
        """
        await self.ask(0)
        fresh = self.paths.data / "new"
        fresh.write_text(self.paths.config_export.read_text().replace('"serial_no": 12', '"serial_no": 13'))
        fresh.rename(self.paths.config_export)
        while (await self.ask(3)).reply.serial != 13:
            pass
        fresh.write_text("{")
        fresh.rename(self.paths.config_export)
        # The damaged file is read in a thread; an answer of this round trip's may come before or after.
        self.assertEqual((await self.ask(3)).reply.serial, 13)
        self.assertEqual((await self.ask(3)).reply.serial, 13)

    async def test_wrong_key(self) -> None:
        """
        A question signed with another key gets no answer, and says so in time.
        """
        with self.assertRaises(NoAnswer):
            await self.ask(3, key=b"wrong\n", timeout=0.5)
