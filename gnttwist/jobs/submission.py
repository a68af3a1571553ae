"""
From what a client submitted to a job that can be stored.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from gnttwist.errors import OpCodeUnknown, OpPrereqError
from gnttwist.jobs.opcodes import Opcodes
from gnttwist.jobs.schedule import dependencies
from gnttwist.jobs.vault import Secrets
from gnttwist.model.job import Job, QueuedOp, timestamp
from gnttwist.model.opcode import Opcode

MAX_OPS = 1000
"""
How many opcodes a job may have: with a kilobyte each it still fits in a transaction.
"""


@frozen
class Parsed:
    """
    A job that is acceptable.

    @ivar inputs: Its opcodes as stored.
    """

    inputs: Sequence[dict[str, Any]]
    secrets: Secrets

    def job(self, id: int, seed: str, now: float, submitter: int | None) -> Job:
        """
        The job under the number that it gets.

        @raise OpPrereqError: A dependency is relative to what is not there.
        """
        ops = []
        for index, members in enumerate(self.inputs):
            source = f"gnt:opcode:{members['OP_ID'].removeprefix('OP_').lower()}"
            reason = [source, f"job={id};index={index}", int(now * 1_000_000_000)]
            depends = members.get("depends")
            if depends is not None:
                depends = [
                    [each.job, wanted]
                    for each, (_, wanted) in zip(dependencies(depends, id), depends, strict=True)
                ]
            changed = {**members, "depends": depends, "reason": [*(members.get("reason") or ()), reason]}
            ops.append(QueuedOp(input=changed, priority=members.get("priority") or 0))
        return Job(id=id, ops=ops, seed=seed, received_timestamp=timestamp(now), submitter=submitter)


def parse(ops: Sequence[Mapping[str, Any]], opcodes: Opcodes) -> Parsed:
    """
    Check a job's opcodes.

    @raise OpPrereqError: There are none, or too many, or a parameter is wrong.
    @raise OpCodeUnknown: One does not exist, or is not supported.
    """
    if not ops:
        raise OpPrereqError("A job needs at least one opcode", "wrong_input")
    if len(ops) > MAX_OPS:
        raise OpPrereqError(f"A job holds {MAX_OPS} opcodes at most, not {len(ops)}", "wrong_input")
    inputs, secrets = [], []
    for each in ops:
        members, secret = opcodes.to_input(_supported(opcodes.parse(each), opcodes))
        inputs.append(members)
        secrets.append(secret)
    return Parsed(inputs, secrets)


def _supported(op: Opcode, opcodes: Opcodes) -> Opcode:
    if op.op_id() not in opcodes.units:
        raise OpCodeUnknown(f"Opcode {op.op_id()} is not supported by this version of gnttwist")
    return op


def inherit(op: Mapping[str, Any], parent: Mapping[str, Any]) -> dict[str, Any]:
    """
    An opcode that another submits: who wanted the parent also wanted this, as urgently.
    """
    kept = {name: parent.get(name) for name in ("debug_level", "priority") if op.get(name) is None}
    reason = op.get("reason") or parent.get("reason") or []
    comment = op.get("comment") or f"Submitted by {parent.get('OP_ID')}"
    return {**op, **kept, "reason": reason, "comment": comment}
