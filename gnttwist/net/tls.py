"""
The one place that makes TLS contexts: mutual TLS between the cluster's nodes.

Each side shows a certificate that the cluster's own (server.pem) has signed, or that one itself. Host names are
not looked at: nodes are called by address, and all answer with the same certificate. Contexts are made once and
never changed; new certificates mean new objects of this module (L{gnttwist.net.tls_files}).

While the cluster's certificate is being replaced, server.pem holds the other one beside it, and what either has
signed is accepted.
"""

import hmac
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, cast

from attrs import define, field
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto
from zope.interface import implementer

from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
)
from twisted.internet.ssl import Certificate, CertificateOptions, TLSVersion, trustRootFromCertificates
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.web.iweb import IPolicyForHTTPS

from gnttwist.net.certificates import Credentials, digest

CERT_SIGNATURE_FAILURE, CERT_HAS_EXPIRED, DEPTH_ZERO_SELF_SIGNED_CERT = 7, 10, 18
"""
OpenSSL's C{X509_V_ERR_} of these names.
"""

WRONG_AUTHORITY = (CERT_SIGNATURE_FAILURE, DEPTH_ZERO_SELF_SIGNED_CERT)
"""
What it says of a certificate when it has tried another authority of the same name.
"""

PROTOCOLS = (b"http/1.1",)
"""
What is offered by ALPN. With C{h2} installed, Twisted would offer that first.
"""


def is_listed(wanted: str, digests: Iterable[str]) -> bool:
    """
    Whether a certificate's digest is one of C{digests}, in time that does not depend on how alike they are.
    """
    found = False
    for each in digests:
        found |= hmac.compare_digest(wanted.encode(), each.encode())
    return found


def peer_digest(transport: Any) -> str | None:
    """
    The digest of the certificate that the peer has shown, or C{None} without one.

    @param transport: A TLS connection's transport.
    """
    certificate: crypto.X509 | None = transport.getPeerCertificate()
    return None if certificate is None else digest(certificate.to_cryptography())


@define
class _Verification:
    """
    OpenSSL's own verification, except that a pinned certificate does not expire: a cluster whose certificates
    all ran out together could not be mended through its own daemons.

    @ivar _pinned: Tells the digests of certificates that are known by themselves.
    @ivar _authorities: The cluster's certificates. All have one name, and a certificate that does not say whose key
        has signed it, as those that Ganeti made, OpenSSL tries with one of them only.
    """

    _log = Logger()
    _pinned: Callable[[], Collection[str]]
    _authorities: Sequence[x509.Certificate]

    def __call__(
        self, connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, passed: int
    ) -> bool:
        if passed:
            return True
        shown = certificate.to_cryptography()
        name = digest(shown)
        if error in WRONG_AUTHORITY and any(_signed(shown, by) for by in self._authorities):
            return True
        if error == CERT_HAS_EXPIRED and is_listed(name, self._pinned()):
            self._log.warn("accepted the expired certificate {digest}: it is a pinned one", digest=name)
            return True
        self._log.info("refused the certificate {digest}: OpenSSL error {error}", digest=name, error=error)
        return False


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


@implementer(IOpenSSLServerConnectionCreator, IOpenSSLClientConnectionCreator, IPolicyForHTTPS)
@define(eq=False)
class MutualTLS:
    """
    One side of the cluster's TLS, for endpoints and HTTP agents alike. Made by L{for_server} and L{for_client}.

    @ivar digest: Of the certificate that it shows.
    @ivar expires: When that one ends, in seconds since the epoch.
    @ivar authority_expires: When the one ends that peers' have to be signed with; C{None} where that is not asked.
    """

    digest: str
    expires: float
    _options: CertificateOptions
    _verification: _Verification = field(alias="verification")
    authority_expires: float | None = None

    @property
    def current(self) -> "MutualTLS":
        """
        This, which does not change; see L{gnttwist.net.tls_files.FileTLS.current}.
        """
        return self

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return self._verified(self._options.serverConnectionForTLS(tlsProtocol))

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return self._verified(self._options.clientConnectionForTLS(tlsProtocol))

    def creatorForNetloc(self, hostname: bytes, port: int) -> "MutualTLS":
        return self

    def _verified(self, connection: SSL.Connection) -> SSL.Connection:
        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._verification)
        return connection


@define(eq=False)
class PublicTLS(MutualTLS):
    """
    A server's side towards clients that are not nodes: it shows a certificate and asks for none. Made by
    L{for_public}.
    """

    def _verified(self, connection: SSL.Connection) -> SSL.Connection:
        return connection


def for_public(own: Credentials) -> PublicTLS:
    """
    The remote API's side: shows rapi.pem, with the authorities that follow in it, and asks for no certificate.
    """
    options = CertificateOptions(
        privateKey=cast(Any, own.key),
        certificate=cast(Any, own.certificate),
        extraCertChain=[crypto.X509.from_cryptography(each) for each in own.others],
        raiseMinimumTo=TLSVersion.TLSv1_2,
        acceptableProtocols=PROTOCOLS,
    )
    return PublicTLS(own.digest, _end(own), options, _Verification(lambda: (), ()))


def for_server(cluster: Credentials, candidates: Callable[[], Collection[str]]) -> MutualTLS:
    """
    The node daemon's side: shows server.pem and demands a certificate that it has signed. Who the peer is must be
    looked at afterwards (L{peer_digest}).

    @param candidates: Tells the digests of the certificates that may call, expired or not.
    """
    return _mutual(cluster, (cluster.certificate, *cluster.others), candidates)


def for_client(
    own: Credentials, cluster: x509.Certificate, others: Iterable[x509.Certificate] = ()
) -> MutualTLS:
    """
    The caller's side.

    @param own: This node's client.pem.
    @param cluster: The certificate of server.pem.
    @param others: Further ones in it.
    """
    return _mutual(own, (cluster, *others), lambda: ())


def for_joining(own: Credentials) -> CertificateOptions:
    """
    The side of a machine that is not in any cluster yet: it shows its certificate, and its peer none. Who the peer
    is must be proven otherwise (L{gnttwist.wire.join}).
    """
    return CertificateOptions(
        privateKey=cast(Any, own.key),
        certificate=cast(Any, own.certificate),
        raiseMinimumTo=TLSVersion.TLSv1_2,
    )


def _mutual(
    own: Credentials, authorities: Sequence[x509.Certificate], pinned: Callable[[], Collection[str]]
) -> MutualTLS:
    trusted = [Certificate.loadPEM(each.public_bytes(Encoding.PEM)) for each in authorities]
    options = CertificateOptions(
        # pyOpenSSL wants cryptography's objects; Twisted's annotations still name pyOpenSSL's deprecated ones.
        privateKey=cast(Any, own.key),
        certificate=cast(Any, own.certificate),
        trustRoot=trustRootFromCertificates(trusted),
        raiseMinimumTo=TLSVersion.TLSv1_2,
        acceptableProtocols=PROTOCOLS,
    )
    names = {digest(each) for each in authorities}
    verification = _Verification(lambda: {*names, *pinned()}, authorities)
    ends = authorities[0].not_valid_after_utc.timestamp()
    return MutualTLS(own.digest, _end(own), options, verification, ends)


def _end(own: Credentials) -> float:
    return own.certificate.not_valid_after_utc.timestamp()
