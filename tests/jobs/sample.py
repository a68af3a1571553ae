"""
Opcodes, units and functions that take every kind of step.
"""

from collections.abc import Generator, Mapping
from functools import partial
from typing import Any

import msgspec
from attrs import frozen

from gnttwist.config.draft import Draft
from gnttwist.errors import FunctionFailed, OpExecError, OpPrereqError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.jobs.opcodes import Opcodes
from gnttwist.model import opcodes
from gnttwist.model.objects import Instance, Node
from gnttwist.model.opcode import Opcode, Parameters
from gnttwist.testing.node_calls import Function


class OpMake(Opcode, frozen=True, kw_only=True):
    """
    Make an instance, by every kind of step.
    """

    name: str
    break_at: str = ""
    slow: float = 0.0
    children: int = 0


class OpNothing(Opcode, frozen=True, kw_only=True):
    """
    Nothing at all.
    """


class OpSecret(Opcode, frozen=True, kw_only=True):
    """
    Something with a password.
    """

    secret_fields = frozenset({"passwords"})

    passwords: dict[str, str] = {}
    seconds: float = 0.0


KINDS: dict[str, type[Opcode]] = {each.op_id(): each for each in (OpMake, OpNothing, OpSecret)}


def parse(members: Mapping[str, Any]) -> Opcode:
    """
    Check a submitted opcode.
    """
    kind = KINDS.get(members.get("OP_ID", ""))
    if kind is None:
        return opcodes.parse(members)
    try:
        return msgspec.convert(members, kind)
    except msgspec.ValidationError as reason:
        raise OpPrereqError(str(reason), "wrong_input") from reason


def from_input(members: Mapping[str, Any], secrets: Mapping[str, Parameters]) -> Opcode:
    """
    The opcode that was stored.
    """
    op = parse({**members, **secrets})
    if "<redacted>" in getattr(op, "passwords", {}).values():
        raise OpExecError("The passwords were lost when the daemon stopped")
    return op


async def make(job: JobContext, op: OpMake) -> Any:
    """
    Make an instance on all nodes.
    """
    config = await job.config()
    lock = f"instance/{op.name}"
    node_locks = {f"node/{each.uuid}": LockMode.EXCLUSIVE for each in config.nodes}
    await job.acquire({"cluster/BGL": LockMode.SHARED, lock: LockMode.EXCLUSIVE})
    free = await job.acquire(node_locks, opportunistic=True)
    config = await job.config()
    if config.instances.named(op.name):
        raise OpPrereqError(f"Instance {op.name} is there already", "already_exists")
    job.log(f"making {op.name} with {len(free)} nodes locked")
    began = await job.now()
    uuid = await job.change("add the instance", partial(_add, op.name, config.master.uuid))
    job.on_failure("add the instance", partial(_unmade, uuid=uuid))
    _break(op, "change")
    paths = await job.gather(
        *(partial(_disk, node=each, name=op.name, slow=op.slow) for each in config.nodes)
    )
    await job.downgrade(sorted(free))
    _break(op, "gather")
    await job.sleep(2.0)
    ready = await job.until(partial(_ready, node=config.master, name=op.name), interval=1.0, timeout=30.0)
    await job.release(sorted(free))
    await job.call(config.master, "start", [op.name, op.break_at == "start"], limit=60.0)
    answers = await job.submit([[{"OP_ID": "OP_NOTHING"}]] * op.children) if op.children else []
    job.log(f"made {op.name}")
    lucky = job.random("lucky number").randrange(1000)
    later = await job.now()
    return {
        "uuid": uuid,
        "paths": paths,
        "ready": ready,
        "in order": later >= began,
        "lucky": lucky,
        "jobs": answers,
    }


def _break(op: OpMake, where: str) -> None:
    if op.break_at == where:
        raise OpExecError(f"broken at {where}")


def _add(name: str, node: str, draft: Draft) -> str:
    made = Instance(uuid=draft.new_uuid(), name=name, primary_node=node, os="", hypervisor="fake")
    return draft.put(made).uuid


def _remove(uuid: str, draft: Draft) -> None:
    draft.delete(draft.config.instances[uuid])


async def _unmade(job: JobContext, *, uuid: str) -> None:
    job.log("removing the instance again")
    await job.change("remove the instance", partial(_remove, uuid))


async def _disk(job: JobContext, *, node: Node, name: str, slow: float) -> Any:
    job.on_failure("make a disk", partial(_no_disk, node=node, name=name))
    path = await job.call(node, "make_disk", [name, slow])
    job.log(f"disk on {node.name}")
    return path


async def _no_disk(job: JobContext, *, node: Node, name: str) -> None:
    await job.call(node, "remove_disk", [name])


async def _ready(job: JobContext, *, node: Node, name: str) -> Any:
    return await job.call(node, "instance_info", [name, "fake", {}])


async def nothing(job: JobContext, op: OpNothing) -> None:
    """
    Nothing.
    """


async def secret(job: JobContext, op: OpSecret) -> str:
    """
    Show that the secret is there.
    """
    job.on_failure("something", _undo_secret)
    await job.call((await job.config()).master, "start", ["secret", False])
    await job.sleep(op.seconds)
    return "+".join(f"{len(each)} letters" for each in op.passwords.values())


async def _undo_secret(job: JobContext) -> None:
    await job.call((await job.config()).master, "remove_disk", ["secret"])


@frozen
class SampleUnit:
    """
    How an opcode is carried out.
    """

    version: int
    run: Any


UNITS = {
    "OP_MAKE": SampleUnit(1, make),
    "OP_NOTHING": SampleUnit(1, nothing),
    "OP_SECRET": SampleUnit(1, secret),
}


def to_input(op: Opcode) -> tuple[dict[str, Any], dict[str, Parameters]]:
    """
    An opcode as stored, and its secrets.
    """
    return opcodes.to_input(op)


def sample(**units: SampleUnit) -> Opcodes:
    """
    The sample's opcodes, some by other units.
    """
    return Opcodes({**UNITS, **units}, parse, to_input, from_input)


def _make_disk(world: dict[str, Any], name: str, slow: float) -> Generator[Any, None, str]:
    yield "message", f"allocating {name}"
    world.setdefault("disks", []).append(name)
    yield 0.5 + slow
    yield "progress", {"what": name, "done": 1, "total": 2, "unit": "GiB"}
    yield "message", f"half of {name}"
    yield 0.5
    return f"/disks/{name}"


def _remove_disk(world: dict[str, Any], name: str) -> None:
    world.setdefault("disks", [])[:] = [each for each in world.get("disks", ()) if each != name]


def _start(world: dict[str, Any], name: str, broken: bool) -> Generator[Any, None, None]:
    yield 1.0
    if broken:
        raise FunctionFailed("no such kernel")
    world.setdefault("running", []).append(name)


def _info(world: dict[str, Any], name: str, hypervisor: str, parameters: Any) -> Any:
    world["asked"] = world.get("asked", 0)
    return {"memory": 128} if name in world.get("disks", ()) else None


FUNCTIONS: Mapping[str, Function] = {
    "make_disk": _make_disk,
    "remove_disk": _remove_disk,
    "start": _start,
    "instance_info": _info,
}
