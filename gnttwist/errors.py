"""
Every exception that gnttwist raises on purpose, and Ganeti's names for those that cross a wire.

Three families, by blame: L{LocalError} is a bug of ours, L{RemoteError} is a peer that broke its protocol, and
L{OperationError} is an answer: what a user asked for cannot be done. Only operation errors are encoded for
clients.
"""

from collections.abc import Sequence
from typing import Any, ClassVar


class GnttwistError(Exception):
    """
    The root of the tree.
    """


class LocalError(GnttwistError):
    """
    We asked for something that makes no sense: a bug on this side.
    """


class RemoteError(GnttwistError):
    """
    A peer sent what its protocol does not allow: drop it, the daemon goes on.
    """


class Rejected(RemoteError):
    """
    A message failed authentication or its schema, and is not answered.
    """


class NodeError(GnttwistError):
    """
    A call to a node did not end in a result. Its first argument is a sentence that names the node.
    """


class NotAnswering(NodeError):
    """
    The node was silent for longer than the caller may wait.
    """


class FunctionFailed(NodeError):
    """
    The function ran and ended with an expected failure; the text is the function's own.
    """


class FunctionDied(NodeError):
    """
    The function process ended without a result: killed, crashed, or lost with its machine.
    """


class CallAborted(NodeError):
    """
    The call was aborted at its caller's request.
    """


class OperationError(GnttwistError):
    """
    What was asked for cannot be done. Its name and C{args} are Ganeti's wire form: C{[name, [args...]]}.

    @cvar wire_name: The name on the wire, where it is not the class's own.
    """

    wire_name: ClassVar[str] = "GenericError"

    def __init_subclass__(cls) -> None:
        cls.wire_name = cls.__name__
        _BY_NAME[cls.wire_name] = cls

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else type(self).__name__


_BY_NAME: dict[str, type[OperationError]] = {"GenericError": OperationError}


class ECode:
    """
    The second argument of L{OpPrereqError}: what kind of refusal it is (reference: LUXI, section 1.3).
    """

    RESOLVER = "resolver_error"
    NORES = "insufficient_resources"
    TEMP_NORES = "temp_insufficient_resources"
    INVAL = "wrong_input"
    STATE = "wrong_state"
    NOENT = "unknown_entity"
    EXISTS = "already_exists"
    NOTUNIQUE = "resource_not_unique"
    FAULT = "internal_error"
    ENVIRON = "environment_error"


class OpPrereqError(OperationError):
    """
    Refused before anything was touched: C{(message, code)}, the code one of L{ECode}'s.
    """


class OpExecError(OperationError):
    """
    Failed while being carried out: C{(message,)}.
    """


class OpCodeUnknown(OperationError):
    """
    No such opcode: C{(message,)}.
    """


class OpResultError(OperationError):
    """
    A unit returned what its opcode does not promise.
    """


class ParameterError(OperationError):
    """
    An opcode's or a query's parameter is wrong: C{(message,)}.
    """


class TypeEnforcementError(OperationError):
    """
    A parameter dictionary holds a value of the wrong type.
    """


class UnitParseError(OperationError):
    """
    A size such as C{10g} cannot be read.
    """


class ConfigurationError(OperationError):
    """
    The configuration is damaged or contradicts itself.
    """


class ProgrammerError(OperationError):
    """
    A unit broke the job context's rules.
    """


class LockError(OperationError):
    """
    A lock was asked for out of order.
    """


class HypervisorError(OperationError):
    """
    A hypervisor refused.
    """


class JobLost(OperationError):
    """
    There is no such job: C{(message,)}.
    """


class JobCanceled(OperationError):
    """
    The job was cancelled at a user's request.
    """


class JobQueueError(OperationError):
    """
    The queue cannot take or change a job.
    """


class JobQueueDrainError(OperationError):
    """
    The queue is drained and takes no new jobs.
    """


class JobQueueFull(OperationError):
    """
    Too many jobs are queued. Has no arguments.
    """


class HooksAbort(OperationError):
    """
    A hook vetoed: one argument, a list of C{[node, script, output]}.
    """

    def __str__(self) -> str:
        """
        For people: which hooks, and what they say.
        """
        match self.args:
            case [[*vetoes]]:
                told = [_veto(each) for each in vetoes]
                return f"Nothing was done, because hooks did not allow it: {'; '.join(told)}"
        return super().__str__()


def _veto(value: object) -> str:
    match value:
        case [node, script, output]:
            return f"{script} on node {node} says {output or '(nothing)'}"
    return str(value)


class LuxiError(OperationError):
    """
    A LUXI request is malformed.
    """


def to_wire(error: OperationError) -> list[Any]:
    """
    Ganeti's encoding of an error: C{[class name, [arguments]]}.
    """
    return [error.wire_name, list(error.args)]


def from_wire(value: object) -> OperationError | None:
    """
    The error that C{value} encodes, or C{None} where it is not an encoded error.

    A name that this table lacks gives an L{OperationError} whose text begins with that name.
    """
    match value:
        case [str(name), [*arguments]]:
            found = _BY_NAME.get(name)
            return found(*arguments) if found else OperationError(_describe(name, arguments))
        case _:
            return None


def _describe(name: str, arguments: Sequence[object]) -> str:
    return ": ".join([name, *(str(each) for each in arguments)])
