"""
TLS from files that may be replaced while daemons run: every new connection uses what the files hold then, and
connections that exist stay as they are.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from attrs import define, field
from OpenSSL import SSL
from zope.interface import implementer

from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
)
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.web.iweb import IPolicyForHTTPS

from gnttwist.net.certificates import BadCertificate, Credentials
from gnttwist.net.tls import MutualTLS, for_client, for_public, for_server

Version = tuple[tuple[int, int, int], ...]


@implementer(IOpenSSLServerConnectionCreator, IOpenSSLClientConnectionCreator, IPolicyForHTTPS)
@define(eq=False, repr=False)
class FileTLS:
    """
    One side of the cluster's TLS, read again when its files change.

    Files that cannot be used, such as one of two that are being replaced, leave what was read before in use: a
    daemon that loses its certificate for a moment stays reachable.

    @ivar _paths: The files.
    @ivar _make: Reads them.
    """

    _log = Logger()
    _paths: Sequence[Path]
    _make: Callable[[], MutualTLS]
    _current: MutualTLS = field(init=False)
    _seen: Version | None = field(default=None, init=False)
    _failed: Version | None = field(default=None, init=False)

    @classmethod
    def open(cls, paths: Sequence[Path], make: Callable[[], MutualTLS]) -> "FileTLS":
        """
        Read the files for the first time.

        @raise BadCertificate: They hold something else.
        @raise OSError: They cannot be read.
        """
        self = cls(paths, make)
        self._seen = self._versions()
        self._current = make()
        return self

    @property
    def current(self) -> MutualTLS:
        """
        What new connections use.
        """
        try:
            versions = self._versions()
            if versions not in (self._seen, self._failed):
                self._read(versions)
        except OSError as reason:
            self._log.error("{reason}: the certificates read before are used", reason=reason)
        return self._current

    def reload(self) -> None:
        """
        Read the files again, changed or not.
        """
        self._seen = self._failed = None
        _ = self.current

    def _versions(self) -> Version:
        found = (each.stat() for each in self._paths)
        return tuple((each.st_ino, each.st_mtime_ns, each.st_size) for each in found)

    def _read(self, versions: Version) -> None:
        try:
            self._current = self._make()
        except (BadCertificate, OSError) as reason:
            self._failed = versions
            self._log.error("{reason}: the certificates read before are used", reason=reason)
        else:
            self._seen, self._failed = versions, None
            self._log.info("the certificate {digest} is used from now on", digest=self._current.digest)

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return self.current.serverConnectionForTLS(tlsProtocol)

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return self.current.clientConnectionForTLS(tlsProtocol)

    def creatorForNetloc(self, hostname: bytes, port: int) -> "FileTLS":
        return self


def server_from(cluster: Path, candidates: Callable[[], Collection[str]]) -> FileTLS:
    """
    The node daemon's side; see L{for_server}.

    @param cluster: server.pem.
    @raise BadCertificate: It holds something else.
    @raise OSError: It cannot be read.
    """
    return FileTLS.open([cluster], lambda: for_server(read(cluster), candidates))


def public_from(own: Path) -> FileTLS:
    """
    The remote API's side; see L{for_public}.

    @param own: rapi.pem.
    @raise BadCertificate: It holds something else.
    @raise OSError: It cannot be read.
    """
    return FileTLS.open([own], lambda: for_public(read(own)))


def client_from(own: Path, cluster: Path) -> FileTLS:
    """
    The caller's side; see L{for_client}.

    @param own: client.pem.
    @param cluster: server.pem.
    @raise BadCertificate: One of them holds something else.
    @raise OSError: One of them cannot be read.
    """

    def make() -> MutualTLS:
        authority = read(cluster)
        return for_client(read(own), authority.certificate, authority.others)

    return FileTLS.open([own, cluster], make)


def read(path: Path) -> Credentials:
    """
    A file's key and certificates.

    @raise BadCertificate: It holds something else; the file is named.
    @raise OSError: It cannot be read.
    """
    try:
        return Credentials.from_pem(path.read_bytes())
    except BadCertificate as reason:
        raise BadCertificate(f"{path}: {reason}") from reason
