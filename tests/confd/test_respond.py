"""
Tests for L{gnttwist.confd.respond}, its limits and keys, and L{gnttwist.client.confd}.
"""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.client.confd import Question, enough
from gnttwist.confd.answers import Answers
from gnttwist.confd.keys import ROLLOVER, Keys
from gnttwist.confd.limits import REPLAYS, SOURCES, Replays, SourceLimits
from gnttwist.confd.respond import Responder
from gnttwist.errors import Rejected
from gnttwist.wire.confd import MAGIC, STATISTICS, Reply, decode_reply, encode_prepared, prepare, seal
from tests.confd.test_answers import answers_from, config

KEY = b"secret\n"
PEER = ("192.0.2.7", 40000)


def question(*peers: str) -> Question:
    """
    Who is master?
    """
    return Question.of(KEY, peers, 3, None, 1000.0, "salt")


class ResponderTests(SynchronousTestCase):
    """
    Tests for L{Responder}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.answers: Answers | None = answers_from(config())
        self.keys: tuple[bytes, ...] = (KEY,)
        self.responder = Responder(
            lambda: self.keys, lambda: self.answers, self.clock.seconds, limits=SourceLimits(10, 20)
        )

    def ask(self, type: int = 3, query: Any = None, key: bytes = KEY, now: float = 1000.0) -> bytes | None:
        """
        Ask from L{PEER}.
        """
        return self.responder.answer(Question.of(key, [], type, query, now, "salt").datagram, PEER)

    def test_answers(self) -> None:
        """
        A signed question draws a signed answer, the same for the same question again.
        """
        datagram = self.ask()
        assert datagram is not None
        self.assertEqual(decode_reply(KEY, datagram), ("salt", Reply(1, 0, "node1.example.com", 12)))
        self.assertEqual(self.ask(), datagram)

    def test_silence(self) -> None:
        """
        Garbage, an old question, an unknown type, and any question without a configuration meet silence.
        """
        self.assertIsNone(self.responder.answer(b"knock knock", PEER))
        self.assertIsNone(self.ask(99))
        self.assertIsNone(self.ask(now=100.0))
        self.answers = None
        self.assertIsNone(self.ask())
        self.assertEqual((self.responder.statistics.unsigned, self.responder.statistics.silent), (1, 3))

    def test_two_keys(self) -> None:
        """
        While both keys are accepted, the answer is signed with the question's.
        """
        self.keys = (b"new", KEY)
        for key in self.keys:
            datagram = self.ask(key=key)
            assert datagram is not None
            self.assertEqual(decode_reply(key, datagram)[0], "salt")
        self.assertIsNone(self.ask(key=b"other"))

    def test_statistics(self) -> None:
        """
        The counters can be asked for.
        """
        self.ask(99)
        datagram = self.ask(STATISTICS)
        assert datagram is not None
        self.assertEqual(decode_reply(KEY, datagram)[1].answer["silent"], 1)

    def test_long_salt(self) -> None:
        """
        An answer that only the question's own salt makes too long is an error as well.
        """
        assert self.answers is not None
        big = config()
        big["cluster"]["tags"] = ["x" * 60_000]
        self.answers = answers_from(big)
        asked = Question.of(KEY, [], 10, "/cluster/tags", 1000.0, "s" * 3000).datagram
        datagram = self.responder.answer(asked, PEER)
        assert datagram is not None
        self.assertEqual(decode_reply(KEY, datagram)[1].status, 1)

    def test_limits(self) -> None:
        """
        What a source sends beyond its rate meets silence until the next second, and others are not affected.
        """
        answered = [self.ask() is not None for _ in range(25)]
        self.assertEqual(answered, [True] * 20 + [False] * 5)
        other = Question.of(KEY, [], 3, None, 1000.0, "salt").datagram
        self.assertIsNotNone(self.responder.answer(other, ("192.0.2.8", 1)))
        self.clock.advance(1)
        self.assertIsNotNone(self.ask())

    def test_replayed_for_another(self) -> None:
        """
        A question sent again gets the same answer again; in another's name, only a short one.
        """
        long = Question.of(KEY, [], 10, "/cluster", 1000.0, "salt").datagram
        short = Question.of(KEY, [], 3, None, 1000.0, "salt").datagram
        first = self.responder.answer(long, PEER)
        assert first is not None
        self.assertGreater(len(first), 8 * len(long))
        self.assertEqual(self.responder.answer(long, PEER), first)
        self.assertIsNone(self.responder.answer(long, ("192.0.2.66", 1)))
        self.assertIsNotNone(self.responder.answer(short, PEER))
        self.assertIsNotNone(self.responder.answer(short, ("192.0.2.66", 1)))

    @given(st.binary(max_size=300))
    def test_garbage(self, data: bytes) -> None:
        """
        Whatever is not signed meets silence, and raises nothing.
        """
        for each in (data, MAGIC + data, MAGIC + b'{"msg":' + data):
            self.assertIsNone(self.responder.answer(each, PEER))


class LimitsTests(SynchronousTestCase):
    """
    Tests for L{SourceLimits}.
    """

    def test_unsigned(self) -> None:
        """
        A source of garbage is not looked at for the rest of the second.
        """
        limits = SourceLimits(3, 3)
        for _ in range(3):
            self.assertTrue(limits.may_ask("a", 1.0))
            limits.unsigned("a")
        self.assertFalse(limits.may_ask("a", 1.9))
        self.assertTrue(limits.may_ask("a", 2.0))

    def test_client_is_not_silenced(self) -> None:
        """
        Garbage in the name of somebody who has signed does not silence him.
        """
        limits = SourceLimits(3, 100)
        self.assertTrue(limits.may_ask("a", 1.0))
        limits.signed("a")
        for _ in range(50):
            limits.unsigned("a")
        self.assertTrue(limits.may_ask("a", 1.5))

    def test_replays_bounded(self) -> None:
        """
        However many questions are asked, a bounded number of them is remembered.
        """
        replays = Replays()
        for each in range(3 * REPLAYS):
            self.assertTrue(replays.is_first(str(each), "a"))
        self.assertFalse(replays.is_first(str(3 * REPLAYS - 1), "b"))
        self.assertLessEqual(len(replays._asked) + len(replays._asked_before), 2 * REPLAYS)

    def test_bounded(self) -> None:
        """
        However many sources there are, a bounded number of them is kept.
        """
        limits = SourceLimits()
        for each in range(3 * SOURCES):
            limits.may_ask(str(each), 1.0)
            limits.unsigned(str(each))
            limits.signed(str(each))
        for table in (limits._unsigned, limits._signed, limits._clients):
            self.assertLessEqual(len(table), SOURCES)


class KeysTests(SynchronousTestCase):
    """
    Tests for L{Keys}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = Path(self.mktemp())
        self.path.write_bytes(b"one\n")
        self.keys = Keys(self.clock, self.path)
        self.keys.read()

    def test_rollover(self) -> None:
        """
        After a change both keys are accepted for a bounded time, then the new one alone.
        """
        self.path.write_bytes(b"two\n")
        self.keys.read()
        self.assertEqual(self.keys.accepted, (b"two\n", b"one\n"))
        self.clock.advance(ROLLOVER)
        self.assertEqual(self.keys.accepted, (b"two\n",))

    def test_same(self) -> None:
        """
        A file written again with the same key changes nothing.
        """
        self.keys.read()
        self.assertEqual(self.keys.accepted, (b"one\n",))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unreadable(self) -> None:
        """
        A file that is gone or empty leaves the key in service.
        """
        self.path.write_bytes(b"")
        self.keys.read()
        self.path.unlink()
        self.keys.read()
        self.assertEqual(self.keys.accepted, (b"one\n",))


class QuestionTests(SynchronousTestCase):
    """
    Tests for L{Question}.
    """

    def reply(self, serial: int, answer: str = "x", salt: str = "salt") -> bytes:
        """
        A signed reply.
        """
        return encode_prepared(KEY, salt, prepare(Reply(1, 0, answer, serial)))

    def test_highest_serial(self) -> None:
        """
        The answer with the highest serial counts.
        """
        asked = question("a", "b", "c")
        asked.receive(self.reply(3, "old"), "a")
        self.assertFalse(asked.complete)
        asked.receive(self.reply(4, "new"), "b")
        self.assertTrue(asked.complete)
        assert asked.best is not None
        self.assertEqual((asked.best.address, asked.best.reply.answer), ("b", "new"))

    def test_rejected(self) -> None:
        """
        Answers to other questions, from strangers, or signed with another key do not count.
        """
        asked = question("a")
        self.assertRaises(Rejected, asked.receive, self.reply(3, salt="other"), "a")
        self.assertRaises(Rejected, asked.receive, self.reply(3), "stranger")
        self.assertRaises(Rejected, asked.receive, seal(b"other", "salt", b"{}"), "a")
        self.assertIsNone(asked.best)

    def test_disagreement(self) -> None:
        """
        Different answers of one serial are noticed.
        """
        asked = question("a", "b")
        asked.receive(self.reply(3, "one"), "a")
        self.assertFalse(asked.disagreement)
        asked.receive(self.reply(3, "two"), "b")
        self.assertTrue(asked.disagreement)

    def test_enough(self) -> None:
        """
        So many answers are waited for as Ganeti's client does.
        """
        self.assertEqual([enough(each) for each in (1, 2, 3, 4, 5, 6)], [1, 2, 2, 3, 3, 4])
