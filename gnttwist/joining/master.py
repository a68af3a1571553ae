"""
The master's side of a join: a command's, blocking, without Twisted.
"""

import secrets
import socket
import ssl
from collections.abc import Callable

from attrs import define, field

from gnttwist.errors import GnttwistError, RemoteError
from gnttwist.wire import join
from gnttwist.wire.framing import Splitter

TIMEOUT = 30.0
"""
Seconds for each step of the conversation.
"""

CHUNK = 65536


class JoinFailed(GnttwistError):
    """
    The machine did not join.

    @ivar unsure: Whether it may have: the keys were sent, and no answer came.
    """

    unsure = False


class Unsure(JoinFailed):
    """
    The keys were sent, and no answer came.
    """

    unsure = True


def give(address: str, port: int, code: join.Code, package: Callable[[str], join.Package]) -> str:
    """
    Give a machine what makes it one of the cluster's.

    @param package: Makes it, from the name that the machine has for itself.
    @return: The digest of the machine's certificate.
    @raise JoinFailed: It did not take it.
    """
    try:
        with socket.create_connection((address, port), TIMEOUT) as plain:
            plain.settimeout(TIMEOUT)
            with _context().wrap_socket(plain) as connection:
                return _Talk(connection).run(code, package)
    except JoinFailed:
        raise
    except TimeoutError as reason:
        raise JoinFailed(
            f"no answer from {address}, port {port}: is gnt node prepare at work there?"
        ) from reason
    except (OSError, RemoteError) as reason:
        raise JoinFailed(f"cannot talk with {address}, port {port}: {reason}") from reason


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The certificate is the one that the code names, or nothing is said: that is looked at below.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@define(repr=False)
class _Talk:
    _connection: ssl.SSLSocket
    _splitter: Splitter = field(factory=lambda: Splitter(join.HANDSHAKE_LIMIT))
    _arrived: list[bytes] = field(factory=list)

    def run(self, code: join.Code, package: Callable[[str], join.Package]) -> str:
        certificate = self._connection.getpeercert(binary_form=True)
        if certificate is None or not code.names(certificate):
            raise JoinFailed(
                "the machine at this address is not the one that has printed this code, or has printed another since"
            )
        hello = join.decode(join.Hello, self._next())
        if hello.version != join.VERSION:
            raise JoinFailed(f"the machine speaks version {hello.version} of this, and we {join.VERSION}")
        proofs = join.Conversation(
            code.secret,
            join.digest(certificate),
            join.checked_nonce(hello.nonce),
            secrets.token_bytes(join.NONCE_BYTES),
        )
        self._connection.sendall(join.encode(join.Proof(proofs.master, proofs.by_master())))
        answer = join.decode(join.Answer, self._next("the machine does not take this code"))
        if not join.proves(answer.proof, proofs.by_machine()):
            raise JoinFailed("the machine does not know this code")
        message = join.encode(package(answer.hostname))
        try:
            self._connection.sendall(message)
            done = join.decode(join.Done, self._next())
        except (OSError, RemoteError, JoinFailed) as reason:
            raise Unsure(f"the keys were sent, and then the connection ended: {reason}") from reason
        if not done.certificate:
            raise JoinFailed(f"the machine refuses: {done.reason}")
        return done.certificate

    def _next(self, closed: str = "the machine has closed the connection") -> bytes:
        while not self._arrived:
            data = self._connection.recv(CHUNK)
            if not data:
                raise JoinFailed(closed)
            self._arrived += self._splitter.feed(data)
        return self._arrived.pop(0)
