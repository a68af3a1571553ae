"""
The node daemon's HTTP interface: requests in, calls asked for, answers out. See docs/architecture.md, the call
protocol.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import uuid4

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from gnttwist.errors import GnttwistError, RemoteError
from gnttwist.launcher import tree
from gnttwist.net.http import Refusal
from gnttwist.net.http_limits import RETRY_AFTER
from gnttwist.noded import answers
from gnttwist.noded.call_table import UnknownCall
from gnttwist.noded.calls import Busy, Calls, UnknownFunction
from gnttwist.noded.processes import LauncherGone, StartRefused
from gnttwist.noded.registry import RegistryFailed, RegistryFull
from gnttwist.wire import rpc, rpc_answers

REQUESTS_LIMIT = 1000
"""
Most requests that are worked on or wait at a time, each for 10 kB of memory: five for each of the calls that may run.
"""

STATUS: tuple[tuple[tuple[type[GnttwistError], ...], int], ...] = (
    ((UnknownCall, UnknownFunction), 404),
    ((Busy, RegistryFull, RegistryFailed, LauncherGone, StartRefused), 503),
    ((RemoteError,), 400),
)
"""
What each error is answered with.
"""

Route = Callable[[Any, bytes], Awaitable[None]]


class NodeResource(Resource):
    """
    All paths.
    """

    isLeaf = True
    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        calls: Calls,
        look: Callable[[], Awaitable[Mapping[int, tree.Stat]]],
        vacant: Callable[[str, bytes], bytes | None] = lambda function, arguments: None,
    ) -> None:
        """
        @param look: Looks at the machine's processes, away from the reactor.
        @param vacant: Knows the return value of a call that has nothing to do: L{gnttwist.noded.vacant.Vacant}.
        """
        super().__init__()
        self._vacant = vacant
        self._look = look
        self._clock = clock
        self._calls = calls
        self._limit = REQUESTS_LIMIT
        self._serving = 0
        self._routes: dict[str, Route] = {
            rpc.START: self._start,
            rpc.WAIT: self._wait,
            rpc.ABORT: self._abort,
            rpc.FORGET: self._forget,
        }

    def render(self, request: Any) -> int:
        serving = Deferred.fromCoroutine(self._serve(request))
        # Only the waiting ends with the connection, never a call.
        request.notifyFinish().addErrback(lambda _: serving.cancel())
        serving.addErrback(self._failed, request)
        serving.addErrback(lambda why: self._log.failure("while refusing a request", failure=why))
        return NOT_DONE_YET

    async def _serve(self, request: Any) -> None:
        if self._serving >= self._limit:
            raise Busy(f"{self._limit} requests wait, the most that may")
        self._serving += 1
        try:
            await self._dispatch(request)
        finally:
            self._serving -= 1

    async def _dispatch(self, request: Any) -> None:
        name = request.path.decode("ascii", "replace").removeprefix("/")
        if request.method == b"GET" and name == "functions":
            await self._answer(request, rpc_answers.encode_rows(self._calls.table.rows(await self._look())))
        elif request.method not in (b"POST", b"PUT"):
            raise RemoteError("functions are called by POST")
        else:
            body = request.content.read()
            route = self._routes.get(name)
            if route is not None:
                await route(request, body)
            else:
                await self._block(request, name, body)

    async def _answer(self, request: Any, data: bytes) -> None:
        await answers.send(self._clock, request, answers.Body(data))

    async def _block(self, request: Any, function: str, body: bytes) -> None:
        """
        The form that Ganeti's masters use: the answer comes when the function has returned.
        """
        arguments = rpc.decode_arguments(body)
        if (value := self._vacant(function, arguments)) is not None:
            await self._answer(request, value)
            return
        call = await self._calls.start(function, arguments, rpc.StartOptions(), request.caller)
        while call.outcome is None:
            await call.done.wait()
        await answers.send(self._clock, request, answers.blocking_answer(call))
        self._calls.table.release(call)

    async def _start(self, request: Any, body: bytes) -> None:
        asked = rpc.decode_start(body)
        keyed = asked.options.key is not None
        if self._calls.table.get(asked.options.key) is None:
            value = self._vacant(asked.function, bytes(asked.arguments))
            if value is not None:
                await answers.at_once(self._clock, request, value, streamed=_wants_stream(request))
                return
        call = await self._calls.start(asked.function, bytes(asked.arguments), asked.options, request.caller)
        if _wants_stream(request):
            await answers.stream(self._clock, request, call, asked.timeout, 0, keyed=keyed)
        else:
            await call.wait(asked.timeout)
            ended = call.outcome is not None
            await answers.send(self._clock, request, answers.answer(call, keyed=keyed))
            if ended:
                # Nobody was told the ID of a call without a key.
                self._calls.table.release(call)

    async def _wait(self, request: Any, body: bytes) -> None:
        asked = rpc.decode_wait(body)
        call = await self._calls.find(asked.call)
        keyed = rpc.is_key(asked.call)
        if _wants_stream(request):
            seen = asked.options.seen
            await answers.stream(self._clock, request, call, asked.timeout, seen, keyed=keyed)
        else:
            await call.wait(asked.timeout)
            await answers.send(self._clock, request, answers.answer(call, keyed=keyed))

    async def _abort(self, request: Any, body: bytes) -> None:
        await self._calls.abort(rpc.decode_abort(body))
        await self._answer(request, b"true")

    async def _forget(self, request: Any, body: bytes) -> None:
        await self._answer(request, b"%d" % await self._calls.forget(rpc.decode_forget(body)))

    def _failed(self, failure: Failure, request: Any) -> None:
        """
        The one place where failures become answers.
        """
        if failure.check(CancelledError):
            return
        refusal = self._refusal(failure, request)
        if request.startedWriting:
            # Too late for another status: the caller sees a broken answer, and asks again.
            request.channel.forceAbortClient()
            return
        if request.producer is not None:
            request.unregisterProducer()
        body = refusal.text.encode() + b"\n"
        request.setResponseCode(refusal.status)
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        request.setHeader(b"Content-Length", b"%d" % len(body))
        if refusal.status == 503:
            request.setHeader(b"Retry-After", b"%d" % RETRY_AFTER)
        request.write(body)
        request.finish()

    def _refusal(self, failure: Failure, request: Any) -> Refusal:
        for kinds, status in STATUS:
            if failure.check(*kinds):
                text = " ".join(str(failure.value).split())
                self._log.info(
                    "{path} of {caller} is refused: {reason}",
                    path=request.path,
                    caller=request.caller,
                    reason=text,
                )
                return Refusal(status, text)
        incident = uuid4().hex[:12]
        self._log.failure("incident {incident}", failure=failure, incident=incident)
        return Refusal(500, f"internal error, incident {incident}")


def _wants_stream(request: Any) -> bool:
    accepted = request.getHeader(b"Accept") or b""
    return rpc_answers.STREAM_TYPE.encode() in accepted
