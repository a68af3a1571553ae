"""
One request, as its handler sees it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from attrs import field, frozen

from gnttwist.client.luxi_async import LuxiPool
from gnttwist.model.opcodes import parse
from gnttwist.rapi.events import EventHub
from gnttwist.rapi.failures import BadRequest
from gnttwist.rapi.routes import Route, number
from gnttwist.rapi.rows import Described
from gnttwist.rapi.users import User
from gnttwist.rapi.waiting import JobWaits

WRITTEN: Final = object()
"""
What a handler returns that has written its answer itself.
"""

REASON_LIMIT = 1000
"""
Most characters of a reason given in a query.
"""


@frozen
class Services:
    """
    What handlers use.

    @ivar luxi: Calls to gnt-masterd.
    @ivar waits: Waiting for jobs.
    @ivar expiries: By file, when its certificate ends, in seconds since the epoch.
    @ivar events: What happens, to those who follow it.
    @ivar described: Makes lists of objects.
    """

    luxi: LuxiPool
    waits: JobWaits
    expiries: Callable[[], Mapping[str, float]]
    events: EventHub
    described: Described = field(factory=Described)


@frozen
class Call:
    """
    A request to one route.

    @ivar names: The path's variables.
    @ivar query: The query's arguments.
    @ivar request: Twisted's request, for handlers that write their answers themselves.
    """

    route: Route
    user: User
    names: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    services: Services = field(repr=False)
    _body: bytes = field(repr=False)
    request: Any = field(repr=False, default=None)

    def text(self, name: str) -> str | None:
        """
        A query argument; of repeated ones the first counts.
        """
        found = self.query.get(name)
        return found[0] if found else None

    def texts(self, name: str) -> list[str]:
        """
        All values of a query argument.
        """
        return list(self.query.get(name, ()))

    def required(self, name: str) -> str:
        """
        A query argument that must be there.

        @raise BadRequest: It is not.
        """
        found = self.text(name)
        if not found:
            raise BadRequest(f"query argument {name} is missing")
        return found

    def flag(self, name: str, default: bool = False) -> bool:
        """
        A query argument that is 0 or 1.

        @raise BadRequest: It is no number.
        """
        found = self.text(name)
        return default if found is None else number(name, found) != 0

    def number(self, name: str) -> int | None:
        """
        A query argument that is a number.

        @raise BadRequest: It is none.
        """
        found = self.text(name)
        return None if found is None else number(name, found)

    def fields(self) -> list[str] | None:
        """
        The names in the argument C{fields}, separated by commas.
        """
        found = self.text("fields")
        return None if found is None else [each for each in found.split(",") if each]

    @property
    def has_body(self) -> bool:
        """
        Whether the request has one.
        """
        return bool(self._body)

    def json(self) -> Any:
        """
        The body.

        @raise BadRequest: It is not JSON.
        """
        try:
            return msgspec.json.decode(self._body) if self._body else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
            raise BadRequest(f"the body is not JSON: {reason}") from reason

    def members(self) -> dict[str, Any]:
        """
        The body, an object; one that is missing or null is empty.

        @raise BadRequest: It is something else.
        """
        found = self.json()
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise BadRequest("the body must be a JSON object")
        return found

    def write(self, body: bytes, kind: bytes) -> None:
        """
        Answer with bytes of any content type; the handler returns L{WRITTEN} then.
        """
        self.request.setHeader(b"Content-Type", kind)
        self.request.setHeader(b"Content-Length", b"%d" % len(body))
        self.request.write(body)
        self.request.finish()

    async def submit(self, *ops: Mapping[str, Any]) -> int:
        """
        Submit a job of these opcodes, whose parameters are checked first.

        @return: Its number.
        @raise OpPrereqError: A parameter is wrong, or missing.
        @raise OpCodeUnknown: An opcode is not supported.
        """
        checked = [self.checked(each) for each in ops]
        job: int = await self.services.luxi.call("SubmitJob", checked)
        return job

    def checked(self, op: Mapping[str, Any]) -> dict[str, Any]:
        """
        An opcode with the trail of who asked for it and why.

        @raise OpPrereqError: A parameter is wrong, or missing.
        @raise OpCodeUnknown: It is not supported.
        """
        now = time.time_ns()
        trail = []
        reason = self.text("reason")
        if reason:
            trail.append(["gnt:user", reason[:REASON_LIMIT], now])
        trail.append([f"gnt:library:rlib2:{_handler_name(self.route)}", "", now])
        given = op.get("reason")
        complete = {
            **{name: value for name, value in op.items() if value is not None},
            "reason": [*given, *trail] if isinstance(given, list) else given or trail,
        }
        parse(complete)
        return complete


def _handler_name(route: Route) -> str:
    """
    Ganeti's name of a route's handler, as it stands in reason trails: C{instances_name_startup}.
    """
    parts = []
    for each in route.path.removeprefix("/2/").split("/"):
        match each:
            case "{job_id}":
                parts.append("id")
            case "{filter_uuid}":
                parts.append("uuid")
            case "{disk}":
                continue
            case _:
                parts.append("name" if each.startswith("{") else each.replace("-", "_"))
    return "_".join(parts)
