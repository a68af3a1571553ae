"""
One call of a function on a node, as a step: made once, followed to its end, its outcome journaled.
"""

from collections.abc import Sequence
from typing import Any

from attrs import define, field

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from gnttwist.errors import CallAborted, FunctionFailed, JobCanceled, NodeError, NotAnswering
from gnttwist.jobs.acknowledging import END_GRACE, Acknowledgements
from gnttwist.jobs.calls import Call
from gnttwist.jobs.execution import CANCELED, Execution, Wait
from gnttwist.jobs.feedback import Forwarding, OnFeedback
from gnttwist.jobs.journal import plain
from gnttwist.jobs.live import Progress
from gnttwist.jobs.steps import call_key
from gnttwist.model.objects import Node
from gnttwist.store.interface import Put, TooLarge
from gnttwist.wire.calls import FUNCTIONS

ABORT_RETRY = 5.0
"""
Seconds until a node that did not hear that a call is to be aborted is told again.
"""


def is_changing(function: str) -> bool:
    """
    Whether a function changes its node; what the table lacks is taken to.
    """
    signature = FUNCTIONS.get(function)
    return signature is None or signature.changing


@define(eq=False)
class NodeCall:
    """
    A call that one step makes.

    @ivar key: What makes it happen once; C{None} if it changes nothing.
    """

    _log = Logger()
    _execution: Execution
    _path: str
    _node: Node
    _function: str
    _arguments: Sequence[Any]
    _shielded: bool
    key: str | None = field(init=False)
    _ended: bool = field(default=False, init=False)
    _canceled: bool = field(default=False, init=False)
    _aborting: bool = field(default=False, init=False)
    _silent: bool = field(default=False, init=False)
    _timers: list[IDelayedCall] = field(factory=list, init=False)
    _call: Deferred[Any] | None = field(default=None, init=False)

    @key.default
    def _make_key(self) -> str | None:
        if not is_changing(self._function):
            return None
        services = self._execution.services
        cluster = services.configuration.snapshot.cluster.uuid
        return call_key(cluster, services.epoch, self._execution.live.id, self._path)

    async def run(self, limit: float | None, on_feedback: OnFeedback | None) -> Any:
        """
        Make the call, or find it where it was made before, and journal its outcome.

        @param limit: Seconds, since it was first made, until it is aborted.
        @raise NodeError: It failed.
        @raise JobCanceled: The job was cancelled and the call ended by that.
        """
        execution = self._execution
        deadline = None if limit is None else await execution.deadline(self._path, limit)
        try:
            value = plain(await self._follow(deadline, on_feedback))
        except (NodeError, JobCanceled) as error:
            abandoned = isinstance(error, NotAnswering)
            await execution.fail(self._path, error, self._note(abandoned))
            self._acknowledge(abandoned)
            raise
        try:
            await execution.succeed(self._path, value, self._note())
        except TooLarge as reason:
            too_much = FunctionFailed(f"{self._function} on {self._node.name} answers too much to be kept")
            await execution.fail(self._path, too_much, self._note())
            self._acknowledge()
            raise too_much from reason
        self._acknowledge()
        return value

    async def give_up(self, error: Any) -> None:
        """
        Journal C{error} as the outcome, although the call may have been made: end it, but do not wait for its end.
        """
        if self.key is not None:
            try:
                await self._execution.relay(self._execution.services.caller.abort(self._node, self.key))
            except NodeError as reason:
                self._log.info(
                    "{call} of job {job} is given up, and {node} does not hear it yet: {reason}",
                    call=self.key,
                    job=self._execution.live.id,
                    node=self._node.name,
                    reason=reason,
                )
        await self._execution.fail(self._path, error, self._note(abandoned=True))
        self._acknowledge(abandoned=True)

    def _note(self, abandoned: bool = False) -> list[Put]:
        return [] if self.key is None else [Acknowledgements.note(self._node, self.key, abandoned=abandoned)]

    def _acknowledge(self, abandoned: bool = False) -> None:
        if self.key is not None:
            self._execution.services.acknowledgements.send(self._node, self.key, abandoned=abandoned)

    async def _follow(self, deadline: float | None, on_feedback: OnFeedback | None) -> Any:
        execution = self._execution
        services = execution.services
        seen = 0 if self.key is None else execution.live.log.seen(self.key)
        forwarding = Forwarding(execution, services.clock, self._path, self.key, on_feedback, seen)
        # An aborted call still answers, and one that ended in time while the daemon was away is still to be heard.
        patience = None if deadline is None else max(deadline, services.now()) + END_GRACE
        call = Call(self._function, self._arguments, self.key, seen, patience)

        def abandon() -> None:
            forwarding.abandon()
            self._over()
            if self._call is not None:
                self._call.cancel()

        wait = Wait(self._interrupt, abandon, None if self.key is None else self._path)
        wait = execution.wait(wait, self._shielded)
        try:
            self._call = services.caller.call(self._node, call, forwarding.receive, self._silence)
            answer = execution.relay(self._call)
            if deadline is not None:
                self._later(deadline - services.now(), self._abort)
            if execution.live.job.cancel and not self._shielded:
                # It was made before the job was cancelled, and is found again after a restart.
                self._interrupt()
            return await answer
        except (CancelledError, CallAborted) as error:
            if self._canceled:
                raise JobCanceled(CANCELED) from error
            if isinstance(error, CancelledError):
                raise CallAborted(f"{self._function} on {self._node.name} took too long") from error
            raise
        finally:
            self._over()
            execution.over(wait)
            if not execution.stopped:
                forwarding.close()

    def _silence(self, seconds: float, why: str) -> None:
        what = f"waiting for node {self._node.name}, which does not answer"
        job = self._execution.live.id
        if not seconds:
            self._log.info("job {job} waits no more for {node}", job=job, node=self._node.name)
            self._execution.live.show(what, None)
        else:
            if not self._silent:
                self._log.warn(
                    "{node} does not answer, and job {job} waits: {why}",
                    node=self._node.name,
                    job=job,
                    why=why,
                )
            self._execution.progress(what, Progress(round(seconds), None, "s"))
        self._silent = bool(seconds)

    def _later(self, seconds: float, what: Any) -> None:
        self._timers = [each for each in self._timers if each.active()]
        self._timers.append(self._execution.services.clock.callLater(max(0.0, seconds), what))

    def _over(self) -> None:
        self._ended = True
        for each in self._timers:
            if each.active():
                each.cancel()

    def _interrupt(self) -> None:
        self._canceled = True
        self._abort()

    def _abort(self) -> None:
        if self._ended or self._aborting:
            return
        if self.key is None:
            if self._call is not None:
                self._call.cancel()
            return
        self._aborting = True
        told = self._execution.relay(self._execution.services.caller.abort(self._node, self.key))
        told.addErrback(self._not_told)

    def _not_told(self, failure: Any) -> None:
        self._aborting = False
        if not failure.check(NodeError):
            self._log.failure("aborting {call}", failure, call=self.key)
        if not self._ended:
            self._later(ABORT_RETRY, self._abort)
