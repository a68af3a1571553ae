"""
Tests for L{gnttwist.noded.function_protocol}.
"""

from attrs import define, field

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.noded.function_protocol import WAKE, FunctionProtocol, exit_reason, how_it_ended
from gnttwist.noded.processes import Exit


@define
class Told:
    """
    A listener that writes down what it is told.
    """

    words: list[object] = field(factory=list)

    def woken(self) -> None:
        """
        See L{gnttwist.noded.processes.Listener}.
        """
        self.words.append("woken")

    def exited(self, how: Exit) -> None:
        """
        See L{gnttwist.noded.processes.Listener}.
        """
        self.words.append(how)


@define
class Pipes:
    """
    A process transport of which only the pipes matter.
    """

    closed: bool = False

    def loseConnection(self) -> None:
        """
        Close them.
        """
        self.closed = True


class FunctionProtocolTests(SynchronousTestCase):
    """
    Tests for L{FunctionProtocol}.
    """

    def setUp(self) -> None:
        self.told = Told()
        self.pipes = Pipes()
        self.protocol = FunctionProtocol(self.told)
        self.protocol.makeConnection(self.pipes)

    def test_wakes(self) -> None:
        """
        The wake pipe wakes; other descriptors do not.
        """
        self.protocol.childDataReceived(WAKE, b"\0\0\0")
        self.protocol.childDataReceived(2, b"noise")
        self.assertEqual(self.told.words, ["woken"])

    def test_exit_before_pipes(self) -> None:
        """
        The end is told at the exit, once, and closes the pipes that others may hold open.
        """
        self.protocol.processExited(Failure(ProcessTerminated(3)))
        self.assertEqual(self.told.words, [Exit(3, None)])
        self.assertTrue(self.pipes.closed)
        self.protocol.childDataReceived(WAKE, b"\0")
        self.protocol.processEnded(Failure(ProcessTerminated(3)))
        self.assertEqual(self.told.words, [Exit(3, None)])

    def test_reasons(self) -> None:
        """
        An exit survives being told in Twisted's way.
        """
        for how in (Exit(0, None), Exit(3, None), Exit(None, 9), Exit(None, None)):
            self.assertEqual(how_it_ended(exit_reason(how.code, how.signal)), how)
        self.assertEqual(how_it_ended(Failure(ProcessDone(0))), Exit(0, None))
