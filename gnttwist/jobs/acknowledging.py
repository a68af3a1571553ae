"""
Telling nodes which calls' results are journaled, so that they may forget them.

A key that waits to be acknowledged is in the store from the transaction that journals its result until its node has
answered, so nodes do not keep results for ever, whatever is killed when.
"""

from collections.abc import Iterable

from attrs import define, field

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.errors import NodeError, NotAnswering
from gnttwist.jobs.calls import NodeCaller
from gnttwist.jobs.live import OnFatal
from gnttwist.model.objects import Node
from gnttwist.store.interface import Delete, Entry, Put, Store, StoreClosed, Transaction

PREFIX = "/jobs/ack/"

BATCH = 100
"""
How many keys are acknowledged at once; their removal has to fit in a transaction.
"""

DELAY = 0.2
"""
Seconds in which keys are collected, so that a node gets few requests.
"""

RETRY_FIRST, RETRY_LAST = 2.0, 60.0
"""
Seconds before a silent node is tried again: doubled each time.
"""

END_GRACE = 10.0
"""
Seconds that an aborted call gets to end before it is forgotten: nodes send SIGKILL after five.
"""

_ABANDONED = b"abandoned"


@define(eq=False)
class _Outbox:
    """
    What one node has not been told.

    @ivar keys: Each with whether the call may still run: it was given up.
    """

    node: Node
    keys: dict[str, bool] = field(factory=dict)
    retry: float = RETRY_FIRST
    timer: IDelayedCall | None = None
    busy: bool = False


@define(eq=False)
class Acknowledgements:
    """
    All that nodes have not been told yet.

    @ivar _find: A node as the configuration has it now, by UUID; C{None} for one that is gone, taking its results
        along.
    """

    _log = Logger()
    _clock: IReactorTime
    _store: Store
    _caller: NodeCaller
    _on_fatal: OnFatal
    _outboxes: dict[str, _Outbox] = field(factory=dict)
    _stopped: bool = False

    @staticmethod
    def note(node: Node, key: str, *, abandoned: bool = False) -> Put:
        """
        What to write together with a call's outcome; after that, call L{send}.

        @param abandoned: The call may still run: it was given up because its node is silent, or because the job could
            not wait for it.
        """
        return Put(f"{PREFIX}{node.uuid}/{key}", _ABANDONED if abandoned else b"")

    def send(self, node: Node, key: str, *, abandoned: bool = False) -> None:
        """
        Tell a node soon, and until it answers.
        """
        outbox = self._outboxes.setdefault(node.uuid, _Outbox(node))
        outbox.node = node
        outbox.keys[key] = abandoned
        self._schedule(outbox, DELAY)

    def restore(self, entries: Iterable[Entry], nodes: dict[str, Node]) -> None:
        """
        Take up what the store has from before a restart.

        @param nodes: The cluster's nodes by UUID. One that is gone has taken its results along.
        """
        gone = []
        for each in entries:
            uuid, _, key = each.key.removeprefix(PREFIX).partition("/")
            if uuid in nodes:
                self.send(nodes[uuid], key, abandoned=each.value == _ABANDONED)
            else:
                gone.append(each.key)
        for start in range(0, len(gone), BATCH):
            self._remove(gone[start : start + BATCH])

    def stop(self) -> None:
        """
        Send nothing more.
        """
        self._stopped = True
        for each in self._outboxes.values():
            if each.timer is not None and each.timer.active():
                each.timer.cancel()

    def _schedule(self, outbox: _Outbox, delay: float) -> None:
        waiting = outbox.timer is not None and outbox.timer.active()
        if not (self._stopped or waiting or outbox.busy):
            outbox.timer = self._clock.callLater(delay, self._flush, outbox)

    def _flush(self, outbox: _Outbox) -> None:
        keys = list(outbox.keys)[:BATCH]
        outbox.busy = True
        told = Deferred.fromCoroutine(self._tell(outbox, keys))
        told.addCallbacks(self._told, self._failed, callbackArgs=(outbox, keys), errbackArgs=(outbox,))

    async def _tell(self, outbox: _Outbox, keys: list[str]) -> None:
        abandoned = [each for each in keys if outbox.keys[each]]
        for key in abandoned:
            try:
                await self._caller.abort(outbox.node, key)
            except NotAnswering:
                raise
            except NodeError as reason:
                self._log.debug("abort of {call}: {reason}", call=key, reason=reason)
        if abandoned:
            ended: Deferred[None] = Deferred()
            outbox.timer = self._clock.callLater(END_GRACE, ended.callback, None)
            await ended
        await self._caller.forget(outbox.node, keys)

    def _told(self, nothing: None, outbox: _Outbox, keys: list[str]) -> None:
        if self._stopped:
            return
        for key in keys:
            del outbox.keys[key]
        self._remove([f"{PREFIX}{outbox.node.uuid}/{key}" for key in keys])
        outbox.busy = False
        outbox.retry = RETRY_FIRST
        if outbox.keys:
            self._schedule(outbox, 0)
        else:
            del self._outboxes[outbox.node.uuid]

    def _failed(self, failure: Failure, outbox: _Outbox) -> None:
        if self._stopped:
            return
        if failure.check(NodeError):
            self._log.debug(
                "{node} has not heard what to forget: {reason}", node=outbox.node.name, reason=failure.value
            )
        else:
            self._log.failure("acknowledging calls of {node}", failure, node=outbox.node.name)
        outbox.busy = False
        self._schedule(outbox, outbox.retry)
        outbox.retry = min(2 * outbox.retry, RETRY_LAST)

    def _remove(self, keys: list[str]) -> None:
        try:
            removed = self._store.transact(Transaction([Delete(key) for key in keys]))
        except StoreClosed:
            self._on_fatal(Failure())
        else:
            removed.addErrback(self._on_fatal)
