"""
The files that all nodes have as the master has them: keys, certificates, the users of the remote API, the watcher's
pause.
"""

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from gnttwist.paths import Paths
from gnttwist.privileges.rules import rule_of

CERTIFICATE = "/var/lib/ganeti/server.pem"
"""
The cluster's key and certificate, which nodes take by a function of its own.
"""

FILES = (
    CERTIFICATE,
    "/var/lib/ganeti/hmac.key",
    "/var/lib/ganeti/cluster-domain-secret",
    "/var/lib/ganeti/rapi.pem",
    "/var/lib/ganeti/spice.pem",
    "/var/lib/ganeti/spice-ca.pem",
    "/var/lib/ganeti/rapi/users",
)
"""
As paths without the root. Where the master lacks one, nodes keep what they have.
"""

PAUSE = "/var/lib/ganeti/watcher.pause"
"""
Until when watchers keep still, which nodes take by a function of its own. Where the master lacks it, so do they.
"""

MOST_BYTES = 1 << 20
"""
Of a file. Keys are a hundredth of this; a list of users may be long.
"""

Seen = tuple[tuple[int, int, int] | None, ...]
"""
What tells whether files were changed: inode, time in nanoseconds and size of each.
"""


@frozen(repr=False)
class SharedFile:
    """
    One file.

    @ivar mode: As on the master.
    """

    content: bytes
    mode: int
    mtime: float


@frozen
class SharedFiles:
    """
    Where they are on the master.
    """

    paths: Paths

    def seen(self) -> Seen:
        """
        Whether they are as before; quick enough for the reactor's thread.
        """
        return tuple(self._seen(self.paths.real(each)) for each in (*FILES, PAUSE))

    def _seen(self, path: Path) -> tuple[int, int, int] | None:
        try:
            found = path.stat()
        except OSError:
            return None
        return (found.st_ino, found.st_mtime_ns, found.st_size)

    def read(self) -> Mapping[str, SharedFile]:
        """
        Those that are there, by their path without the root.

        @raise OSError: One is there and cannot be read, or is too large.
        """
        found = {}
        for path in (*FILES, PAUSE):
            real = self.paths.real(path)
            try:
                with real.open("rb") as file:
                    content = file.read(MOST_BYTES + 1)
                    mtime = real.stat().st_mtime
            except FileNotFoundError:
                continue
            if len(content) > MOST_BYTES:
                raise OSError(f"{real} has more than {MOST_BYTES} bytes")
            rule = rule_of(self.paths, real)
            found[path] = SharedFile(content, rule.mode if rule else 0o400, mtime)
        return found
