"""
gnt-confd: its options, and how its parts are put together.
"""

import time
from typing import Any

from attrs import frozen

from twisted.application.service import IService, MultiService
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from gnttwist.confd.follow import FollowConfiguration
from gnttwist.confd.protocol import ConfdProtocol
from gnttwist.net.datagram import DatagramService
from gnttwist.net.pidfile import PidFile
from gnttwist.paths import BadRoot, Paths
from gnttwist.wire.confd import MAX_QUERY
from gnttwist.wire.ssconf import address_of

PORT = 1814


@frozen
class Config:
    """
    What the options ask for.

    @ivar addresses: Concrete addresses: clients count answers by the address that they come from.
    """

    paths: Paths
    addresses: tuple[str, ...]
    port: int


class Options(UsageOptions):
    """
    gnt-confd's command line.
    """

    synopsis = "[options]"
    config: Config
    optParameters = [
        ["root", None, None, "The directory that all paths lie below"],
        ["port", "p", PORT, "The UDP port", int],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["bind"] = []

    def opt_bind(self, address: str) -> None:
        """
        An address to answer on; may be repeated. By default the node's own primary address.
        """
        self["bind"].append(address)

    opt_b = opt_bind

    def postOptions(self) -> None:
        """
        Turn the options into one value: here, a mistake becomes one line for the user.
        """
        try:
            paths = Paths.from_root(self["root"])
        except BadRoot as reason:
            raise UsageError(str(reason)) from reason
        self.config = Config(paths, tuple(self["bind"]) or (own_address(paths),), self["port"])


def own_address(paths: Paths) -> str:
    """
    The primary address that the cluster knows this node by.

    @raise UsageError: It knows none.
    """
    try:
        found = address_of(paths.hostname, paths.ssconf("node_primary_ips").read_text())
    except OSError as reason:
        raise UsageError(f"not part of a cluster yet ({reason}); name an address with --bind") from reason
    if found is None:
        raise UsageError(f"the cluster knows no node {paths.hostname}; name an address with --bind")
    return found


def makeService(options: Options) -> IService:
    """
    The daemon.
    """
    from twisted.internet import reactor  # noqa: TID251  # the one place that may fetch it

    return compose(reactor, options.config)


def compose(reactor: Any, config: Config) -> MultiService:
    """
    Put the daemon together.
    """
    service = MultiService()
    follow = FollowConfiguration(reactor, config.paths)
    PidFile(config.paths.pid("gnt-confd")).setServiceParent(service)
    follow.setServiceParent(service)
    for address in config.addresses:
        protocol = ConfdProtocol(follow.key, lambda: follow.answers, time.time)
        # One byte more than is answered, so that a longer query is seen to be one.
        DatagramService(reactor, config.port, protocol, address, MAX_QUERY + 1).setServiceParent(service)
    return service
