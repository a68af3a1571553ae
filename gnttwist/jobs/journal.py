"""
The journal of a job's opcode: what its steps gave, in the store and in memory. No I/O; others commit what it writes.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from gnttwist.errors import (
    CallAborted,
    FunctionDied,
    FunctionFailed,
    NodeError,
    NotAnswering,
    OperationError,
    ProgrammerError,
    from_wire,
    to_wire,
)
from gnttwist.jobs.context import LockMode
from gnttwist.model.stored import Undecodable
from gnttwist.store.interface import Delete, Put

PREFIX = "/jobs/journal/"

READ = "config"
"""
The kind of those steps whose value is the revision that they read.
"""

Kind = Literal["begin", "outcome", "deadline", "flying"]

_NODE_ERRORS: dict[str, type[NodeError]] = {
    each.__name__: each for each in (NodeError, NotAnswering, FunctionFailed, FunctionDied, CallAborted)
}


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One entry.

    @ivar op: The opcode's index.
    @ivar path: The step's name.
    @ivar kind: C{begin}: the opcode was begun, by the unit's version in C{value}. C{outcome}: the step has ended.
        C{deadline}: the step waits until C{value}, in seconds since the epoch. C{flying}: the step's call had been
        made when the job was cancelled.
    @ivar error: How it failed, as L{encode_error} has it.
    @ivar held: All locks that the job holds after this step, if it was about locks.
    """

    op: int
    path: str
    kind: Kind = "outcome"
    value: Any = None
    error: list[Any] | None = None
    held: dict[str, str] | None = None

    def answer(self) -> Any:
        """
        The step's value again.

        @raise OperationError: The step failed so.
        @raise NodeError: The step failed so.
        """
        if self.error is not None:
            raise decode_error(self.error)
        return self.value


def plain(value: Any) -> Any:
    """
    A value as a replay will see it: lists for tuples, and so on.

    @raise ProgrammerError: It is not JSON data.
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, ValueError, msgspec.MsgspecError) as reason:
        raise ProgrammerError(f"a step's outcome must be plain JSON data: {reason}") from reason


def encode_error(error: OperationError | NodeError) -> list[Any]:
    """
    C{[class name, [arguments]]}.
    """
    if isinstance(error, OperationError):
        return to_wire(error)
    known = next(each for each in type(error).__mro__ if each.__name__ in _NODE_ERRORS)
    return [known.__name__, [str(each) for each in error.args]]


def decode_error(value: list[Any]) -> OperationError | NodeError:
    """
    The opposite of L{encode_error}.

    @raise Undecodable: It is none.
    """
    match value:
        case [str(name), [*arguments]] if name in _NODE_ERRORS:
            return _NODE_ERRORS[name](*arguments)
    found = from_wire(value)
    if found is None:
        raise Undecodable(f"a journaled error: {value!r:.100}")
    return found


def modes(held: Mapping[str, str]) -> dict[str, LockMode]:
    """
    Locks as the journal has them.
    """
    return {name: LockMode(mode) for name, mode in held.items()}


def words(held: Mapping[str, LockMode]) -> dict[str, str]:
    """
    Locks for the journal.
    """
    return {name: mode.value for name, mode in held.items()}


class Journal:
    """
    What is journaled of one job: the steps of the opcode that it is at.

    @ivar oldest_read: The oldest revision of the configuration that a step read.
    """

    def __init__(self, job: int, entries: Iterable[tuple[int, Record]] = ()) -> None:
        """
        @param entries: What was found in the store, with its numbers, in order.
        """
        self._prefix = f"{PREFIX}{job:020d}/"
        self._outcomes: dict[str, Record] = {}
        self._notes: dict[tuple[str, Kind], Record] = {}
        self._held: dict[str, str] = {}
        self._numbers: list[int] = []
        self._next = 0
        self.oldest_read: int | None = None
        for number, record in entries:
            self._enter(number, record)

    def _enter(self, number: int, record: Record) -> None:
        self._numbers.append(number)
        self._next = number + 1
        if record.kind == "outcome":
            self._outcomes[record.path] = record
            if record.path.rpartition("/")[2].startswith(f"{READ}:") and isinstance(record.value, int):
                self.oldest_read = min(record.value, self.oldest_read or record.value)
        else:
            self._notes[record.path, record.kind] = record
        if record.held is not None:
            self._held = record.held

    def add(self, record: Record) -> Put:
        """
        Enter a record; what is returned must be committed next.
        """
        put = Put(f"{self._prefix}{self._next:010d}", msgspec.json.encode(record))
        self._enter(self._next, record)
        return put

    def outcome(self, path: str) -> Record | None:
        """
        How a step ended, if it did.
        """
        return self._outcomes.get(path)

    def note(self, path: str, kind: Kind) -> Any:
        """
        The value of a record that is no outcome; C{None} where there is no such record.
        """
        found = self._notes.get((path, kind))
        return None if found is None else found.value

    def steps(self) -> list[str]:
        """
        The names of the steps that have ended, in the order in which they did.
        """
        return list(self._outcomes)

    def held(self) -> dict[str, LockMode]:
        """
        The locks that the job holds.
        """
        return modes(self._held)

    def clear(self) -> list[Delete]:
        """
        Begin anew, for the next opcode.

        @return: The writes that remove what is in the store.
        """
        gone = [Delete(f"{self._prefix}{number:010d}") for number in self._numbers]
        self._outcomes, self._notes, self._held, self._numbers = {}, {}, {}, []
        self.oldest_read = None
        return gone
