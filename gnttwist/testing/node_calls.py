"""
What calls consist of on the nodes in memory, L{gnttwist.testing.nodes}.
"""

from collections.abc import Callable, Generator
from typing import Any, Protocol

from attrs import define, field

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from gnttwist.errors import NodeError
from gnttwist.jobs.calls import Feedback, OnSilence

World = dict[str, Any]
Function = Callable[..., Any]
"""
Called with the node's world and the call's arguments; returns the payload or raises
L{gnttwist.errors.FunctionFailed}. A generator takes its time: it yields seconds to wait, or C{(type, payload)} for
feedback, and returns the payload.
"""


@define(eq=False)
class Running:
    """
    One function call.

    @ivar outcome: How it ended.
    @ivar listeners: Who follows it.
    """

    node: str
    function: str
    feedback: list[Feedback] = field(factory=list)
    ended: bool = False
    payload: Any = None
    error: NodeError | None = None
    steps: Generator[Any, None, Any] | None = None
    timer: IDelayedCall | None = None
    listeners: list["Listener"] = field(factory=list)


class Hears(Protocol):
    """
    A master, as nodes see it.
    """

    def tell(self, listener: "Listener", feedback: Feedback) -> None:
        """
        Pass feedback on.
        """

    def end(self, listener: "Listener", running: Running) -> None:
        """
        Pass a result on.
        """

    def lose_patience(self, listener: "Listener", node: str) -> None:
        """
        A node is silent from now on.
        """


@define(eq=False)
class Listener:
    """
    One call of a master.

    @ivar connection: Whom it is told to.
    """

    connection: "Hears"
    on_feedback: Callable[[Feedback], None]
    on_silence: OnSilence | None
    seen: int
    answer: Deferred[Any]
