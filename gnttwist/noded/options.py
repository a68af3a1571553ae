"""
gnt-noded's command line: what it asks for, checked before anything is started.
"""

from collections.abc import Mapping

from attrs import field, frozen

from twisted.python.systemd import ListenFDs
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from gnttwist.net.binding import addresses, own_address
from gnttwist.net.certificates import BadCertificate
from gnttwist.net.tls_files import FileTLS, server_from
from gnttwist.noded.candidates import Candidates
from gnttwist.paths import BadRoot, Paths
from gnttwist.privileges.accounts import ONE_USER, Accounts, BadUsers
from gnttwist.privileges.accounts import load as load_accounts

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


class Options(UsageOptions):
    """
    gnt-noded's command line.
    """

    synopsis = "[options]"
    config: Config
    optParameters = [
        ["root", None, None, "The directory that all paths lie below"],
        ["port", "p", PORT, "The TCP port", int],
        ["functions", None, None, "module:name of other functions, which tests use"],
    ]

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """
        @param environment: Where systemd says what it has passed; by default the process's.
        """
        super().__init__()
        self._passed = tuple(ListenFDs.fromEnvironment(environment).inheritedDescriptors())
        self["bind"] = []

    def opt_bind(self, place: str) -> None:
        """
        An address, or an interface for all of its addresses; may be repeated. By default what systemd has passed,
        or the node's own primary address.
        """
        self["bind"] += addresses(place)

    opt_b = opt_bind

    def postOptions(self) -> None:
        """
        Turn the options into one value: here, a mistake becomes one line for the user.
        """
        try:
            paths = Paths.from_root(self["root"])
            accounts = load_accounts(paths)
        except (BadRoot, BadUsers) as reason:
            raise UsageError(str(reason)) from reason
        where = tuple(dict.fromkeys(self["bind"]))
        if not where and not self._passed:
            where = (own_address(paths),)
        candidates, tls = _trust(paths)
        self.config = Config(
            paths, where, self["port"], tls, candidates, self._passed, self["functions"], accounts
        )


def _trust(paths: Paths) -> tuple[Candidates, FileTLS]:
    try:
        # Each needs the other: whom the list names is accepted, and without a list whoever has server.pem.
        candidates = Candidates(paths.ssconf("master_candidates_certs"), lambda: tls.current.digest)
        tls = server_from(paths.server_pem, candidates.digests)
    except (OSError, BadCertificate) as reason:
        raise UsageError(f"cannot use the cluster's certificate {paths.server_pem}: {reason}") from reason
    return candidates, tls
