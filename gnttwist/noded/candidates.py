"""
Who may call a node daemon: the master candidates, by their certificates.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from attrs import define, field

from twisted.logger import Logger

from gnttwist.net.http import Refusal
from gnttwist.net.tls import is_listed, peer_digest
from gnttwist.wire.ssconf import lines

NOBODY = "nobody"
"""
No certificate's digest.
"""

NOT_CANDIDATE = Refusal(403, "only master candidates of this cluster may call")


@define(eq=False)
class Candidates:
    """
    The digests in C{ssconf_master_candidates_certs}, read again when the file changes. Where there is no such file
    or nothing in it, as while a cluster is founded, the cluster's own certificate is the one that may call.

    @ivar _own: Tells the digest of server.pem.
    @ivar _peers: Address and certificate's digest at the other end of each connection.
    """

    _log = Logger()
    _path: Path
    _own: Callable[[], str]
    _seen: tuple[int, int, int] | None = field(default=None, init=False)
    _digests: Collection[str] = field(default=(), init=False)
    _peers: WeakKeyDictionary[Any, tuple[str, str | None]] = field(factory=WeakKeyDictionary, init=False)

    def digests(self) -> Collection[str]:
        """
        Whose certificates are accepted now; nobody's where that cannot be told.
        """
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return (self._own(),)
        except OSError as reason:
            self._log.error("cannot see {path}: {reason}", path=str(self._path), reason=reason)
            return ()
        version = (found.st_ino, found.st_mtime_ns, found.st_size)
        if version != self._seen:
            self._read(version)
        return self._digests or (self._own(),)

    def reload(self) -> None:
        """
        Read the list again, changed or not.
        """
        self._seen = None

    def _read(self, version: tuple[int, int, int]) -> None:
        try:
            text = self._path.read_text()
        except (OSError, UnicodeDecodeError) as reason:
            self._log.error("cannot read {path}: {reason}", path=str(self._path), reason=reason)
            self._seen, self._digests = None, (NOBODY,)
            return
        self._seen = version
        # A node has two lines while its certificate is being replaced.
        self._digests = tuple(each.partition("=")[2] for each in lines(text) if "=" in each)

    def authorise(self, transport: Any) -> str | Refusal:
        """
        Who is at the other end of a TLS connection, for people; or why it may not ask.
        """
        host, digest = self._peer(transport)
        if digest is None or not is_listed(digest, self.digests()):
            self._log.warn("{host} with certificate {digest} is refused", host=host, digest=digest)
            return NOT_CANDIDATE
        return f"{host} {digest}"

    def _peer(self, transport: Any) -> tuple[str, str | None]:
        """
        The address and the certificate of a peer, which stay the same while it is connected: to ask OpenSSL at each
        request took a tenth of the daemon's time.
        """
        known = self._peers.get(transport)
        if known is None:
            known = self._peers[transport] = (
                getattr(transport.getPeer(), "host", "unknown"),
                peer_digest(transport),
            )
        return known
