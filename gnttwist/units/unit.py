"""
What a logical unit is: the code that carries out one opcode.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from attrs import frozen

from gnttwist.jobs.context import JobContext
from gnttwist.model.opcode import Opcode

Parameters = TypeVar("Parameters", bound=Opcode)


@frozen
class Unit(Generic[Parameters]):
    """
    How one opcode is carried out.

    @ivar parameters: The opcode's class.
    @ivar version: Counted up whenever C{run} takes other steps than before for the same answers, so that a job that
        an older version began is not replayed by this one.
    @ivar run: Carries it out and returns the opcode's result as plain JSON data.
    """

    parameters: type[Parameters]
    version: int
    run: Callable[[JobContext, Parameters], Awaitable[Any]]
