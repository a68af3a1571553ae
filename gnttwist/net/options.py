"""
The options that daemons have in common: the directory, and where to listen.
"""

from typing import Any, ClassVar

from twisted.python.usage import Options, UsageError

from gnttwist.net.binding import addresses, own_address
from gnttwist.paths import BadRoot, Paths
from gnttwist.privileges.accounts import Accounts, BadUsers, load


class DaemonOptions(Options):
    """
    What every daemon's command line has.
    """

    synopsis = "[options]"
    optParameters: ClassVar[list[list[Any]]] = [
        ["root", None, None, "The directory that all paths lie below"]
    ]

    def place(self) -> tuple[Paths, Accounts]:
        """
        The files, and the users of this installation's daemons.

        @raise UsageError: There is no such directory, or the users are not to be had.
        """
        try:
            paths = Paths.from_root(self["root"])
            return paths, load(paths)
        except (BadRoot, BadUsers) as reason:
            raise UsageError(str(reason)) from reason


class ListeningOptions(DaemonOptions):
    """
    Also where to listen; a subclass has the C{port}.
    """

    def __init__(self) -> None:
        super().__init__()
        self["bind"] = []

    def opt_bind(self, place: str) -> None:
        """
        An address, or an interface for all of its addresses; may be repeated. By default what systemd has passed,
        or the node's own primary address.
        """
        self["bind"] += self.bound(place)

    opt_b = opt_bind

    def bound(self, place: str) -> tuple[str, ...]:
        """
        The addresses that one C{--bind} names.

        @raise UsageError: It names none that this daemon can listen on.
        """
        return addresses(place)

    def listening(self, paths: Paths, *, passed: bool = False) -> tuple[tuple[str, ...], int]:
        """
        Addresses, each once, and the port.

        @param passed: Whether sockets that listen already were passed, so that no address is needed.
        @raise UsageError: There is no such port; or no address is named, and the cluster knows none.
        """
        if not 0 <= self["port"] <= 65535:
            raise UsageError("--port is a number up to 65535")
        where = tuple(dict.fromkeys(self["bind"]))
        return where or (() if passed else (own_address(paths),)), self["port"]
