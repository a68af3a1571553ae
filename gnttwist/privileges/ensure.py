"""
Comparing a node's files with L{gnttwist.privileges.rules}, and setting right what differs.

Root does this in directories that daemons may write to, so nothing is reached through a symbolic link, and a file
with several names is left alone: a daemon could have linked a file of root's under a name of its own.
"""

import fnmatch
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from gnttwist.paths import Paths
from gnttwist.privileges.accounts import Accounts
from gnttwist.privileges.rules import RULES, Rule


@frozen
class Difference:
    """
    What is not as it should be.

    @ivar wrong: A sentence.
    @ivar repaired: Whether it is set right now.
    """

    path: Path
    wrong: str
    repaired: bool


def ensure(paths: Paths, accounts: Accounts, *, repair: bool) -> list[Difference]:
    """
    Compare all that there is. Directories that are missing are made; files that are missing are no difference.

    Where one user runs everything, owners are compared with this process's and groups are not, and modes may be
    narrower.

    @param repair: Whether to change anything.
    """
    found: list[Difference] = []
    for rule in RULES:
        if rule.virtual and str(paths.root) == "/":
            continue
        found += _Ensuring(paths, accounts, rule, repair).run()
    return found


@frozen
class _Ensuring:
    """
    One rule on one node.
    """

    paths: Paths
    accounts: Accounts
    rule: Rule
    repair: bool

    def run(self) -> Iterator[Difference]:
        rule = self.rule
        place = rule.tree(self.paths) / rule.below
        if rule.files is None:
            if not os.path.lexists(place):
                yield self._make(place)
            yield from self._descend(None)
        else:
            if rule.made and not os.path.lexists(place / rule.files):
                yield self._make(place / rule.files)
            yield from self._descend(rule.files)

    def _make(self, place: Path) -> Difference:
        tree = self.rule.tree(self.paths)
        below = place.relative_to(tree)

        def make() -> None:
            # The trees' parents are the administrator's.
            tree.mkdir(mode=0o755, parents=True, exist_ok=True)
            if not below.parts:
                return
            with _opened(tree, str(below.parent)) as parent:
                if self.rule.files is None:
                    os.mkdir(below.name, 0o700, dir_fd=parent)
                else:
                    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                    os.close(os.open(below.name, flags, 0o600, dir_fd=parent))

        why = self._try(make)
        return Difference(place, "is missing" + why, self.repair and not why)

    def _descend(self, pattern: str | None) -> Iterator[Difference]:
        rule = self.rule
        place = rule.tree(self.paths) / rule.below
        try:
            with _opened(rule.tree(self.paths), rule.below) as directory:
                if pattern is None:
                    yield from self._compare(place, directory)
                    return
                for name in sorted(fnmatch.filter(os.listdir(f"/proc/self/fd/{directory}"), pattern)):
                    found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
                    try:
                        yield from self._compare(place / name, found)
                    finally:
                        os.close(found)
        except FileNotFoundError:
            # Not made yet, or gone meanwhile.
            return
        except OSError as reason:
            yield Difference(place, f"cannot be looked at: {reason.strerror}", False)

    def _compare(self, path: Path, descriptor: int) -> Iterator[Difference]:
        found = os.fstat(descriptor)
        if stat.S_IFMT(found.st_mode) != self.rule.kind:
            yield Difference(
                path, f"is not a {'directory' if self.rule.files is None else 'plain file'}", False
            )
            return
        if self.rule.files is not None and found.st_nlink > 1:
            yield Difference(path, f"has {found.st_nlink} names; remove the others", False)
            return
        # A path that means the file that was looked at, whatever is renamed now.
        handle = f"/proc/self/fd/{descriptor}"
        yield from self._compare_owner(path, handle, found)
        yield from self._compare_mode(path, handle, stat.S_IMODE(found.st_mode))

    def _compare_owner(self, path: Path, handle: str, found: os.stat_result) -> Iterator[Difference]:
        rule, accounts = self.rule, self.accounts
        if not accounts.separate:
            if found.st_uid != os.geteuid():
                yield Difference(path, f"belongs to user {found.st_uid}, not {os.geteuid()}", False)
            return
        wanted = (accounts.uid(rule.owner), accounts.gid(rule.group))
        others = (
            {wanted} if rule.also is None else {wanted, (accounts.uid(rule.also), accounts.gid(rule.also))}
        )
        if (found.st_uid, found.st_gid) in others:
            return
        wrong = f"belongs to {found.st_uid}:{found.st_gid}, not {wanted[0]}:{wanted[1]} ({rule.owner}:{rule.group})"
        why = self._try(lambda: os.chown(handle, *wanted))
        yield Difference(path, wrong + why, self.repair and not why)

    def _compare_mode(self, path: Path, handle: str, mode: int) -> Iterator[Difference]:
        wanted = self.rule.mode
        if mode == wanted or (not self.accounts.separate and not mode & ~wanted):
            return
        why = self._try(lambda: os.chmod(handle, wanted))
        yield Difference(path, f"has mode {mode:04o}, not {wanted:04o}{why}", self.repair and not why)

    def _try(self, change: Callable[[], None]) -> str:
        """
        Make a change, if any are to be made.

        @return: Why that was not possible, to be added to a sentence; empty when all is well.
        """
        if not self.repair:
            return ""
        try:
            change()
        except OSError as reason:
            return f", and cannot be changed: {reason.strerror}"
        return ""


@contextmanager
def _opened(tree: Path, below: str) -> Iterator[int]:
    """
    A directory of a tree, reached without following a symbolic link within the tree or to it.

    @raise OSError: It is not there, or not a directory.
    """
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    current = os.open(tree, flags)
    try:
        for part in Path(below).parts:
            inner = os.open(part, flags, dir_fd=current)
            os.close(current)
            current = inner
        yield current
    finally:
        os.close(current)
