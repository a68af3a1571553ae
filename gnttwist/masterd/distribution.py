"""
Bringing the configuration to the other nodes: simple values to all, C{config.data} to the master candidates.

A node that was away is told again and again, less and less often, until it has the newest; what changed meanwhile is
sent once.
"""

import base64
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from attrs import define, field, frozen

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.config import export
from gnttwist.config.service import Configuration
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import NodeError
from gnttwist.jobs.calls import Call, Feedback, NodeCaller
from gnttwist.model.objects import Node

INTERVAL = 1.0
"""
Seconds between two versions that are sent: changes come in bursts, and nodes need not see each.
"""

LIMIT = 60.0
"""
Seconds that a node has to take a version.
"""

RETRY_FIRST, RETRY_LAST = 2.0, 60.0
"""
Seconds before a node that did not take one is tried again: doubled each time.
"""

CONFIG_FILE, CONFIG_MODE = "/var/lib/ganeti/config.data", 0o640


@frozen(repr=False)
class Version:
    """
    One version, ready to be sent.

    @ivar values: The simple values' texts by name.
    @ivar content: C{config.data} as calls carry it: C{[1, base64 of zlib data]}.
    """

    serial: int
    mtime: float
    values: Mapping[str, str]
    content: list[Any]


def pack(config: Snapshot) -> Version:
    """
    Prepare a version. Takes a second for large clusters: not for the reactor's thread.
    """
    # Ganeti's level: the quickest that is worth it.
    packed = base64.b64encode(zlib.compress(export.config_text(config), 3)).decode()
    values = {name: export.ssconf_text(lines) for name, lines in export.ssconf(config).items()}
    return Version(config.serial, config.mtime, values, [1, packed])


class InThread(Protocol):
    """
    Runs something in another thread.
    """

    def __call__(self, work: Callable[[], Version], /) -> Deferred[Version]:
        """
        Run C{work}.
        """


@define(eq=False, slots=False, repr=False)
class Distribution(Service):
    """
    @ivar _now: The wall clock, seconds since the epoch.
    @ivar _told: By node UUID, the version that it has taken.
    @ivar _tasks: What is under way: C{""} is the preparation, others are nodes' UUIDs.
    """

    _log = Logger()
    _clock: IReactorTime
    _in_thread: InThread
    _now: Callable[[], float]
    _configuration: Configuration
    _caller: NodeCaller
    _latest: Version | None = field(default=None, init=False)
    _told: dict[str, Version] = field(factory=dict, init=False)
    _tasks: dict[str, Deferred[None]] = field(factory=dict, init=False)
    _unwatch: Callable[[], None] | None = field(default=None, init=False)

    def startService(self) -> None:
        super().startService()
        self._unwatch = self._configuration.on_change(lambda _: self._begin("", self._prepare))
        self._begin("", self._prepare)

    def stopService(self) -> None:
        super().stopService()
        if self._unwatch is not None:
            self._unwatch()
        for each in list(self._tasks.values()):
            each.cancel()

    def _begin(self, name: str, work: Callable[[], Any]) -> None:
        if name in self._tasks or not self.running:
            return
        # In its place before it begins, for it may come by here again at once.
        self._tasks[name] = Deferred()
        self._tasks[name] = working = Deferred.fromCoroutine(work())
        working.addBoth(self._over, name)

    def _over(self, result: object, name: str) -> None:
        del self._tasks[name]
        if not isinstance(result, Failure):
            if name == "" and not self._is_newest():
                self._begin("", self._prepare)
        elif not result.check(CancelledError):
            self._log.failure("distributing the configuration", result)

    def _is_newest(self) -> bool:
        return self._latest is not None and self._latest.serial == self._configuration.snapshot.serial

    async def _prepare(self) -> None:
        while not self._is_newest():
            config = self._configuration.snapshot
            self._latest = await self._in_thread(partial(pack, config))
            for node in config.nodes:
                if node.uuid != config.cluster.master_node:
                    self._begin(node.uuid, partial(self._bring, node.uuid))
            await deferLater(self._clock, INTERVAL)

    async def _bring(self, uuid: str) -> None:
        delay = RETRY_FIRST
        while True:
            node, latest = self._configuration.snapshot.nodes.get(uuid), self._latest
            told = self._told.get(uuid)
            if node is None or node.offline or latest is None or (told and told.serial == latest.serial):
                return
            try:
                await self._send(node, latest, told)
            except NodeError as reason:
                self._log.info(
                    "{node} lacks the newest configuration: {reason}", node=node.name, reason=reason
                )
                # It may have taken a part, or have been made anew: next time it gets all.
                self._told.pop(uuid, None)
                await deferLater(self._clock, delay)
                delay = min(2 * delay, RETRY_LAST)
            else:
                self._told[uuid] = latest
                delay = RETRY_FIRST

    async def _send(self, node: Node, version: Version, told: Version | None) -> None:
        known = told.values if told else {}
        values = {name: text for name, text in version.values.items() if known.get(name) != text}
        if values:
            await self._call(node, "write_ssconf_files", values)
        if node.master_candidate:
            file = [CONFIG_FILE, version.content, CONFIG_MODE, None, None, version.mtime, version.mtime]
            await self._call(node, "upload_file", file)

    def _call(self, node: Node, function: str, argument: Any) -> Deferred[Any]:
        # Without a key: to do it again is as good as once, and the next version replaces this one.
        return self._caller.call(node, Call(function, [argument], deadline=self._now() + LIMIT), _ignore)


def _ignore(feedback: Feedback) -> None:
    pass
