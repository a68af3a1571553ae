"""
The one place where masterd turns failures into answers.
"""

import secrets
from collections.abc import Callable

from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure

from gnttwist.errors import OperationError
from gnttwist.wire import luxi, luxi_messages

_log = Logger()


def incident() -> str:
    """
    A short name by which a user's report can be found in the log.
    """
    return secrets.token_hex(6)


def to_response(failure: Failure, call: luxi.Call, *, new_incident: Callable[[], str] = incident) -> bytes:
    """
    The answer to a call that failed.

    What nobody foresaw is logged whole, and its client is told where to look instead of what went wrong inside.

    @raise CancelledError: That was the failure: its client is gone.
    """
    failure.trap(Exception)
    if failure.check(CancelledError):
        failure.raiseException()
    if isinstance(failure.value, OperationError):
        return luxi_messages.encode_failure(failure.value)
    name = new_incident()
    _log.failure(
        "incident {incident}: {method} failed unexpectedly",
        failure,
        incident=name,
        method=type(call).__name__,
    )
    return luxi_messages.encode_failure(
        OperationError(
            f"internal error in {type(call).__name__}; gnt-masterd's log has it as incident {name}"
        )
    )
