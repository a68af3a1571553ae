"""
A master's connection to the nodes in memory, L{gnttwist.testing.nodes}.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail, succeed

from gnttwist.errors import NotAnswering
from gnttwist.jobs.calls import Call, Feedback, OnSilence
from gnttwist.model.objects import Node
from gnttwist.testing.node_calls import Listener, Running

SILENCE = 10.0
"""
Seconds until L{Connection.call} tells of a silent node, and between two such words.
"""

PATIENCE = 30.0
"""
Seconds until a silent node is not answering, for L{Connection.call}.
"""


class Nodes(Protocol):
    """
    What a connection leads to.
    """

    def start(self, node: Node, call: Call) -> Running:
        """
        Begin a call, or find the one of this key.
        """

    def abort(self, node: Node, key: str) -> None:
        """
        End a call that runs.
        """

    def forget(self, node: Node, keys: Sequence[str]) -> None:
        """
        Drop the results of calls that have ended.
        """

    def is_silent(self, node: str) -> bool:
        """
        Whether a node does not answer.
        """

    def later(self, seconds: float, what: Callable[..., None], *arguments: Any) -> None:
        """
        Let something happen by the nodes' clock.
        """


class Connection:
    """
    What one life of a master has of the nodes.

    @ivar lost: Whether that master is gone: nothing reaches the nodes from it any more, nor it from them.
    """

    def __init__(self, nodes: Nodes, on_boundary: Callable[[str], None]) -> None:
        self._nodes = nodes
        self._on_boundary = on_boundary
        self.lost = False

    def lose(self) -> None:
        """
        The master is killed.
        """
        self.lost = True

    def call(
        self,
        node: Node,
        call: Call,
        on_feedback: Callable[[Feedback], None],
        on_silence: OnSilence | None = None,
    ) -> Deferred[Any]:
        """
        Run a function to its end.
        """
        listener = Listener(self, on_feedback, on_silence, call.seen, Deferred(self._cancelled))
        self._pass(f"call {call.function}")
        if self.lost:
            return listener.answer
        if self._nodes.is_silent(node.name):
            self.lose_patience(listener, node.name)
            return listener.answer
        running = self._nodes.start(node, call)
        self._pass(f"started {call.function}")
        if self.lost:
            return listener.answer
        for each in list(running.feedback):
            self.tell(listener, each)
        if running.ended:
            self.end(listener, running)
        else:
            running.listeners.append(listener)
        return listener.answer

    def abort(self, node: Node, key: str) -> Deferred[None]:
        """
        End a call.
        """
        return self._ask("abort", node, lambda: self._nodes.abort(node, key))

    def forget(self, node: Node, keys: Sequence[str]) -> Deferred[None]:
        """
        Drop results.
        """
        return self._ask("forget", node, lambda: self._nodes.forget(node, keys))

    def tell(self, listener: Listener, feedback: Feedback) -> None:
        """
        Pass feedback on.
        """
        if not self.lost and not listener.answer.called and feedback.serial > listener.seen:
            listener.seen = feedback.serial
            self._pass("feedback")
            if not self.lost:
                listener.on_feedback(feedback)

    def end(self, listener: Listener, running: Running) -> None:
        """
        Pass a result on.
        """
        self._pass(f"ended {running.function}")
        if self.lost or listener.answer.called:
            return
        if running.error is not None:
            listener.answer.errback(type(running.error)(*running.error.args))
        else:
            listener.answer.callback(running.payload)

    def _cancelled(self, answer: Deferred[Any]) -> None:
        pass  # the Deferred errs by itself; the function goes on

    def lose_patience(self, listener: Listener, node: str) -> None:
        """
        A node is silent from now on: that is told after L{SILENCE}, and it is not answering after L{PATIENCE}.
        """
        self._nodes.later(SILENCE, self._tell_silence, listener, node)
        self._nodes.later(PATIENCE, self._give_up, listener, node)

    def _tell_silence(self, listener: Listener, node: str) -> None:
        if listener.on_silence is not None and not self.lost and not listener.answer.called:
            if self._nodes.is_silent(node):
                listener.on_silence(SILENCE, "nothing arrives")
                self._nodes.later(SILENCE, self._tell_silence, listener, node)
            else:
                listener.on_silence(0.0, "")

    def _give_up(self, listener: Listener, node: str) -> None:
        if self._nodes.is_silent(node) and not self.lost and not listener.answer.called:
            listener.answer.errback(NotAnswering(f"{node} does not answer"))

    def _ask(self, what: str, node: Node, action: Callable[[], None]) -> Deferred[None]:
        self._pass(what)
        if self.lost:
            return Deferred()
        if self._nodes.is_silent(node.name):
            return fail(NotAnswering(f"{node.name} does not answer"))
        action()
        self._pass(f"{what} done")
        return Deferred() if self.lost else succeed(None)

    def _pass(self, what: str) -> None:
        if not self.lost:
            self._on_boundary(what)
