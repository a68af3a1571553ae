"""
One of several processes that answer on a port: C{python -m gnttwist.confd.worker ROOT HOSTNAME SOCKETS}.

Its sockets are the descriptors from 3 on; it ends when its standard input does.
"""

import gc
import socket
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from twisted.logger import FileLogObserver, LogEvent, eventAsText, globalLogBeginner
from twisted.python.failure import Failure

from gnttwist.confd.parts import SWITCH, answering
from gnttwist.confd.workers import FIRST
from gnttwist.paths import Paths


class Parent(Protocol):
    """
    Ends this process when the one that started it is gone.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def connectionLost(self, reason: Failure | None = None) -> None:
        if self._reactor.running:
            self._reactor.stop()


def _format(event: LogEvent) -> str:
    # The time is the parent's, which writes the log.
    return eventAsText(event, includeTimestamp=False) + "\n"


def _same(adopted: socket.socket) -> socket.socket:
    return adopted


def main(root: str, hostname: str, count: str) -> None:
    """
    Answer until stopped.
    """
    from twisted.internet import reactor  # noqa: TID251  # a process of its own

    globalLogBeginner.beginLoggingTo(
        [FileLogObserver(sys.stderr, _format)], redirectStandardIO=False, discardBuffer=True
    )
    sys.setswitchinterval(SWITCH)
    sockets = []
    for descriptor in range(FIRST, FIRST + int(count)):
        adopted = socket.socket(fileno=descriptor)
        adopted.setblocking(False)
        sockets.append(adopted)
    service = answering(
        reactor, Paths(Path(root), hostname), [partial(_same, each) for each in sockets], time.time
    )
    running: Any = reactor
    running.callWhenRunning(service.startService)
    running.addSystemEventTrigger("before", "shutdown", service.stopService)
    StandardIO(Parent(reactor), reactor=running)
    gc.freeze()
    running.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
