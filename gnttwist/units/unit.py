"""
What a logical unit is: the code that carries out one opcode.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, TypeVar

from attrs import frozen

from gnttwist.jobs.context import JobContext
from gnttwist.model.opcode import Opcode
from gnttwist.units.hooks.context import hooked
from gnttwist.units.hooks.scope import Hooks

Parameters = TypeVar("Parameters", bound=Opcode)


@frozen
class Unit(Generic[Parameters]):
    """
    How one opcode is carried out.

    @ivar parameters: The opcode's class.
    @ivar version: Counted up whenever C{body} takes other steps than before for the same answers, so that a job that
        an older version began is not replayed by this one.
    @ivar body: Carries it out and returns the opcode's result as plain JSON data.
    @ivar hooks: The hooks that run before and after it.
    """

    parameters: type[Parameters]
    version: int
    body: Callable[[JobContext, Parameters], Awaitable[Any]]
    hooks: Hooks | None = None

    @property
    def run(self) -> Callable[[JobContext, Parameters], Awaitable[Any]]:
        """
        Carries it out with its hooks.
        """
        return partial(hooked, hooks=self.hooks, body=self.body)
