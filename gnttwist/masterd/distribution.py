"""
Bringing the configuration to the other nodes: simple values, keys, certificates and the watcher's pause to all,
C{config.data} to the master candidates.

A node that was away is told again and again, less and less often, until it has the newest; what changed meanwhile is
sent once.
"""

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from typing import Any, Protocol

from attrs import define, field, frozen

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.config import export
from gnttwist.config.service import Configuration
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import NodeError
from gnttwist.jobs.calls import Call, Feedback, NodeCaller
from gnttwist.masterd.shared_files import CERTIFICATE, PAUSE, Seen, SharedFile, SharedFiles
from gnttwist.model.objects import Node
from gnttwist.units.redistribution import MARK

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

LOOK = 1.0
"""
Seconds between two looks at whether keys and certificates were changed on the master.
"""

SSCONF = "/var/lib/ganeti/ssconf_"
CONFIG_FILE, CONFIG_MODE = "/var/lib/ganeti/config.data", 0o640


@frozen(repr=False)
class Version:
    """
    One version, ready to be sent.

    @ivar values: The simple values' texts by name.
    @ivar content: C{config.data} as calls carry it.
    @ivar files: What all nodes have as the master has it, by path; C{seen} tells when that was read.
    @ivar paused_until: Until when watchers keep still, in seconds since the epoch.
    @ivar digests: SHA-1 of everything, by the path that it has on nodes.
    @ivar again: The cluster's member L{MARK}: when it changes, nodes get everything again.
    """

    serial: int
    mtime: float
    values: Mapping[str, str]
    content: list[Any]
    files: Mapping[str, SharedFile]
    paused_until: float | None
    seen: Seen
    again: Any
    digests: Mapping[str, str]


@frozen(repr=False)
class Told:
    """
    What a node has taken.

    @ivar candidate: Whether as a master candidate.
    """

    version: Version
    candidate: bool


def pack(config: Snapshot, shared: SharedFiles) -> Version:
    """
    Prepare a version. Takes a second for large clusters: not for the reactor's thread.

    @raise OSError: A file cannot be read.
    """
    # First: what is changed while it is read is seen later.
    seen = shared.seen()
    text = export.config_text(config)
    values = {name: export.ssconf_text(lines) for name, lines in export.ssconf(config).items()}
    files = dict(shared.read())
    paused_until = _until(files.pop(PAUSE, None))
    digests = {
        CONFIG_FILE: _digest(text),
        **{f"{SSCONF}{name}": _digest(value.encode()) for name, value in values.items()},
        **{path: _digest(file.content) for path, file in files.items()},
    }
    again = config.cluster.extra.get(MARK)
    return Version(
        config.serial, config.mtime, values, packed(text), files, paused_until, seen, again, digests
    )


def _digest(data: bytes) -> str:
    # As nodes tell it: it shows what was changed, not what was forged.
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def packed(data: bytes) -> list[Any]:
    """
    A file's content as calls carry it: C{[1, base64 of zlib data]}.
    """
    # Ganeti's level: the quickest that is worth it.
    return [1, base64.b64encode(zlib.compress(data, 3)).decode()]


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
    @ivar _told: By node UUID, what it has taken.
    @ivar _tasks: What is under way: C{""} is the preparation, others are nodes' UUIDs.
    """

    _log = Logger()
    _clock: IReactorTime
    _in_thread: InThread
    _now: Callable[[], float]
    _configuration: Configuration
    _caller: NodeCaller
    _shared: SharedFiles
    _latest: Version | None = field(default=None, init=False)
    _told: dict[str, Told] = field(factory=dict, init=False)
    _tasks: dict[str, Deferred[None]] = field(factory=dict, init=False)
    _unwatch: Callable[[], None] | None = field(default=None, init=False)
    _looking: IDelayedCall | None = field(default=None, init=False)
    _trouble: str = field(default="", init=False)

    def startService(self) -> None:
        super().startService()
        self._unwatch = self._configuration.on_change(lambda _: self._begin("", self._prepare))
        self._look()

    def stopService(self) -> None:
        super().stopService()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        if self._unwatch is not None:
            self._unwatch()
        for each in list(self._tasks.values()):
            each.cancel()

    def _look(self) -> None:
        self._looking = self._clock.callLater(LOOK, self._look)
        if not self._is_newest():
            self._begin("", self._prepare)

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
        latest = self._latest
        return (
            latest is not None
            and latest.serial == self._configuration.snapshot.serial
            and latest.seen == self._shared.seen()
        )

    async def _prepare(self) -> None:
        while not self._is_newest():
            config = self._configuration.snapshot
            before = self._latest
            try:
                self._latest = await self._in_thread(partial(pack, config, self._shared))
            except OSError as reason:
                # It is tried again every second, and told once.
                if self._trouble != str(reason):
                    self._log.error("cannot read what nodes are to have: {reason}", reason=reason)
                self._trouble = str(reason)
                await deferLater(self._clock, LOOK)
                continue
            self._trouble = ""
            if before is not None and before.again != self._latest.again:
                self._told.clear()
            for node in config.nodes:
                if node.uuid != config.cluster.master_node:
                    self._begin(node.uuid, partial(self._bring, node.uuid))
            await deferLater(self._clock, INTERVAL)

    async def _bring(self, uuid: str) -> None:
        delay = RETRY_FIRST
        while True:
            node, latest = self._configuration.snapshot.nodes.get(uuid), self._latest
            told = self._told.get(uuid)
            if node is None or node.offline:
                # Whatever becomes of it: when it is back, it gets everything.
                self._told.pop(uuid, None)
                return
            if latest is None or (told and told.version is latest):
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
                self._told[uuid] = Told(latest, node.master_candidate)
                delay = RETRY_FIRST

    async def _send(self, node: Node, version: Version, told: Told | None) -> None:
        has = told.version.digests if told else await self._ask(node, version)
        lacks = {path for path, digest in version.digests.items() if has.get(path) != digest}
        for path, file in version.files.items():
            if path in lacks:
                await self._give(node, path, file)
        values = {name: text for name, text in version.values.items() if f"{SSCONF}{name}" in lacks}
        if values:
            await self._call(node, "write_ssconf_files", values)
        if not node.master_candidate:
            if CONFIG_FILE in has and (told is None or told.candidate):
                await self._call(node, "node_demote_from_mc")
        elif CONFIG_FILE in lacks or (told and not told.candidate):
            upload = [CONFIG_FILE, version.content, CONFIG_MODE, None, None, version.mtime, version.mtime]
            await self._call(node, "upload_file", upload)
        # Last, for nodes of before this function was there.
        if told is None or told.version.paused_until != version.paused_until:
            await self._call(node, "set_watcher_pause", version.paused_until)

    async def _ask(self, node: Node, version: Version) -> Mapping[str, str]:
        """
        What a node has that was told nothing yet: after a restart of the master that is everything.
        """
        checks = {"filelist": sorted(version.digests)}
        name = self._configuration.snapshot.cluster.cluster_name
        answer = await self._call(node, "node_verify", checks, name, {})
        found: Mapping[str, str] = answer["filelist"]
        return found

    async def _give(self, node: Node, path: str, file: SharedFile) -> None:
        if path == CERTIFICATE:
            await self._call(node, "install_certificate", file.content.decode("ascii", "replace"))
            return
        upload = [path, packed(file.content), file.mode, None, None, file.mtime, file.mtime]
        await self._call(node, "upload_file", upload)

    def _call(self, node: Node, function: str, *arguments: Any) -> Deferred[Any]:
        # Without a key: to do it again is as good as once, and the next version replaces this one.
        return self._caller.call(node, Call(function, arguments, deadline=self._now() + LIMIT), _ignore)


def _until(pause: SharedFile | None) -> float | None:
    """
    Until when watchers keep still, by the master's file.
    """
    try:
        found = float(b"" if pause is None else pause.content)
    except ValueError:
        return None
    return found if isfinite(found) else None


def _ignore(feedback: Feedback) -> None:
    pass
