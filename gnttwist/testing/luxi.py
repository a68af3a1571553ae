"""
A LUXI server for tests of what talks to gnt-masterd: real sockets, answers from a function.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gnttwist.errors import OperationError
from gnttwist.wire import luxi, luxi_messages
from gnttwist.wire.framing import Splitter, frame

Answer = Callable[[luxi.Call], Any]
"""
Returns a call's result, raises an L{OperationError}, or raises L{HangUp}.
"""


class HangUp(Exception):
    """
    Close the connection instead of answering.
    """


class FakeMaster:
    """
    Listens from its making on; one connection after the other, in a thread of its own.

    @ivar calls: What was asked, in order.
    """

    def __init__(self, path: Path, answer: Answer) -> None:
        self.calls: list[luxi.Call] = []
        self._path = path
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """
        Stop listening, and wait for the thread; once is enough.
        """
        if self._listener.fileno() == -1:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        self._path.unlink()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # stopped
            with connection, suppress(ConnectionError):
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        splitter = Splitter(luxi.REQUEST_LIMIT)
        while data := connection.recv(65536):
            for message in splitter.feed(data):
                try:
                    connection.sendall(frame(self._respond(message)))
                except HangUp:
                    return

    def _respond(self, message: bytes) -> bytes:
        try:
            call = luxi_messages.decode_request(message)
            self.calls.append(call)
            return luxi_messages.encode_success(self._answer(call))
        except OperationError as error:
            return luxi_messages.encode_failure(error)
        except luxi_messages.Unintelligible as reason:
            return luxi_messages.encode_refusal(str(reason))
