"""
What each master candidate's gnt-confd has counted: it tells gnt-masterd nothing by itself, so it is asked.
"""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import define

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from gnttwist.client.confd import NoAnswer
from gnttwist.client.confd_async import ConfdClient, Network
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import Node
from gnttwist.wire.confd import STATISTICS

MOST = 10
"""
Candidates that are asked: as many as a cluster has unless it was told otherwise. More would make each answer of ours
wait for more sockets.
"""

PATIENCE = 0.5
"""
Seconds for all of them; one that does not answer is left out.
"""

AGAIN = 0.2
"""
Seconds until one that has not answered is asked again: datagrams get lost.
"""


@define(eq=False, repr=False)
class ConfdFigures:
    """
    Asks them.

    @ivar _now: Reads the wall clock, in seconds since the epoch.
    @ivar _in_thread: Runs what blocks elsewhere.
    @ivar _key: The file of the key that questions are signed with.
    """

    _log = Logger()
    _network: Network
    _now: Callable[[], float]
    _in_thread: Callable[[Callable[[], bytes]], Awaitable[bytes]]
    _key: Path
    _config: Callable[[], Snapshot]

    async def tell(self) -> dict[str, Mapping[str, Any]]:
        """
        What was counted, by node, of those that answer. Where one has several processes, one of them answers.
        """
        try:
            key = await self._in_thread(self._key.read_bytes)
        except OSError as reason:
            self._log.warn("gnt-confd cannot be asked: {reason}", reason=reason)
            return {}
        asked = [each for each in self._config().nodes if each.master_candidate and not each.offline][:MOST]
        answers: list[tuple[bool, Any]] = await DeferredList(
            [Deferred.fromCoroutine(self._ask(key, each)) for each in asked], consumeErrors=True
        )
        found: dict[str, Mapping[str, Any]] = {}
        for node, (succeeded, value) in zip(asked, answers, strict=True):
            if succeeded and isinstance(value, dict):
                found[node.name] = value
            elif not succeeded and not value.check(NoAnswer):
                self._log.failure("asking gnt-confd of {node}", value, node=node.name)
        return found

    async def _ask(self, key: bytes, node: Node) -> Any:
        client = ConfdClient(self._network, key, [node.primary_ip], now=self._now)
        found = await client.ask(STATISTICS, timeout=PATIENCE, interval=AGAIN)
        return found.best.reply.answer
