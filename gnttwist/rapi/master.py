"""
Whether this node is the master, and where the master is.
"""

from ipaddress import ip_address

from attrs import define, field

from twisted.internet.interfaces import IReactorTime

from gnttwist.paths import Paths
from gnttwist.wire.ssconf import address_of

LOOK_EVERY = 1.0
"""
Seconds that an answer is good for: after a failover, clients are sent on as soon.
"""


@define(eq=False, repr=False)
class Master:
    """
    What the node's simple configuration files say.

    @ivar _port: The remote API's, which is the same on all nodes.
    """

    _clock: IReactorTime
    _paths: Paths
    _port: int
    _looked: float | None = field(default=None, init=False)
    _elsewhere: str | None = field(default=None, init=False)

    @property
    def elsewhere(self) -> str | None:
        """
        Where the remote API is, C{host:port}; C{None} where it is here.
        """
        now = self._clock.seconds()
        if self._looked is None or now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._elsewhere = self._look()
        return self._elsewhere

    def _look(self) -> str | None:
        try:
            name = self._paths.ssconf("master_node").read_text().strip()
            if name == self._paths.hostname:
                return None
            address = address_of(name, self._paths.ssconf("node_primary_ips").read_text())
        except OSError:
            # Without the files nobody else can be named; gnt-masterd, which is asked then, is not here either.
            return None
        if address is None:
            return f"{name}:{self._port}"
        host = f"[{address}]" if ip_address(address).version == 6 else address
        return f"{host}:{self._port}"
