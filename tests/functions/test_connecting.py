"""
Tests for L{gnttwist.functions.connecting}.
"""

import socket
from collections.abc import Iterator

from attrs import define, field

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.functions.connecting import AT_ONCE, CONNECT, Attempts, Probe, reachable

DEAD = [Probe(f"192.0.2.{each}", 1811) for each in range(1, 11)]


@define(eq=False)
class SlowNetwork(Attempts):
    """
    Addresses of which some answer after a second, and others never.

    @ivar answering: Those that do.
    @ivar most: How many connections were tried at the same time.
    """

    answering: set[str] = field(factory=set)
    time: float = 0.0
    most: int = 0
    _begun: dict[int, tuple[float, Probe]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.now = lambda: self.time

    def begin(self, name: int, probe: Probe) -> bool | None:
        self._begun[name] = (self.time, probe)
        self.most = max(self.most, len(self._begun))
        return None

    def ended(self, seconds: float) -> Iterator[tuple[int, bool]]:
        due = {
            name: begun + 1 for name, (begun, probe) in self._begun.items() if probe.address in self.answering
        }
        self.time = min([self.time + seconds, *due.values()])
        for name, when in due.items():
            if when <= self.time:
                self.give_up(name)
                yield name, True

    def give_up(self, name: int) -> None:
        del self._begun[name]


class ReachableTests(SynchronousTestCase):
    """
    Tests for L{reachable}.
    """

    def test_silent_together(self) -> None:
        """
        Ten addresses that are silent take no longer than one.
        """
        network = SlowNetwork(answering={"192.0.2.3"})
        expected = [each.address == "192.0.2.3" for each in DEAD]
        self.assertEqual(reachable(DEAD, attempts=network), expected)
        self.assertEqual((network.time, network.most), (CONNECT, len(DEAD)))

    def test_bound(self) -> None:
        """
        Only so many are tried at once; the others have all their time then.
        """
        network = SlowNetwork(answering={"192.0.2.200"})
        probes = [DEAD[0]] * (2 * AT_ONCE) + [Probe("192.0.2.200", 1811)]
        self.assertEqual(reachable(probes, attempts=network), [False] * (2 * AT_ONCE) + [True])
        self.assertEqual((network.time, network.most), (2 * CONNECT + 1, AT_ONCE))

    def test_real(self) -> None:
        """
        What accepts and what refuses answers; what drops packets, what is no address, and a source that is not ours
        do not.
        """
        with socket.socket() as accepting, socket.socket() as refusing, socket.socket() as full:
            for each in (accepting, refusing, full):
                each.bind(("127.0.0.1", 0))
            accepting.listen()
            # Its queue holds one connection, after which the kernel drops what comes.
            full.listen(0)
            ports = [each.getsockname()[1] for each in (accepting, refusing, full)]
            with socket.create_connection(("127.0.0.1", ports[2])):
                probes = [
                    *(Probe("127.0.0.1", each, "127.0.0.1") for each in ports),
                    Probe("node1", ports[0]),
                    Probe("127.0.0.1", ports[0], "192.0.2.1"),
                ]
                self.assertEqual(reachable(probes, 0.2), [True, True, False, False, False])

    def test_none(self) -> None:
        """
        Of nothing nothing answers.
        """
        self.assertEqual(reachable([]), [])
