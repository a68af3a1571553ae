"""
Answers that may be long, written no faster than they are read.
"""

import os
from typing import Any

from attrs import define, field
from zope.interface import implementer

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.logger import Logger

from gnttwist.launcher.spool import Value
from gnttwist.noded.waiters import Bell

STALL = 30.0
"""
Seconds that a reader may take nothing while something waits for it. Then it is cut off: a caller takes a node that
is silent for so long for dead, too.
"""

CHUNK = 64 * 1024
"""
Bytes read from a spool at once: about what the transport buffers before it asks to pause.
"""


@implementer(IPushProducer)
@define(eq=False)
class Outlet:
    """
    Writes a request's answer. What waits for a slow reader stays in the spool; here are only the transport's own
    buffer and one chunk.
    """

    _log = Logger()
    _clock: IReactorTime
    _request: Any
    _paused: bool = field(default=False, init=False)
    _resumed: Bell = field(factory=Bell, init=False)
    _stalled: IDelayedCall | None = field(default=None, init=False)

    def open(self) -> None:
        """
        Begin.
        """
        self._request.registerProducer(self, True)

    def close(self) -> None:
        """
        All is written.
        """
        self.stopProducing()
        self._request.unregisterProducer()
        self._request.finish()

    async def write(self, data: bytes) -> None:
        """
        Write, and return when more can be taken.
        """
        self._request.write(data)
        while self._paused:
            await self._resumed.wait()

    async def write_value(self, file: int, value: Value) -> None:
        """
        Write a return value from its spool.

        @param file: A descriptor of the spool.
        """
        end = value.start + value.length
        for start in range(value.start, end, CHUNK):
            await self.write(os.pread(file, min(CHUNK, end - start), start))

    def pauseProducing(self) -> None:
        self._paused = True
        if self._stalled is None:
            self._stalled = self._clock.callLater(STALL, self._cut)

    def resumeProducing(self) -> None:
        self.stopProducing()
        self._paused = False
        self._resumed.ring()

    def stopProducing(self) -> None:
        if self._stalled is not None and self._stalled.active():
            self._stalled.cancel()
        self._stalled = None

    def _cut(self) -> None:
        self._stalled = None
        self._log.info("{caller} is cut off: it does not read its answer", caller=self._request.caller)
        self._request.channel.forceAbortClient()
