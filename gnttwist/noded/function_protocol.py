"""
What follows one function process, whatever started it.
"""

from attrs import define, field

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from gnttwist.noded.processes import Exit, Listener

WAKE = 3
"""
The process's descriptor whose only meaning is that its spool has grown.
"""


@define(eq=False, slots=False)
class FunctionProtocol(ProcessProtocol):
    """
    Drives a L{Listener}. What the process has to say is in its spool: nothing is read here but the wake pipe.

    The end is told when the process has exited, not when its pipes are closed: a program that it left behind may
    hold those for as long as it likes, and the spool is a file, final with the exit.
    """

    _listener: Listener
    _ended: bool = field(default=False, init=False)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        if childFD == WAKE and not self._ended:
            self._listener.woken()

    def processExited(self, reason: Failure) -> None:
        if self._ended:
            return
        self._ended = True
        assert self.transport is not None, "exited before it was connected"
        self.transport.loseConnection()
        self._listener.exited(how_it_ended(reason))

    def processEnded(self, reason: Failure) -> None:
        self.processExited(reason)


def how_it_ended(reason: Failure) -> Exit:
    """
    Twisted's account of an exit in ours.
    """
    ended = reason.value
    if isinstance(ended, ProcessDone | ProcessTerminated):
        return Exit(ended.exitCode, ended.signal)
    return Exit(None, None)


def exit_reason(code: int | None, signal: int | None) -> Failure:
    """
    Our account of an exit in Twisted's.
    """
    if code == 0:
        return Failure(ProcessDone(0))
    return Failure(ProcessTerminated(exitCode=code, signal=signal))
