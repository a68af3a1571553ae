"""
A job and its opcodes as the store keeps them, and the words for their states (reference: jobs).
"""

from typing import Any, Literal

import msgspec

from gnttwist.model.stored import Stored

Status = Literal["queued", "waiting", "canceling", "running", "canceled", "success", "error"]
FINAL: frozenset[str] = frozenset({"canceled", "success", "error"})
"""
States that a job or opcode never leaves.
"""

UNFINISHED = ("queued", "waiting", "canceling", "running")
"""
The others.
"""

Timestamp = tuple[int, int]
"""
Seconds and microseconds since the epoch, as every job field and log entry has them.
"""

DEFAULT_PRIORITY = 0
"""
Smaller is more urgent; submission allows -10, 0 and 10.
"""


def timestamp(seconds: float) -> Timestamp:
    """
    A wall-clock reading as Ganeti writes it.
    """
    whole = int(seconds)
    return whole, int((seconds - whole) * 1_000_000)


class QueuedOp(msgspec.Struct, frozen=True, kw_only=True):
    """
    One opcode of a job.

    @ivar input: The opcode as accepted, defaults filled in, secrets taken out.
    @ivar result: What the unit returned, or C{[error name, [arguments]]}; C{None} until it ended.
    """

    input: dict[str, Any]
    status: Status = "queued"
    result: Any = None
    priority: int = DEFAULT_PRIORITY
    start_timestamp: Timestamp | None = None
    exec_timestamp: Timestamp | None = None
    end_timestamp: Timestamp | None = None


class Job(Stored, frozen=True, kw_only=True):
    """
    A job: opcodes that run one after the other.

    The log is kept under keys of its own, so a line costs its own size.

    @ivar seed: Random bytes in hex, drawn when the job was accepted: what the context's randomness comes from.
    @ivar submitter: The uid that the submitting connection had.
    @ivar cancel: Whether a cancel request has been accepted, which cannot be taken back.
    @ivar replays: How many replays in a row have ended the daemon.
    """

    id: int
    ops: list[QueuedOp]
    seed: str
    received_timestamp: Timestamp
    start_timestamp: Timestamp | None = None
    end_timestamp: Timestamp | None = None
    submitter: int | None = None
    cancel: bool = False
    replays: int = 0
    archived: bool = False

    @property
    def status(self) -> Status:
        """
        The job's state, computed from its opcodes' states as Ganeti does.
        """
        result: Status = "queued"
        for op in self.ops:
            match op.status:
                case "error" | "canceling" | "canceled":
                    return op.status
                case "waiting" | "running":
                    result = op.status
        if self.ops and all(op.status == "success" for op in self.ops):
            return "success"
        return result

    @property
    def priority(self) -> int:
        """
        The most urgent priority of the opcodes that have not ended.
        """
        return min((op.priority for op in self.ops if op.status not in FINAL), default=DEFAULT_PRIORITY)


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """
    One line of a job's log.

    @ivar serial: Counts from 1 in each job.
    @ivar op: The opcode's index.
    @ivar type: C{message} for text.
    @ivar step: The journal step that wrote it, so that a replay does not write it again.
    @ivar call: For forwarded feedback: the call's key and the feedback's serial.
    """

    serial: int
    time: Timestamp
    type: str
    payload: Any
    op: int = 0
    step: str = ""
    call: tuple[str, int] | None = None

    def to_wire(self) -> list[Any]:
        """
        C{[serial, [seconds, microseconds], type, payload]}.
        """
        return [self.serial, list(self.time), self.type, self.payload]
