"""
Nodes in memory: functions are plain Python on a dictionary for each node, and keys make them happen once, as the
real node daemon's durable registry does.

The nodes outlive a master: each of its lives is a connection of its own, L{FakeNodes.connect}.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import GeneratorType
from typing import Any

from twisted.internet.interfaces import IReactorTime

from gnttwist.errors import CallAborted, FunctionDied, NodeError
from gnttwist.jobs.calls import Call, Feedback
from gnttwist.model.objects import Node
from gnttwist.testing.node_calls import Function, Running, World
from gnttwist.testing.node_connection import Connection


def _no_boundary(what: str) -> None:
    pass


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
        self._calls: dict[tuple[str, str], Running] = {}
        self._silent: set[str] = set()
        self._unkeyed = 0

    @property
    def remembered(self) -> list[str]:
        """
        The keys that nodes have not been told to forget. A node that is C{gone} has left the cluster, and has
        removed everything.
        """
        return [
            key
            for node, key in self._calls
            if not key.startswith("unkeyed") and not self.worlds[node].get("gone")
        ]

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

    def start(self, node: Node, call: Call) -> Running:
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
        running = self._calls[node.name, key] = Running(node.name, call.function)
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

    def _advance(self, running: Running) -> None:
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

    def _say(self, running: Running, type: str, payload: Any) -> None:
        seconds = self._clock.seconds()
        said = Feedback(
            len(running.feedback) + 1, (int(seconds), int(seconds % 1 * 1_000_000)), type, payload
        )
        running.feedback.append(said)
        if running.node not in self._silent:
            for each in running.listeners:
                each.connection.tell(each, said)

    def _end(self, running: Running, *, payload: Any = None, error: NodeError | None = None) -> None:
        if running.timer is not None and running.timer.active():
            running.timer.cancel()
        running.ended, running.payload, running.error = True, payload, error
        self._tell_end(running)

    def _tell_end(self, running: Running) -> None:
        if running.node in self._silent:
            return
        listeners, running.listeners = running.listeners, []
        for each in listeners:
            each.connection.end(each, running)
