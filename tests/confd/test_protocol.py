"""
Tests for L{gnttwist.confd.protocol} and L{gnttwist.client.confd}.
"""

from twisted.internet.task import Clock
from twisted.internet.testing import FakeDatagramTransport
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.client.confd import Question, enough
from gnttwist.confd.answers import Answers
from gnttwist.confd.protocol import ConfdProtocol
from gnttwist.errors import Rejected
from gnttwist.wire.confd import Reply, encode_reply
from tests.confd.test_answers import config

KEY = b"secret\n"
PEER = ("192.0.2.7", 40000)


def question(*peers: str) -> Question:
    """
    Who is master?
    """
    return Question.of(KEY, peers, 3, None, 1000.0, "salt")


class ConfdProtocolTests(SynchronousTestCase):
    """
    Tests for L{ConfdProtocol}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.answers: Answers | None = Answers(config())
        self.transport = FakeDatagramTransport()
        self.protocol = ConfdProtocol(lambda: KEY, lambda: self.answers, self.clock.seconds)
        self.protocol.makeConnection(self.transport)

    def test_answers_the_sender(self) -> None:
        """
        A signed question draws one signed answer, back to its sender.
        """
        asked = question("192.0.2.1")
        self.protocol.datagramReceived(asked.datagram, PEER)
        ((datagram, address),) = self.transport.written
        self.assertEqual(address, PEER)
        asked.receive(datagram, "192.0.2.1")
        assert asked.best is not None
        self.assertEqual(asked.best.reply, Reply(1, 0, "node1.example.com", 12))

    def test_silence(self) -> None:
        """
        Garbage, a replayed old question, an unknown type, and any question without a configuration meet silence.
        """
        self.protocol.datagramReceived(b"knock knock", PEER)
        self.protocol.datagramReceived(Question.of(KEY, [], 99, None, 1000.0, "salt").datagram, PEER)
        self.protocol.datagramReceived(Question.of(KEY, [], 3, None, 100.0, "salt").datagram, PEER)
        self.answers = None
        self.protocol.datagramReceived(question().datagram, PEER)
        self.assertEqual(self.transport.written, [])


class QuestionTests(SynchronousTestCase):
    """
    Tests for L{Question}.
    """

    def reply(self, serial: int, answer: str = "x", salt: str = "salt") -> bytes:
        """
        A signed reply.
        """
        return encode_reply(
            KEY, salt, b'{"protocol":1,"status":0,"answer":"%s","serial":%d}' % (answer.encode(), serial)
        )

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
        self.assertRaises(Rejected, asked.receive, encode_reply(b"other", "salt", b"{}"), "a")
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
