"""
gnt-noded's command line: what it asks for, checked before anything is started.
"""

from collections.abc import Mapping

from attrs import field, frozen

from twisted.python.systemd import ListenFDs
from twisted.python.usage import UsageError

from gnttwist.net.certificates import BadCertificate
from gnttwist.net.options import ListeningOptions
from gnttwist.net.tls_files import FileTLS, server_from
from gnttwist.noded.candidates import Candidates
from gnttwist.paths import Paths
from gnttwist.privileges.accounts import ONE_USER, Accounts

PORT = 1811
"""
Ganeti's.
"""


@frozen
class Config:
    """
    What the options ask for.

    @ivar addresses: Where to listen.
    @ivar sockets: Descriptors of sockets that listen already, which systemd has passed.
    @ivar tls: This side of connections.
    @ivar candidates: Who may call.
    @ivar functions: C{module:name} of the launcher's functions, where they are not gnttwist's own.
    """

    paths: Paths
    addresses: tuple[str, ...]
    port: int
    tls: FileTLS = field(repr=False)
    candidates: Candidates = field(repr=False)
    sockets: tuple[int, ...] = ()
    functions: str | None = None
    accounts: Accounts = ONE_USER


class Options(ListeningOptions):
    """
    gnt-noded's command line.
    """

    config: Config
    optParameters = [
        ["port", "p", PORT, "The TCP port", int],
        ["functions", None, None, "module:name of other functions, which tests use"],
    ]

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """
        @param environment: Where systemd says what it has passed; by default the process's.
        """
        super().__init__()
        self._passed = tuple(ListenFDs.fromEnvironment(environment).inheritedDescriptors())

    def postOptions(self) -> None:
        """
        Turn the options into one value: here, a mistake becomes one line for the user.
        """
        paths, accounts = self.place()
        where, port = self.listening(paths, passed=bool(self._passed))
        candidates, tls = _trust(paths)
        self.config = Config(paths, where, port, tls, candidates, self._passed, self["functions"], accounts)


def _trust(paths: Paths) -> tuple[Candidates, FileTLS]:
    try:
        # Each needs the other: whom the list names is accepted, and without a list whoever has server.pem.
        candidates = Candidates(paths.ssconf("master_candidates_certs"), lambda: tls.current.digest)
        tls = server_from(paths.server_pem, candidates.digests)
    except (OSError, BadCertificate) as reason:
        raise UsageError(f"cannot use the cluster's certificate {paths.server_pem}: {reason}") from reason
    return candidates, tls
