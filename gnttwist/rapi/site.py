"""
Requests: refused or let in when their headers are there, served when their bodies are.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import msgspec
from attrs import define

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from gnttwist.net.http import LimitedChannel, LimitedRequest, LimitedSite, Refusal
from gnttwist.net.http_limits import CONNECTIONS_LIMIT
from gnttwist.rapi.auth import Authentication
from gnttwist.rapi.call import WRITTEN, Call, Services
from gnttwist.rapi.failures import LATER, RETRY_AFTER, BadRequest, as_http, document
from gnttwist.rapi.master import Master
from gnttwist.rapi.routes import Route, Router, number
from gnttwist.rapi.ui_files import OPEN
from gnttwist.rapi.users import NOBODY, User

BODY_LIMIT = 10 * 1024 * 1024
"""
Bytes of the longest body: Ganeti's.
"""

QUERY_FIELDS_LIMIT = 1000
"""
Most arguments of a query: it is 4 kB long at most.
"""

KNOWN_METHODS = ("GET", "POST", "PUT", "DELETE")


@define
class Admitted:
    """
    What is known of a request whose headers were accepted.
    """

    route: Route
    user: User
    names: Mapping[str, str]
    query: Mapping[str, Sequence[str]]


class RAPIRequest(LimitedRequest):
    """
    A request that was let in.
    """

    admitted: Admitted


@define(eq=False, repr=False)
class Gate:
    """
    Decides by its headers whether a request is served.

    @ivar _master: Where requests are sent on to; C{None} where this is always the place.
    """

    _router: Router
    _authentication: Authentication
    _master: Master | None

    def look(self, line: bytes, headers: Any, source: str, length: int | None) -> Admitted | Refusal:
        """
        Look at a request.

        @param line: Its first.
        @param length: Of its body.
        """
        method, target, version = _parts(line)
        if self._master is not None and self._master.elsewhere is not None:
            where = f"https://{self._master.elsewhere}".encode() + target
            return Refusal(307, "the master is another node", ((b"Location", where),))
        if version == b"HTTP/1.1" and not headers.hasHeader(b"host"):
            return Refusal(400, "the header Host is missing")
        path, _, text = target.partition(b"?")
        found, names = self._router.methods(path.decode("ascii", "replace"))
        route = found.get(method)
        permission = "read" if route is None else route.permission
        # Before anything is told of what there is.
        user = (
            NOBODY
            if permission == OPEN
            else self._authentication.check(
                headers.getRawHeaders(b"authorization", [None])[0], source, permission
            )
        )
        if isinstance(user, Refusal):
            return user
        if not found:
            return Refusal(404, f"there is no resource {path[:200].decode('ascii', 'replace')}")
        if route is None:
            allowed = ", ".join(sorted(found))
            explain = f"the method {method[:20]} is not supported here; there are {allowed}"
            return Refusal(501, explain, ((b"Allow", allowed.encode()),))
        if length and not _is_json(headers):
            return Refusal(415, "the body must be JSON: Content-Type: application/json")
        try:
            query = _query(route, text)
        except BadRequest as reason:
            return Refusal(400, str(reason))
        return Admitted(route, user, names, query)


def _parts(line: bytes) -> tuple[str, bytes, bytes]:
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    return method.decode("ascii", "replace"), target, version


def _is_json(headers: Any) -> bool:
    kinds = headers.getRawHeaders(b"content-type", [])
    return len(kinds) == 1 and kinds[0].strip().lower() == b"application/json"


def _query(route: Route, text: bytes) -> Mapping[str, Sequence[str]]:
    if not text:
        return {}
    try:
        found = parse_qs(
            text.decode("ascii"), keep_blank_values=True, max_num_fields=QUERY_FIELDS_LIMIT, errors="strict"
        )
    except ValueError as reason:
        raise BadRequest("the query cannot be read: name=value, joined by &, in UTF-8") from reason
    for name, values in found.items():
        argument = route.argument(name)
        if argument is not None and argument.kind in ("flag", "number"):
            number(name, values[0])
    return found


class RAPISite(LimitedSite):
    """
    The remote API's side of HTTP.
    """

    requestFactory = RAPIRequest

    def __init__(self, reactor: IReactorTime, gate: Gate, resource: Resource, connections: int) -> None:
        # Many clients behind one proxy or gateway have one address.
        super().__init__(reactor, resource, _source, BODY_LIMIT, connections, connections)
        self._gate = gate

    def admit(self, channel: LimitedChannel, length: int | None) -> str | Refusal:
        """
        See L{LimitedSite.admit}; and whose request it is, for what, is looked at.
        """
        answer = super().admit(channel, length)
        if isinstance(answer, Refusal):
            return answer
        request = channel.requests[-1]
        found = self._gate.look(channel.request_line, request.requestHeaders, answer, length)
        if isinstance(found, Refusal):
            return found
        request.admitted = found
        return answer

    def refusal_body(self, refusal: Refusal) -> tuple[bytes, bytes]:
        """
        See L{LimitedSite.refusal_body}: the document that Ganeti's clients read.
        """
        return b"application/json", document(refusal.status, refusal.text)


def _source(transport: Any) -> str:
    return str(transport.getPeer().host)


class RAPIResource(Resource):
    """
    Serves what was let in.
    """

    isLeaf = True
    _log = Logger()

    def __init__(self, services: Services) -> None:
        super().__init__()
        self._services = services

    def render(self, request: Any) -> int:
        serving = Deferred.fromCoroutine(self._serve(request))
        request.notifyFinish().addErrback(lambda _: serving.cancel())
        serving.addErrback(self._failed, request)
        serving.addErrback(lambda why: self._log.failure("while answering an error", failure=why))
        return NOT_DONE_YET

    async def _serve(self, request: Any) -> None:
        admitted: Admitted = request.admitted
        call = Call(
            admitted.route,
            admitted.user,
            admitted.names,
            admitted.query,
            self._services,
            request.content.read(),
            request,
        )
        result = await admitted.route.handler(call)
        if admitted.route.method != "GET":
            self._log.info(
                "{user} of {source}: {method} {path}: {result}",
                user=admitted.user.name,
                source=request.caller,
                method=admitted.route.method,
                path=request.path.decode("ascii", "replace"),
                result=result if isinstance(result, int) else "done",
            )
        if result is not WRITTEN:
            _send(request, 200, msgspec.json.encode(result) + b"\n")

    def _failed(self, failure: Failure, request: Any) -> None:
        if failure.check(CancelledError):
            return
        if request.startedWriting:
            # Too late for a status: the client sees a broken answer.
            request.channel.forceAbortClient()
            return
        found = as_http(failure.value)
        if found is None:
            incident = uuid4().hex[:12]
            self._log.failure("incident {incident}", failure=failure, incident=incident)
            _send(request, 500, document(500, f"internal error, incident {incident}"))
            return
        self._log.info(
            "{user} of {source}: {method} {path} is refused: {status} {reason}",
            user=request.admitted.user.name,
            source=request.caller,
            method=request.admitted.route.method,
            path=request.path.decode("ascii", "replace"),
            status=found.status,
            reason=str(found),
        )
        if found.status in LATER:
            request.setHeader(b"Retry-After", b"%d" % RETRY_AFTER)
        _send(request, found.status, document(found.status, str(found)))


def _send(request: Any, status: int, body: bytes) -> None:
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"application/json")
    request.setHeader(b"Content-Length", b"%d" % len(body))
    request.write(body)
    request.finish()


def connections_limit(descriptors: int) -> int:
    """
    How many connections are taken with so many descriptors.
    """
    return min(CONNECTIONS_LIMIT, max(descriptors - 64, 64))
