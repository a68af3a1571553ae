"""
Opcodes that are queries put as jobs.
"""

from typing import Any, ClassVar, Literal

from gnttwist.model.opcode import NonEmpty, Opcode

QueryKind = Literal[
    "cluster",
    "export",
    "extstorage",
    "filter",
    "group",
    "instance",
    "job",
    "lock",
    "network",
    "node",
    "os",
]


class OpQuery(Opcode, frozen=True, kw_only=True):
    """
    Tell about objects of a kind.

    @ivar use_locking: Is of no effect: what is told is of one moment.
    @ivar qfilter: Which of them; all if there is none.
    """

    summary_field: ClassVar[str | None] = "what"

    what: QueryKind
    use_locking: bool = False
    fields: list[NonEmpty]
    qfilter: list[Any] | None = None


class OpQueryFields(Opcode, frozen=True, kw_only=True):
    """
    Tell which fields objects of a kind have.

    @ivar fields: Only these.
    """

    summary_field: ClassVar[str | None] = "what"

    what: QueryKind
    fields: list[NonEmpty] | None = None


class OpClusterConfigQuery(Opcode, frozen=True, kw_only=True):
    """
    Tell some values of the cluster.
    """

    output_fields: list[NonEmpty]
