"""
Nodes in memory: functions are plain Python on a dictionary for each node, and keys make them happen once, as the
real node daemon's durable registry does.

The nodes outlive a master: each of its lives is a connection of its own, L{FakeNodes.connect}.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from types import GeneratorType
from typing import Any

from attrs import define, field

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gnttwist.errors import CallAborted, FunctionDied, NodeError, NotAnswering
from gnttwist.jobs.calls import Call, Feedback
from gnttwist.model.objects import Node

World = dict[str, Any]
Function = Callable[..., Any]
"""
Called with the node's world and the call's arguments; returns the payload or raises
L{gnttwist.errors.FunctionFailed}. A generator takes its time: it yields seconds to wait, or C{(type, payload)} for
feedback, and returns the payload.
"""

PATIENCE = 30.0
"""
Seconds until a silent node is not answering, for L{Connection.call}.
"""


def _no_boundary(what: str) -> None:
    pass


@define(eq=False)
class _Running:
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
    listeners: list["_Listener"] = field(factory=list)


@define(eq=False)
class _Listener:
    """
    One call of a master.
    """

    connection: "Connection"
    on_feedback: Callable[[Feedback], None]
    seen: int
    answer: Deferred[Any]


class FakeNodes:
    """
    All nodes of a cluster.

    @ivar worlds: What functions work on, by the node's name.
    @ivar started: How often each key was started for real.
    @ivar done: Each call that was started: node, function and arguments, in order.
    @ivar aborted: The keys that were aborted while they ran.
    """

    def __init__(self, clock: IReactorTime, functions: Mapping[str, Function]) -> None:
        """
        @param clock: The nodes' own time, which goes on when a master is lost.
        """
        self._clock = clock
        self._functions = functions
        self.worlds: defaultdict[str, World] = defaultdict(dict)
        self.started: Counter[str] = Counter()
        self.done: list[tuple[str, str, tuple[Any, ...]]] = []
        self.aborted: list[str] = []
        self._calls: dict[tuple[str, str], _Running] = {}
        self._silent: set[str] = set()
        self._unkeyed = 0

    @property
    def remembered(self) -> list[str]:
        """
        The keys that nodes have not been told to forget.
        """
        return [key for _, key in self._calls if not key.startswith("unkeyed")]

    def connect(self, on_boundary: Callable[[str], None] = _no_boundary) -> "Connection":
        """
        A master's connection to the nodes: its L{gnttwist.jobs.calls.NodeCaller}.

        @param on_boundary: Called before and after each thing that passes between master and nodes.
        """
        return Connection(self, on_boundary)

    def hang(self, node: str) -> None:
        """
        Let a node be silent; its functions go on.
        """
        self._silent.add(node)
        for running in self._calls.values():
            for each in running.listeners if running.node == node else ():
                each.connection.lose_patience(each, node)

    def recover(self, node: str) -> None:
        """
        Let it answer again.
        """
        self._silent.discard(node)
        for running in list(self._calls.values()):
            if running.node == node and running.ended:
                self._tell_end(running)

    def kill(self, function: str) -> int:
        """
        Kill the processes of a function.

        @return: How many ran.
        """
        found = [each for each in self._calls.values() if each.function == function and not each.ended]
        for each in found:
            self._end(each, error=FunctionDied(f"{function} on {each.node} died"))
        return len(found)

    def running(self, function: str) -> bool:
        """
        Whether some call of a function has not ended.
        """
        return any(each.function == function and not each.ended for each in self._calls.values())

    def start(self, node: Node, call: Call) -> _Running:
        """
        Begin a call, or find the one of this key.
        """
        if call.key is None:
            self._unkeyed += 1
        key = call.key or f"unkeyed {self._unkeyed}"
        known = self._calls.get((node.name, key))
        if known is not None:
            return known
        if call.key is not None:
            self.started[key] += 1
            self.done.append((node.name, call.function, tuple(call.arguments)))
        running = self._calls[node.name, key] = _Running(node.name, call.function)
        try:
            result = self._functions[call.function](self.worlds[node.name], *call.arguments)
        except NodeError as error:
            self._end(running, error=error)
        else:
            if isinstance(result, GeneratorType):
                running.steps = result
                self._advance(running)
            else:
                self._end(running, payload=result)
        return running

    def abort(self, node: Node, key: str) -> None:
        """
        End a call that runs.
        """
        running = self._calls.get((node.name, key))
        if running is not None and not running.ended:
            self.aborted.append(key)
            self._end(running, error=CallAborted(f"{running.function} on {node.name} was aborted"))

    def forget(self, node: Node, keys: Sequence[str]) -> None:
        """
        Drop the results of calls that have ended.
        """
        for key in keys:
            running = self._calls.get((node.name, key))
            if running is not None and running.ended:
                del self._calls[node.name, key]

    def is_silent(self, node: str) -> bool:
        """
        Whether a node does not answer.
        """
        return node in self._silent

    def later(self, seconds: float, what: Callable[..., None], *arguments: Any) -> None:
        """
        Let something happen by the nodes' clock.
        """
        self._clock.callLater(seconds, what, *arguments)

    def _advance(self, running: _Running) -> None:
        assert running.steps is not None
        try:
            while True:
                match next(running.steps):
                    case (str(type), payload):
                        self._say(running, type, payload)
                    case seconds:
                        running.timer = self._clock.callLater(seconds, self._advance, running)
                        return
        except StopIteration as end:
            self._end(running, payload=end.value)
        except NodeError as error:
            self._end(running, error=error)

    def _say(self, running: _Running, type: str, payload: Any) -> None:
        seconds = self._clock.seconds()
        said = Feedback(
            len(running.feedback) + 1, (int(seconds), int(seconds % 1 * 1_000_000)), type, payload
        )
        running.feedback.append(said)
        if running.node not in self._silent:
            for each in running.listeners:
                each.connection.tell(each, said)

    def _end(self, running: _Running, *, payload: Any = None, error: NodeError | None = None) -> None:
        if running.timer is not None and running.timer.active():
            running.timer.cancel()
        running.ended, running.payload, running.error = True, payload, error
        self._tell_end(running)

    def _tell_end(self, running: _Running) -> None:
        if running.node in self._silent:
            return
        listeners, running.listeners = running.listeners, []
        for each in listeners:
            each.connection.end(each, running)


class Connection:
    """
    What one life of a master has of the nodes.

    @ivar lost: Whether that master is gone: nothing reaches the nodes from it any more, nor it from them.
    """

    def __init__(self, nodes: FakeNodes, on_boundary: Callable[[str], None]) -> None:
        self._nodes = nodes
        self._on_boundary = on_boundary
        self.lost = False

    def lose(self) -> None:
        """
        The master is killed.
        """
        self.lost = True

    def call(self, node: Node, call: Call, on_feedback: Callable[[Feedback], None]) -> Deferred[Any]:
        """
        Run a function to its end.
        """
        listener = _Listener(self, on_feedback, call.seen, Deferred(self._cancelled))
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

    def tell(self, listener: _Listener, feedback: Feedback) -> None:
        """
        Pass feedback on.
        """
        if not self.lost and not listener.answer.called and feedback.serial > listener.seen:
            listener.seen = feedback.serial
            self._pass("feedback")
            if not self.lost:
                listener.on_feedback(feedback)

    def end(self, listener: _Listener, running: _Running) -> None:
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

    def lose_patience(self, listener: _Listener, node: str) -> None:
        """
        A node is silent from now on: it is not answering if it still is after L{PATIENCE}.
        """
        self._nodes.later(PATIENCE, self._give_up, listener, node)

    def _give_up(self, listener: _Listener, node: str) -> None:
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
