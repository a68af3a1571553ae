"""
What the remote API answers when something is wrong: a status and a document of three members, as Ganeti's clients
read it (reference: RAPI, section 6.1).
"""

from typing import ClassVar

import msgspec

from twisted.web.http import RESPONSES

from gnttwist.client.luxi import NotReachable
from gnttwist.client.luxi_async import LateAnswer, TooManyCalls
from gnttwist.errors import (
    ECode,
    GnttwistError,
    JobLost,
    JobQueueDrainError,
    JobQueueFull,
    OpCodeUnknown,
    OperationError,
    OpPrereqError,
    ParameterError,
    RemoteError,
    TypeEnforcementError,
)

RETRY_AFTER = 2
"""
Seconds after which a client should try again: a restarted gnt-masterd is back by then.
"""


class HTTPError(GnttwistError):
    """
    A request cannot be served; the first argument is a sentence for the client.

    @cvar status: The HTTP status.
    """

    status: ClassVar[int] = 500


class BadRequest(HTTPError):
    """
    The request makes no sense. The sentence names the field.
    """

    status = 400


class Forbidden(HTTPError):
    """
    The user may not do this.
    """

    status = 403


class NotFound(HTTPError):
    """
    There is no such thing.
    """

    status = 404


class BadGateway(HTTPError):
    """
    gnt-masterd is not there or is not understood.
    """

    status = 502


class Unavailable(HTTPError):
    """
    Not now.
    """

    status = 503


class GatewayTimeout(HTTPError):
    """
    gnt-masterd did not answer in time.
    """

    status = 504


LATER = frozenset({502, 503, 504})
"""
Statuses that come with C{Retry-After}.
"""

_FULL = "The job queue is full"


def document(status: int, explain: str) -> bytes:
    """
    The body of an error.
    """
    message = RESPONSES.get(status, b"Refused").decode()
    return msgspec.json.encode({"code": status, "message": message, "explain": explain}) + b"\n"


def as_http(error: BaseException | None) -> HTTPError | None:
    """
    The answer that an expected error means; C{None} for one that nobody expected.
    """
    match error:
        case HTTPError():
            return error
        case OpPrereqError(args=(text, ECode.NOENT)):
            return NotFound(str(text))
        case OpPrereqError() | OpCodeUnknown() | ParameterError() | TypeEnforcementError():
            return BadRequest(str(error))
        case JobLost():
            return NotFound(str(error))
        case JobQueueFull():
            return Unavailable(_FULL)
        case JobQueueDrainError() | TooManyCalls():
            return Unavailable(str(error))
        case LateAnswer():
            return GatewayTimeout(str(error))
        case NotReachable() | RemoteError():
            return BadGateway(str(error))
        case OperationError():
            # Expected, though not by name: the sentence is for whoever asked.
            return HTTPError(str(error))
        case _:
            return None
