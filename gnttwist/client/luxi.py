"""
A blocking LUXI client, for commands: one unix socket, no Twisted.

Commands must start fast, so this drives the pure codec on a plain socket.
"""

import errno
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gnttwist.errors import GnttwistError
from gnttwist.wire import luxi, luxi_messages
from gnttwist.wire.framing import Splitter, frame

CONNECT_TIMEOUT = 30.0
READ_TIMEOUT = 180.0
"""
Seconds: Ganeti's own (reference: LUXI, section 1.4).
"""

PATIENCE = 30.0
"""
Seconds that a command goes on trying when the daemon goes away in the middle of a call: longer than an upgrade's
restart takes.
"""

RETRY = 0.2
"""
Seconds between attempts to connect.
"""

NOT_REPEATED = frozenset({"ReplaceFilter"})
"""
Methods that would do their work twice if they were sent again. A repeated submission is recognised by the daemon, and
the others have the same effect twice as once.
"""


class NotReachable(GnttwistError):
    """
    The daemon cannot be reached, or went away and did not come back.
    """


class _Broken(Exception):
    """
    An established connection ended.
    """


Log = list[Any]
"""
A job's log line: serial, time, type and payload.
"""


class LuxiClient:
    """
    A connection to gnt-masterd. Not for use by several threads.

    @ivar _path: The socket.
    @ivar _patience: Seconds to go on trying when a connection that worked breaks.
    @ivar _clock: Monotonic seconds.
    """

    def __init__(
        self,
        path: Path,
        patience: float = PATIENCE,
        read_timeout: float = READ_TIMEOUT,
        connect_timeout: float = CONNECT_TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._patience = patience
        self._read_timeout = read_timeout
        self._connect_timeout = connect_timeout
        self._clock = clock
        self._socket: socket.socket | None = None
        self._splitter = Splitter(luxi.RESPONSE_LIMIT)

    def __enter__(self) -> "LuxiClient":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """
        End the connection; the next call makes another one.
        """
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._splitter = Splitter(luxi.RESPONSE_LIMIT)

    def call(self, method: str, *arguments: Any) -> Any:
        """
        Call a method.

        A connection that breaks in the middle is made anew and the same request sent again, where that does no harm.

        @raise OperationError: The call failed.
        @raise RemoteError: What came back is no answer, or the server could not read the request.
        @raise NotReachable: There is nobody to answer.
        """
        request = frame(luxi_messages.encode_request(method, list(arguments)))
        end: float | None = None
        while True:
            try:
                self._connect()
                return luxi_messages.decode_response(self._exchange(request))
            except (_Broken, NotReachable) as reason:
                self.close()
                if end is None:
                    if isinstance(reason, NotReachable):
                        raise
                    if method in NOT_REPEATED:
                        raise NotReachable(
                            f"gnt-masterd went away during {method}: whether it was done is not known"
                        ) from reason
                    end = self._clock() + self._patience
                if self._clock() >= end:
                    raise NotReachable(
                        f"gnt-masterd went away during {method} and did not come back"
                    ) from reason
                _pause(RETRY)

    def wait_for_job(
        self, job: int, fields: Sequence[str] = ("status",), *, timeout: float = 60.0
    ) -> Iterator[tuple[list[Any], list[Log]]]:
        """
        A job's fields and new log lines, as they change, until it has ended.

        @param fields: Of L{gnttwist.query}'s job fields; the first must be C{status}.
        @param timeout: Seconds after which a pair is yielded though nothing changed.
        @raise JobLost: There is no such job.
        """
        previous: list[Any] | None = None
        serial: int | None = None
        while True:
            answer = self.call("WaitForJobChange", job, list(fields), previous, serial, timeout)
            if answer == "nochange":
                yield previous or [], []
                continue
            values, log = answer
            if log:
                serial = max(each[0] for each in log)
            previous = values
            yield values, log
            # The last lines may come together with the final state; an answer without any is the end.
            if values[0] in ("success", "error", "canceled") and not log:
                return

    def _connect(self) -> None:
        if self._socket is not None:
            return
        end = self._clock() + self._connect_timeout
        while True:
            attempt = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            attempt.settimeout(self._connect_timeout)
            try:
                attempt.connect(str(self._path))
            except OSError as reason:
                attempt.close()
                # EAGAIN: the daemon is there and its backlog is full.
                if reason.errno == errno.EAGAIN and self._clock() < end:
                    _pause(RETRY)
                    continue
                raise NotReachable(self._explain(reason)) from reason
            attempt.settimeout(self._read_timeout)
            self._socket = attempt
            return

    def _explain(self, reason: OSError) -> str:
        match reason.errno:
            case errno.ENOENT | errno.ECONNREFUSED:
                return f"gnt-masterd does not answer on {self._path}: is it running, and is this its node?"
            case errno.EACCES | errno.EPERM:
                return f"not allowed to use {self._path}"
            case _:
                return f"cannot connect to {self._path}: {reason.strerror or reason}"

    def _exchange(self, request: bytes) -> bytes:
        assert self._socket is not None, "called before _connect"
        broken: OSError | None = None
        try:
            self._socket.sendall(request)
        except TimeoutError as reason:
            raise NotReachable("gnt-masterd does not read what it is sent") from reason
        except OSError as reason:
            # The daemon may have answered before it cut us off.
            broken = reason
        try:
            return self._receive()
        except OSError as reason:
            raise _Broken(str(broken or reason)) from reason

    def _receive(self) -> bytes:
        assert self._socket is not None, "called before _connect"
        end = self._clock() + self._read_timeout
        while True:
            try:
                data = self._socket.recv(1 << 18)
            except TimeoutError as reason:
                raise NotReachable(
                    f"gnt-masterd has not answered for {self._read_timeout:.0f} seconds"
                ) from reason
            if not data:
                raise _Broken("closed")
            messages = self._splitter.feed(data)
            if messages:
                # Strictly one answer to a request: the protocol knows no others.
                return messages[0]
            if self._clock() >= end:
                raise NotReachable(f"gnt-masterd's answer takes longer than {self._read_timeout:.0f} seconds")


def _pause(seconds: float) -> None:
    # Waits for a signal that is never asked for: real time must pass, and there is no event to wait for.
    signal.sigtimedwait([], seconds)
