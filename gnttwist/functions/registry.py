"""
How a node function's code is found by its name, and what it is given.

Functions run in a process of their own, one per call: they may block, and a crash hurts nobody else. They are safe
against their caller, whose arguments may be hostile.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from gnttwist.errors import GnttwistError, LocalError
from gnttwist.paths import Paths
from gnttwist.wire.calls import FUNCTIONS, Signature

GUEST_MARK = "GNTTWIST_GUEST"
"""
The environment variable, of whatever value, that a function sets for a guest's program: the abort of a call ends
everything that the call has started, but for what has this.
"""


class FunctionError(GnttwistError):
    """
    An expected failure: its text becomes C{[false, text]}.
    """


class Context(Protocol):
    """
    What a function has beside its arguments.
    """

    @property
    def paths(self) -> Paths:
        """
        Where things live on this node.
        """

    def feedback(self, type: str, payload: Any) -> None:
        """
        Tell the caller something now. C{message} takes text; C{progress} takes
        C{{"what": str, "done": number, "total": number or null, "unit": str}}.
        """


Function = Callable[..., Any]
"""
Called with a L{Context} and the positional arguments as decoded JSON; returns JSON data.
"""

F = TypeVar("F", bound=Function)
_REGISTERED: dict[str, Function] = {}


def function(name: str) -> Callable[[F], F]:
    """
    Register the code of a function that L{gnttwist.wire.calls} lists.
    """

    def register(code: F) -> F:
        if name not in FUNCTIONS or name in _REGISTERED:
            raise LocalError(f"function {name} is not in the table, or is registered twice")
        _REGISTERED[name] = code
        return code

    return register


def registered() -> dict[str, Function]:
    """
    All registered functions by name. L{gnttwist.functions.table} imports the modules that register them.
    """
    return dict(_REGISTERED)


def signature(name: str, code: Function) -> Signature | None:
    """
    What the table says of a function; C{None} where C{code} is not what is registered for it, as in tests.
    """
    return FUNCTIONS[name] if _REGISTERED.get(name) is code else None
