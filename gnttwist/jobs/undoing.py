"""
What an opcode undoes when it fails.
"""

from collections.abc import Awaitable, Callable, Iterator

from attrs import define, field, frozen

from gnttwist.errors import ProgrammerError
from gnttwist.jobs.context import JobContext

Undo = Callable[[JobContext], Awaitable[None]]


@frozen(eq=False)
class Registered:
    """
    One thing to undo.

    @ivar path: Its scope: where its steps are named.
    """

    what: str
    path: str
    run: Undo


@define(eq=False)
class Undos:
    """
    What one scope has registered, branches within it at the place where they were begun.

    So the order in which things are undone does not depend on which branch was faster.
    """

    _parent: "Undos | None" = None
    _entries: list["Registered | Undos"] = field(factory=list)

    def branch(self) -> "Undos":
        """
        A place for a branch that begins now.
        """
        inner = Undos(self)
        self._entries.append(inner)
        return inner

    def add(self, undo: Registered) -> None:
        """
        Register.
        """
        self._entries.append(undo)

    def last_first(self) -> Iterator[Registered]:
        """
        All that is registered here and in branches, in the order in which it is to be undone.
        """
        for each in reversed(self._entries):
            if isinstance(each, Undos):
                yield from each.last_first()
            else:
                yield each

    def forget(self, what: str) -> None:
        """
        Take back what was registered last as C{what}: here or in branches of this, or else further out.

        @raise ProgrammerError: Nothing was.
        """
        place: Undos | None = self
        while place is not None:
            if place._remove(what):
                return
            place = place._parent
        raise ProgrammerError(f"there is no undo {what!r} to forget")

    def _remove(self, what: str) -> bool:
        for index in reversed(range(len(self._entries))):
            each = self._entries[index]
            if isinstance(each, Undos):
                if each._remove(what):
                    return True
            elif each.what == what:
                del self._entries[index]
                return True
        return False
