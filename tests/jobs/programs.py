"""
Units made up at random: trees of steps, branches and undos.
"""

import random
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import Any

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.errors import FunctionFailed, LockError, NodeError, OpExecError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.jobs.opcodes import Opcodes
from gnttwist.model.opcode import Opcode
from tests.jobs import sample

Program = list[list[Any]]
"""
Steps: a word, and what it needs.
"""


class OpProgram(Opcode, frozen=True, kw_only=True):
    """
    A program to carry out.
    """

    program: list[list[Any]]


def draw(source: random.Random, size: int, depth: int = 0) -> Program:
    """
    A program of so many steps, some of which are programs.
    """
    return [_draw_step(source, size, depth) for _ in range(size)]


def _draw_step(source: random.Random, size: int, depth: int) -> list[Any]:
    kinds = ["now", "config", "log", "sleep", "change", "call", "call", "until", "submit", "catch"]
    if depth < 2:
        kinds += ["gather", "undo"]
    if not depth:
        kinds += ["lock", "release"]
    kind = source.choice(kinds)
    seconds = source.randrange(8) / 4
    match kind:
        case "sleep" | "until":
            return [kind, seconds]
        case "call":
            return [kind, source.randrange(2), source.randrange(100), seconds, source.random() < 0.1]
        case "catch":
            return [kind, source.randrange(2), source.randrange(100), seconds]
        case "change" | "log" | "lock":
            return [kind, source.randrange(100)]
        case "gather":
            return [kind, [draw(source, max(1, size // 3), depth + 1) for _ in range(source.randrange(1, 4))]]
        case "undo":
            return [kind, source.randrange(100), draw(source, max(1, size // 3), 2)]
        case _:
            return [kind]


async def carry_out(job: JobContext, op: OpProgram) -> Any:
    """
    Run a program.

    @return: What its steps gave.
    """
    return await _run(job, op.program)


async def _run(job: JobContext, program: Program) -> list[Any]:
    results: list[Any] = []
    for kind, *rest in program:
        results.append(await _STEPS[kind](job, *rest))
    return results


async def _now(job: JobContext) -> bool:
    return await job.now() > 0


async def _config(job: JobContext) -> int:
    return len((await job.config()).nodes)


async def _log(job: JobContext, number: int) -> None:
    job.log(f"line {number}")


async def _sleep(job: JobContext, seconds: float) -> None:
    await job.sleep(seconds)


async def _change(job: JobContext, number: int) -> int:
    return await job.change(f"tag {number}", partial(_tag, number))


def _tag(number: int, draft: Draft) -> int:
    cluster = draft.config.cluster
    draft.put(msgspec.structs.replace(cluster, tags=sorted([*cluster.tags, f"t{number}"])))
    return number


async def _call(job: JobContext, node: int, number: int, seconds: float, broken: bool) -> Any:
    nodes = list((await job.config()).nodes)
    return await job.call(nodes[node], "work", [number, seconds, broken])


async def _catch(job: JobContext, node: int, number: int, seconds: float) -> str:
    try:
        await _call(job, node, number, seconds, True)
    except NodeError as error:
        return str(error)
    raise OpExecError("it should have failed")


async def _until(job: JobContext, seconds: float) -> Any:
    async def poll(context: JobContext) -> Any:
        return None

    return await job.until(poll, interval=0.5, timeout=seconds)


async def _submit(job: JobContext) -> int:
    # Numbers of jobs depend on who was first.
    return len(await job.submit([[{"OP_ID": "OP_NOTHING"}]]))


async def _gather(job: JobContext, programs: list[Program]) -> Any:
    return await job.gather(*(partial(_run, program=each) for each in programs))


async def _undo(job: JobContext, number: int, program: Program) -> None:
    async def undo(context: JobContext) -> None:
        await _run(context, program)

    job.on_failure(f"undo {number}", undo)


async def _lock(job: JobContext, number: int) -> Any:
    # Some are out of order, and refused.
    try:
        return sorted(
            await job.acquire({f"network/{number}": LockMode.SHARED}, opportunistic=number % 3 == 0)
        )
    except LockError:
        return "refused"


async def _release(job: JobContext) -> None:
    await job.release([])


_STEPS: dict[str, Callable[..., Awaitable[Any]]] = {
    "now": _now,
    "config": _config,
    "log": _log,
    "sleep": _sleep,
    "change": _change,
    "call": _call,
    "catch": _catch,
    "until": _until,
    "submit": _submit,
    "gather": _gather,
    "undo": _undo,
    "lock": _lock,
    "release": _release,
}


def _work(world: dict[str, Any], number: int, seconds: float, broken: bool) -> Generator[Any, None, int]:
    world["begun"] = world.get("begun", 0) + 1
    yield "message", f"work {number}"
    yield seconds
    if broken:
        raise FunctionFailed(f"work {number} failed")
    world.setdefault("worked", []).append(number)
    return number


FUNCTIONS = {"work": _work}


def opcodes() -> Opcodes:
    """
    The sample's opcodes and programs.
    """
    sample.KINDS[OpProgram.op_id()] = OpProgram
    return sample.sample(OP_PROGRAM=sample.SampleUnit(1, carry_out))
