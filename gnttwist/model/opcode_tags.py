"""
Opcodes about tags.
"""

from typing import ClassVar, Literal

from gnttwist.model.opcode import NonEmpty, Opcode

TagKind = Literal["cluster", "instance", "network", "node", "nodegroup"]


class OpTagsGet(Opcode, frozen=True, kw_only=True):
    """
    An object's tags.

    @ivar name: The object's; C{None} for the cluster.
    """

    summary_field: ClassVar[str | None] = "name"

    kind: TagKind
    use_locking: bool = False
    name: str | None = None


class OpTagsSearch(Opcode, frozen=True, kw_only=True):
    """
    All tags that a regular expression is found in.
    """

    summary_field: ClassVar[str | None] = "pattern"

    pattern: NonEmpty


class OpTagsSet(Opcode, frozen=True, kw_only=True):
    """
    Add tags to an object.
    """

    kind: TagKind
    tags: list[str]
    name: str | None = None


class OpTagsDel(Opcode, frozen=True, kw_only=True):
    """
    Take tags from an object.
    """

    kind: TagKind
    tags: list[str]
    name: str | None = None
