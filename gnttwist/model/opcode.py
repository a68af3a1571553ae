"""
What all opcodes have in common: how one is declared.

To add an opcode, declare a class in one of the C{opcode_...} modules: its name is Ganeti's class name, its fields are
the opcode's parameters with Ganeti's types and defaults (reference: opcodes.json), and add it to the tuple in
L{gnttwist.model.opcodes}. Parsing, storing and summaries follow from that.
"""

import re
from typing import Annotated, Any, ClassVar, Literal

import msgspec

NonEmpty = Annotated[str, msgspec.Meta(min_length=1)]
NonNegative = Annotated[int, msgspec.Meta(ge=0)]
Priority = Literal[-10, 0, 10]
"""
The priorities that can be submitted; smaller is more urgent.
"""

Dependency = tuple[int, list[Literal["canceled", "error", "success"]]]
"""
A job and the final states of it that will do; none listed means any. A negative number is relative to the
job that has the dependency, until it is accepted.
"""

Reason = tuple[str, str, int]
"""
Source, text and nanoseconds since the epoch.
"""


def _op_id(class_name: str) -> str:
    """
    C{OpTestDelay} is C{OP_TEST_DELAY}.
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", class_name).upper()


class Opcode(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="OP_ID", tag=_op_id
):
    """
    An operation that a job carries out, with the parameters that all have (reference: jobs, section 3.6).

    @cvar summary_field: The parameter whose value is shown after the name in lists of jobs.
    @cvar secret_fields: Parameters that are kept out of the store and of logs.
    @ivar dry_run: Check everything and change nothing.
    @ivar debug_level: For scripts that the opcode runs.
    @ivar reason: Who wanted this and why, oldest first.
    """

    summary_field: ClassVar[str | None] = None
    secret_fields: ClassVar[frozenset[str]] = frozenset()

    dry_run: bool | None = None
    debug_level: NonNegative | None = None
    priority: Priority = 0
    depends: list[Dependency] | None = None
    comment: str | None = None
    reason: list[Reason] = []

    @classmethod
    def op_id(cls) -> str:
        """
        The C{OP_ID}.
        """
        tag = cls.__struct_config__.tag
        assert isinstance(tag, str)
        return tag

    def __repr__(self) -> str:
        """
        The name and summary field only: parameters may be secret.
        """
        shown = {self.summary_field: getattr(self, self.summary_field)} if self.summary_field else {}
        return f"<{self.op_id()} {shown}>"


Parameters = dict[str, Any]
"""
A parameter dictionary; its values are checked by the unit, which knows the hypervisor, the OS and so on.
"""
