"""
Routes: what a path and a method stand for. Values only; requests are served, the description is made and the
documentation is written from the same ones.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen

from gnttwist.rapi.failures import BadRequest

if TYPE_CHECKING:
    from gnttwist.rapi.call import Call

Method = Literal["GET", "POST", "PUT", "DELETE"]

PATTERNS: Mapping[str, str] = {"job_id": r"[0-9]{1,18}", "disk": r"[0-9]{1,9}"}
"""
What a path's variables match, where it is not a name.
"""

NAME = r"[\w.-]{1,255}"
"""
Names of objects in paths.
"""

Handler = Callable[["Call"], Awaitable[Any]]
"""
Answers a request: with a value that is sent as JSON, or with L{gnttwist.rapi.call.WRITTEN} after writing itself.
"""


@frozen
class Argument:
    """
    An argument in a request's query.

    @ivar kind: C{flag} is 0 or 1, C{texts} may be repeated.
    """

    name: str
    kind: Literal["flag", "text", "texts", "number"] = "flag"
    purpose: str = ""


BULK = Argument("bulk", purpose="all about each object, not only its name")
LOCK = Argument("lock", purpose="refused: queries take no locks here")
DRY_RUN = Argument("dry-run", purpose="check everything and change nothing")
FORCE = Argument("force", purpose="do it although a check advises against it")
REASON = Argument("reason", "text", purpose="why, for the job's reason trail")


@frozen
class Route:
    """
    One method of one resource.

    @ivar path: With variables in braces.
    @ivar permission: What its user needs, of L{gnttwist.rapi.users.PERMISSIONS}.
    @ivar purpose: In a sentence.
    @ivar arguments: What its query may hold.
    @ivar opcode: The C{OP_ID} of the job that it submits.
    @ivar body: What its body is: nothing, anything, or a JSON schema.
    @ivar answer: A JSON schema of its answer.
    @ivar content: The answer's content type.
    @ivar handler: Serves it.
    """

    method: Method
    path: str
    permission: str
    purpose: str
    handler: Handler = field(repr=False, eq=False)
    arguments: tuple[Argument, ...] = ()
    opcode: str | None = None
    body: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] = field(factory=dict)
    content: str = "application/json"

    @property
    def variables(self) -> tuple[str, ...]:
        """
        The names of the path's variables, in order.
        """
        return tuple(re.findall(r"\{(\w+)\}", self.path))

    def argument(self, name: str) -> Argument | None:
        """
        An argument by its name.
        """
        return next((each for each in self.arguments if each.name == name), None)


@frozen
class Match:
    """
    What a request is for.

    @ivar names: The path's variables.
    """

    route: Route
    names: Mapping[str, str]


class Router:
    """
    Finds routes.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._fixed: dict[str, dict[str, Route]] = {}
        # By number of segments: what is looked at is a dozen patterns at most.
        self._patterns: dict[int, dict[str, tuple[re.Pattern[str], dict[str, Route]]]] = {}
        for each in self.routes:
            if each.variables:
                sized = self._patterns.setdefault(each.path.count("/"), {})
                sized.setdefault(each.path, (_pattern(each.path), {}))[1][each.method] = each
            else:
                self._fixed.setdefault(each.path, {})[each.method] = each

    def methods(self, path: str) -> tuple[Mapping[str, Route], Mapping[str, str]]:
        """
        The routes of a path by method, none where there is no such path; and the values of its variables.
        """
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed, {}
        for pattern, routes in self._patterns.get(path.count("/"), {}).values():
            found = pattern.fullmatch(path)
            if found is not None:
                return routes, found.groupdict()
        return {}, {}


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    text = "".join(
        f"(?P<{part}>{PATTERNS.get(part, NAME)})" if index % 2 else re.escape(part)
        for index, part in enumerate(parts)
    )
    return re.compile(text, re.ASCII)


def number(name: str, text: str) -> int:
    """
    An argument that is a number.

    @raise BadRequest: It is none.
    """
    if not re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII):
        raise BadRequest(f"query argument {name}: a number is expected, such as {name}=1")
    return int(text)
