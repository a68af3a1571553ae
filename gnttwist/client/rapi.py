"""
A client of the remote API on Twisted, for programs: what it is asked for is typed, how it gets there is treq's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import treq
from attrs import define, field
from treq.client import HTTPClient

from twisted.internet.ssl import Certificate
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool
from twisted.web.http_headers import Headers

from gnttwist.errors import GnttwistError

TIMEOUT = 60.0
"""
Seconds for an answer; the server waits for gnt-masterd itself.
"""

WAIT_TIME = 50
"""
Seconds that one request waits for a job: each costs both sides something, and proxies give up after a minute.
"""

FINAL = ("success", "error", "canceled")

Op = Mapping[str, Any]
"""
An opcode: its C{OP_ID} and parameters.
"""


class RAPIError(GnttwistError):
    """
    The server refused; the first argument is its explanation.

    @ivar status: The HTTP status.
    """

    def __init__(self, explain: str, status: int) -> None:
        super().__init__(explain)
        self.status = status


@define(eq=False, repr=False)
class RAPIClient:
    """
    One cluster's remote API. All methods raise L{RAPIError}, and Twisted's errors for connections.

    @ivar _http: Sends requests.
    @ivar _base: C{https://host:port}.
    @ivar _pool: Connections of its own.
    """

    _http: HTTPClient
    _base: str
    _user: str
    _password: str = field(repr=False)
    _pool: HTTPConnectionPool | None = None

    @classmethod
    def connecting(
        cls, reactor: Any, base: str, user: str, password: str, authority: bytes | None = None
    ) -> "RAPIClient":
        """
        A client with connections of its own, which are kept.

        @param base: The host must be one that the server's certificate names.
        @param authority: The certificate that it must have or be signed with, in PEM; by default the system's.
        """
        root = None if authority is None else Certificate.loadPEM(authority)
        pool = HTTPConnectionPool(reactor)
        agent = Agent(reactor, BrowserLikePolicyForHTTPS(root), pool=pool)
        return cls(HTTPClient(agent), base.rstrip("/"), user, password, pool)

    async def close(self) -> None:
        """
        End the connections that were kept.
        """
        if self._pool is not None:
            await self._pool.closeCachedConnections()

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = msgspec.UNSET,
        arguments: Mapping[str, str | list[str]] | None = None,
    ) -> Any:
        """
        Any request.

        @param arguments: Of the query.
        """
        data = None if body is msgspec.UNSET else msgspec.json.encode(body)
        response = await self._http.request(
            method,
            self._base + path,
            params=dict(arguments or {}),
            data=data,
            headers=Headers({} if data is None else {"Content-Type": ["application/json"]}),
            auth=(self._user, self._password),
            timeout=TIMEOUT,
        )
        content = await treq.content(response)
        try:
            found = msgspec.json.decode(content)
        except msgspec.DecodeError as reason:
            raise RAPIError(f"not an answer of a remote API: {reason}", response.code) from reason
        if response.code != 200:
            explain = found.get("explain") if isinstance(found, dict) else None
            raise RAPIError(str(explain or found), response.code)
        return found

    # What there is

    async def info(self) -> dict[str, Any]:
        """
        The cluster.
        """
        found: dict[str, Any] = await self.ask("GET", "/2/info")
        return found

    async def names(self, kind: str) -> list[str]:
        """
        What there is of C{nodes}, C{instances}, C{groups} or C{networks}.
        """
        rows = await self.ask("GET", f"/2/{kind}")
        return [each.get("id", each.get("name")) for each in rows]

    async def everything(self, kind: str) -> list[dict[str, Any]]:
        """
        The same, and all about each.
        """
        found: list[dict[str, Any]] = await self.ask("GET", f"/2/{kind}", arguments={"bulk": "1"})
        return found

    async def one(self, kind: str, name: str) -> dict[str, Any]:
        """
        All about one.
        """
        found: dict[str, Any] = await self.ask("GET", f"/2/{kind}/{name}")
        return found

    async def query(
        self, resource: str, fields: Sequence[str], condition: Sequence[Any] | None = None
    ) -> list[list[Any]]:
        """
        Chosen fields' values; C{None} for those that are not known.

        @param condition: A filter.
        """
        body = {"fields": list(fields), "qfilter": condition}
        found = await self.ask("PUT", f"/2/query/{resource}", body)
        return [[value for _, value in row] for row in found["data"]]

    # Jobs

    async def submit(self, *ops: Op, reason: str | None = None) -> int:
        """
        Submit a job.

        @return: Its number.
        """
        arguments = {} if reason is None else {"reason": reason}
        job: int = await self.ask("POST", "/2/jobs", {"ops": ops}, arguments)
        return job

    async def start(self, instance: str) -> int:
        """
        Start an instance, by a job.
        """
        job: int = await self.ask("PUT", f"/2/instances/{instance}/startup")
        return job

    async def stop(self, instance: str) -> int:
        """
        Stop an instance, by a job.
        """
        job: int = await self.ask("PUT", f"/2/instances/{instance}/shutdown")
        return job

    async def create(self, parameters: Op, *, dry_run: bool = False) -> int:
        """
        Create an instance, by a job.

        @param parameters: OP_INSTANCE_CREATE's.
        """
        job: int = await self.ask(
            "POST", "/2/instances", {"__version__": 1, **parameters}, {"dry-run": str(int(dry_run))}
        )
        return job

    async def cancel(self, job: int) -> tuple[bool, str]:
        """
        Ask a job to end.

        @return: Whether it does, and a sentence.
        """
        done, text = await self.ask("DELETE", f"/2/jobs/{job}")
        return done, text

    async def ended(self, job: int) -> tuple[str, list[Any]]:
        """
        Wait for a job's end.

        @return: Its status, and each opcode's result.
        """
        known: list[Any] | None = None
        while known is None or known[0] not in FINAL:
            body = {"fields": ["status", "opresult"], "previous_job_info": known}
            told = await self.ask("GET", f"/2/jobs/{job}/wait", body, {"timeout": str(WAIT_TIME)})
            if told is not None:
                known = told["job_info"]
        status, results = known
        return status, results
