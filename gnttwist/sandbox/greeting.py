"""
Waiting for a guest to say on its serial console that it is up.
"""

import threading
from pathlib import Path

from gnttwist.client.console import connect
from gnttwist.sandbox.layout import SandboxError

POLL = 0.02
"""
Seconds between looks for a console that is not there yet.
"""

KEPT = 65536
"""
Bytes kept of what the guest said, for telling what went wrong.
"""


class Greeting:
    """
    Listens on the guest's console from the moment that there is one: what nobody listens to is lost. A context
    manager.
    """

    def __init__(self, console: Path, wanted: str) -> None:
        """
        @param console: The console's socket, which need not be there yet.
        @param wanted: What the guest says when it is up.
        """
        self._place = console
        self._wanted = wanted
        self._over = threading.Event()
        self._line: str | None = None
        self._said = b""
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "Greeting":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def wait(self, timeout: float) -> str:
        """
        The guest's line.

        @raise SandboxError: It did not come within C{timeout} seconds.
        """
        self._thread.join(timeout)
        if self._line is None:
            said = self._said.decode(errors="replace").strip()[-500:] or "nothing"
            raise SandboxError(f"the guest did not come up within {timeout:.0f} seconds; it said {said!r}")
        return self._line

    def _listen(self) -> None:
        while not self._place.exists():
            if self._over.wait(POLL):
                return
        with connect(self._place) as console:
            console.settimeout(0.2)
            while not self._over.is_set():
                try:
                    data = console.recv(65536)
                except TimeoutError:
                    continue
                if not data:
                    return
                self._said = (self._said + data)[-KEPT:]
                text = self._said.decode(errors="replace")
                if self._wanted in text:
                    self._line = next(each.strip() for each in text.splitlines() if self._wanted in each)
                    return
