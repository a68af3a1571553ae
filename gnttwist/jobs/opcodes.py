"""
What the queue has to know of opcodes and of the units that carry them out: it gets both by argument.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from attrs import frozen

from gnttwist.model import opcodes
from gnttwist.model.opcode import Opcode, Parameters


class Unit(Protocol):
    """
    How one opcode is carried out: L{gnttwist.units.unit.Unit}.
    """

    @property
    def version(self) -> int:
        """
        Counted up when the unit takes other steps than before.
        """

    @property
    def run(self) -> Callable[[Any, Any], Awaitable[Any]]:
        """
        Carries an opcode out, given a job context and the opcode.
        """


@frozen
class Opcodes:
    """
    How opcodes are read and written: L{gnttwist.model.opcodes}.

    @ivar parse: Checks a submitted opcode.
    @ivar to_input: An opcode as stored, and its secrets apart.
    @ivar from_input: The opcode that was stored; its secrets have to be given.
    """

    units: Mapping[str, Unit]
    parse: Callable[[Mapping[str, Any]], Opcode] = opcodes.parse
    to_input: Callable[[Opcode], tuple[dict[str, Any], dict[str, Parameters]]] = opcodes.to_input
    from_input: Callable[[Mapping[str, Any], Mapping[str, Parameters]], Opcode] = opcodes.from_input
