"""
What is declared of an operation's hooks, and what they get to see.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from gnttwist.config.snapshot import Snapshot
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Node


@frozen
class Scope:
    """
    What the hooks of one operation get.

    @ivar variables: Their environment, names without C{GANETI_}; values become text as Python writes them.
    @ivar before: The nodes that hooks run on before the operation; empty for none.
    @ivar after: The nodes that hooks run on after it.
    """

    variables: Mapping[str, Any]
    before: Sequence[Node]
    after: Sequence[Node]


@frozen
class Subject:
    """
    An operation, as far as its hooks are concerned.

    @ivar op: The opcode.
    @ivar nodes: UUIDs of the nodes that the job has locked at this time.
    """

    config: Snapshot
    op: Any
    nodes: frozenset[str]


Failure = tuple[str, str, str]
"""
A hook that failed: its node's name, its own, what it printed.
"""

Describe = Callable[[Subject], Scope]
"""
Tells the scope; what an operation is about may be gone after it: then L{gnttwist.errors.OpPrereqError}.
"""


@frozen
class Hooks:
    """
    The hooks of one kind of operation (reference: OS interface and hooks, section 9.4).

    @ivar path: Names the directories: C{instance-start} for C{hooks/instance-start-pre.d} and C{-post.d}.
    @ivar kind: What it is about: C{CLUSTER}, C{NODE}, C{GROUP}, C{INSTANCE} or C{NETWORK}.
    @ivar merge: Makes the opcode's result of its own and of the hooks that failed after it; by default those are only
        logged.
    """

    path: str
    kind: str
    describe: Describe
    merge: Callable[[JobContext, Any, Any, Sequence[Failure]], Any] | None = None


def unique(nodes: Sequence[Node]) -> list[Node]:
    """
    The nodes without repetitions, in their order.
    """
    return list({each.uuid: each for each in nodes}.values())
