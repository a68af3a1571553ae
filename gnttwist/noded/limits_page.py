"""
The documentation's table of gnt-noded's limits: C{python -m gnttwist.noded.limits_page > docs/limits.md}.

Values and reasons are those of the code: each limit is a constant, and the text below it says why it is what it is.
"""

import ast
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.resources import files

from attrs import frozen

INTRODUCTION = """\
# What gnt-noded takes, and how much

Made by `python -m gnttwist.noded.limits_page` from the constants that the daemon and its launcher use. Each limit is
crossed by the test that is named with it. Over a limit there is an answer with a reason, in one line of text, or the
connection ends; nothing waits without a bound. 503 comes with `Retry-After`.
"""


@frozen
class Limit:
    """
    One limit.

    @ivar place: The module below C{gnttwist} that has it.
    @ivar unit: Of its value.
    @ivar over: What happens beyond.
    @ivar test: Where it is crossed: below C{tests}.
    """

    place: str
    name: str
    unit: str
    over: str
    test: str


_HTTP, _CALLS, _RESOURCE = "net.http_limits", "noded.calls", "noded.test_resource.LimitTests"
_STREAM = "noded.test_resource.StreamTests"

LIMITS = (
    Limit(_HTTP, "REQUEST_LINE_LIMIT", "bytes", "414", f"{_RESOURCE}.test_request_line"),
    Limit(_HTTP, "HEADERS_LIMIT", "bytes", "431", f"{_RESOURCE}.test_headers"),
    Limit("wire.rpc", "BODY_LIMIT", "bytes", "413, before the body is read", f"{_RESOURCE}.test_large_body"),
    Limit(_HTTP, "HANDSHAKE_TIME", "s", "the connection ends", f"{_RESOURCE}.test_handshake"),
    Limit(_HTTP, "REQUEST_TIME", "s", "408", f"{_RESOURCE}.test_slow_request"),
    Limit(_HTTP, "IDLE_TIME", "s", "the connection ends", f"{_RESOURCE}.test_idle_time"),
    Limit(
        _HTTP,
        "CONNECTIONS_LIMIT",
        "connections",
        "the longest idle one ends; where none is idle, 503",
        f"{_RESOURCE}.test_connections",
    ),
    Limit(_HTTP, "REFUSED_CONNECTIONS", "connections", "closed at once", f"{_RESOURCE}.test_connections"),
    Limit(_HTTP, "CALLER_LIMIT", "connections", "503", f"{_RESOURCE}.test_one_callers_connections"),
    Limit("noded.resource", "REQUESTS_LIMIT", "requests", "503", f"{_RESOURCE}.test_waiting_requests"),
    Limit("wire.rpc", "LONGEST_TIMEOUT", "s", "400", "wire.test_rpc.RequestTests.test_refused"),
    Limit(_CALLS, "CALLS_LIMIT", "calls", "503", "noded.test_calls.StartTests.test_many"),
    Limit("noded.registry", "KEYS_LIMIT", "keys", "503", "noded.test_registry.RegistryTests.test_full"),
    Limit(
        "noded.call_table",
        "KEPT_LIMIT",
        "calls",
        "the oldest is forgotten",
        "noded.test_calls.EndTests.test_without_key",
    ),
    Limit("noded.outlet", "STALL", "s", "the connection ends", f"{_STREAM}.test_stalled_reader"),
    Limit(
        "launcher.children",
        "CHILDREN_LIMIT",
        "processes",
        "503",
        "functional.test_launcher.LauncherTests.test_too_many",
    ),
    Limit(
        "launcher.protocol",
        "HEADER_LIMIT",
        "bytes",
        "refused by the launcher",
        "launcher.test_protocol.ProtocolTests.test_long",
    ),
    Limit(
        "launcher.protocol",
        "ARGUMENTS_LIMIT",
        "bytes",
        "refused by the launcher",
        "functional.test_launcher.LauncherTests.test_bad_starts",
    ),
    Limit(
        "launcher.records",
        "RECORD_LIMIT",
        "bytes of a feedback",
        "the function fails",
        "launcher.test_spool.SpoolTests.test_feedback_too_long",
    ),
)


def render() -> str:
    """
    The whole page.
    """
    return "\n".join([INTRODUCTION, *_table()]) + "\n"


def _table() -> Iterator[str]:
    yield "| limit | value | beyond it | why | test |"
    yield "| --- | --- | --- | --- | --- |"
    for each in LIMITS:
        value = getattr(import_module(f"gnttwist.{each.place}"), each.name)
        name, shown = f"`{each.place}.{each.name}`", f"{value:,g}" if value < 1e6 else f"{value:,}"
        yield f"| {name} | {shown} {each.unit} | {each.over} | {_reason(each)} | `tests.{each.test}` |"


def _reason(limit: Limit) -> str:
    """
    The text below a constant, or below the last of several that share one.
    """
    *folders, module = limit.place.split(".")
    source = files("gnttwist").joinpath(*folders, f"{module}.py").read_text()
    body: Sequence[ast.stmt] = ast.parse(source).body
    names = [_names(each) for each in body]
    start = next(number for number, found in enumerate(names) if limit.name in found)
    for each in body[start + 1 :]:
        if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
            return (
                " ".join(str(each.value.value).split())
                .replace("C{", "`")
                .replace("}", "`")
                .replace("L{", "`")
            )
    raise AssertionError(f"{limit.name} has no reason")


def _names(statement: ast.stmt) -> Sequence[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


if __name__ == "__main__":
    sys.stdout.write(render())
