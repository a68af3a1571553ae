"""
Asking nodes for what queries show, without making people wait for nodes that are silent.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import define, field

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.python.failure import Failure

from gnttwist.errors import NodeError, NotAnswering
from gnttwist.model.objects import Node
from gnttwist.query.sources import LiveCall

QUERY_TIMEOUT = 5.0
"""
Seconds that a list may take because of one node.
"""

SHUNNED = 10.0
"""
Seconds that a node which let us wait is not asked again, so that not every list takes L{QUERY_TIMEOUT}.
"""


class NodeQueries(Protocol):
    """
    What asks nodes: L{gnttwist.client.nodes.HTTPNodeCaller}.
    """

    def query(self, node: Node, function: str, arguments: Sequence[Any], timeout: float) -> Deferred[Any]:
        """
        Ask a node something that changes nothing, once.
        """


@define(eq=False)
class LiveData:
    """
    The L{gnttwist.query.sources.Live} over the network.

    @ivar _now: Monotonic seconds.
    @ivar _silent: By node UUID, until when it is not asked.
    """

    _nodes: NodeQueries
    _now: Callable[[], float]
    _silent: dict[str, float] = field(factory=dict, init=False)

    async def __call__(self, calls: Sequence[LiveCall]) -> Sequence[Any]:
        """
        Ask all nodes at once.

        @return: Payloads, or a L{NodeError} each, in the order of C{calls}.
        """
        return list(await gatherResults([self._ask(each) for each in calls], consumeErrors=True))

    def _ask(self, call: LiveCall) -> Deferred[Any]:
        began = self._now()
        until = self._silent.get(call.node.uuid, 0.0)
        if began < until:
            error = NotAnswering(f"Node {call.node.name} did not answer a moment ago")
            return succeed(error)
        asking = self._nodes.query(call.node, call.function, call.arguments, QUERY_TIMEOUT)
        return asking.addCallbacks(self._answered, self._failed, (call.node,), {}, (call.node, began))

    def _answered(self, payload: Any, node: Node) -> Any:
        self._silent.pop(node.uuid, None)
        return payload

    def _failed(self, failure: Failure, node: Node, began: float) -> NodeError:
        failure.trap(NodeError)
        error = failure.value
        assert isinstance(error, NodeError), "trapped above"
        # One that refuses at once costs nobody time, and may be back in a second.
        if self._now() - began >= QUERY_TIMEOUT / 2:
            self._silent[node.uuid] = self._now() + SHUNNED
        return error
