"""
Answers to those who wait for a call: at its end, or as a stream with what the function says meanwhile.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attrs import frozen

from twisted.internet.defer import TimeoutError
from twisted.internet.interfaces import IReactorTime

from gnttwist.launcher.spool import SpoolReader, Value
from gnttwist.noded.call import FunctionCall
from gnttwist.noded.call_table import UnknownCall
from gnttwist.noded.outlet import Outlet
from gnttwist.wire import rpc, rpc_answers
from gnttwist.wire.framing import SEPARATOR


@frozen
class Body:
    """
    An answer: bytes, with a return value from its spool between them.
    """

    before: bytes
    value: Value | None = None
    after: bytes = b""

    @property
    def length(self) -> int:
        """
        In bytes.
        """
        return len(self.before) + len(self.after) + (0 if self.value is None else self.value.length)


def answer(call: FunctionCall, *, keyed: bool) -> Body:
    """
    What StartFunction and WaitForFunction say of a call as it is now.
    """
    match call.outcome:
        case None:
            return Body(rpc_answers.encode_answer(rpc_answers.Unfinished(call.id or ""), keyed=keyed))
        case Value() as value:
            return Body(rpc_answers.FINISHED_PREFIX, value, rpc_answers.FINISHED_SUFFIX)
        case ended:
            return Body(rpc_answers.encode_answer(ended, keyed=keyed))


def blocking_answer(call: FunctionCall) -> Body:
    """
    What the blocking form says of a call that has ended.
    """
    match call.outcome:
        case Value() as value:
            return Body(b"", value)
        case rpc_answers.Ended(_, detail):
            return Body(rpc.encode_arguments([False, detail]))
    raise AssertionError("answered before its end")


@contextmanager
def _opened(value: Value | None) -> Iterator[int]:
    """
    The spool that the value is in. Open, it can be read to its end although it is removed meanwhile.

    @raise UnknownCall: It was removed already.
    """
    if value is None:
        yield -1
        return
    try:
        file = os.open(value.path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as reason:
        raise UnknownCall("the call was forgotten") from reason
    try:
        yield file
    finally:
        os.close(file)


async def send(clock: IReactorTime, request: Any, body: Body) -> None:
    """
    Write an answer of known length.

    @raise UnknownCall: The call was forgotten meanwhile.
    """
    with _opened(body.value) as file:
        request.setHeader(b"Content-Type", b"application/json")
        request.setHeader(b"Content-Length", b"%d" % body.length)
        outlet = Outlet(clock, request)
        outlet.open()
        await _write(outlet, body, file)
        outlet.close()


async def _write(outlet: Outlet, body: Body, file: int) -> None:
    if body.value is None:
        await outlet.write(body.before + body.after)
        return
    if body.before:
        await outlet.write(body.before)
    await outlet.write_value(file, body.value)
    if body.after:
        await outlet.write(body.after)


async def stream(
    clock: IReactorTime, request: Any, call: FunctionCall, timeout: float, seen: int, *, keyed: bool
) -> None:
    """
    Write what the function says after feedback number C{seen}, as it comes, until its end or for C{timeout}
    seconds, and then the answer.

    @raise SpoolCorrupt: (and L{OSError}) The spool cannot be read.
    """
    request.setHeader(b"Content-Type", rpc_answers.STREAM_TYPE.encode())
    deadline = clock.seconds() + timeout
    reader = SpoolReader(call.spool)
    outlet = Outlet(clock, request)
    outlet.open()
    await outlet.write(b"")
    while True:
        # Asked for before looking, so that nothing falls between.
        grown = call.grown.wait()
        ended = call.outcome is not None
        try:
            await _write_feedback(outlet, reader, seen)
        except FileNotFoundError:
            # A call that was aborted before it had a process, or was forgotten.
            ended = ended or call.process is None
        left = deadline - clock.seconds()
        if ended or left <= 0:
            call.grown.leave(grown)
            break
        try:
            await grown.addTimeout(min(left, rpc_answers.KEEPALIVE_INTERVAL), clock)
        except TimeoutError:
            if clock.seconds() < deadline:
                await outlet.write(rpc_answers.KEEPALIVE)
    body = answer(call, keyed=keyed)
    with _opened(body.value) as file:
        await _write(
            outlet,
            Body(rpc_answers.RESULT_PREFIX + body.before, body.value, body.after + rpc_answers.RESULT_SUFFIX),
            file,
        )
    outlet.close()


async def at_once(clock: IReactorTime, request: Any, value: bytes, *, streamed: bool) -> None:
    """
    Write the answer of StartFunction for a call that has returned before it had a process.

    @param value: Its return value, as JSON.
    """
    data = rpc_answers.FINISHED_PREFIX + value + rpc_answers.FINISHED_SUFFIX
    if not streamed:
        await send(clock, request, Body(data))
        return
    request.setHeader(b"Content-Type", rpc_answers.STREAM_TYPE.encode())
    outlet = Outlet(clock, request)
    outlet.open()
    await outlet.write(rpc_answers.RESULT_PREFIX + data + rpc_answers.RESULT_SUFFIX)
    outlet.close()


async def _write_feedback(outlet: Outlet, reader: SpoolReader, seen: int) -> None:
    more = True
    while more:
        for each in reader.read():
            if each.serial > seen:
                await outlet.write(each.message + SEPARATOR)
        more = reader.behind
