"""
What a job needs to reach nodes: the interface that masterd's RPC client and the tests' fake nodes both have.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import frozen

from twisted.internet.defer import Deferred

from gnttwist.model.objects import Node


@frozen
class Feedback:
    """
    One message from a running function.

    @ivar serial: Counts from 1 in each call.
    @ivar time: Seconds and microseconds since the epoch, by the node's clock.
    @ivar type: C{message} for text, C{progress} for C{{"done": n, "total": n or null, "unit": str, "what": str}}.
    """

    serial: int
    time: tuple[int, int]
    type: str
    payload: Any


@frozen
class Call:
    """
    One call of a function on a node.

    @ivar key: What makes it happen once, however often it is started; C{None} only for functions that change nothing.
    @ivar seen: The serial of the last feedback that is already stored; later ones are delivered.
    @ivar deadline: Seconds since the epoch after which the caller wants no answer; C{None} for the function's own
        limit.
    """

    function: str
    arguments: Sequence[Any]
    key: str | None = None
    seen: int = 0
    deadline: float | None = None


OnSilence = Callable[[float, str], None]
"""
Called with the seconds for which a node has been silent and what last went wrong, now and then, once the node counts
as not answering; with 0 seconds when it answers again or is given up.
"""


class NodeCaller(Protocol):
    """
    Calls functions on nodes, by StartFunction and WaitForFunction, until they end.
    """

    def call(
        self,
        node: Node,
        call: Call,
        on_feedback: Callable[[Feedback], None],
        on_silence: OnSilence | None = None,
    ) -> Deferred[Any]:
        """
        Run a function to its end. Waits through restarts of the node daemon and broken connections.

        Cancelling the Deferred stops waiting and leaves the function running.

        @return: The function's payload.
        @raise FunctionFailed: (Deferred) It ended with a failure, whose text is the message.
        @raise FunctionDied: (Deferred) Its process ended without a result.
        @raise CallAborted: (Deferred) It was aborted.
        @raise NotAnswering: (Deferred) The node was silent for too long.
        """

    def abort(self, node: Node, key: str) -> Deferred[None]:
        """
        Ask the node to end a call: SIGTERM, then SIGKILL. The call itself then ends with L{CallAborted}.
        """

    def forget(self, node: Node, keys: Sequence[str]) -> Deferred[None]:
        """
        Acknowledge: the node may drop the keys' results. Unknown keys are fine.
        """
