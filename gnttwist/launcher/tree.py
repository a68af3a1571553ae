"""
Everything that a function process has started, found in C{/proc}, so that an abort can reach all of it.

That is: the members of the process's session, its descendants in whatever session, and theirs. A guest is
neither signalled nor looked behind: whoever starts one sets L{GUEST_MARK} in its environment. A program that left
the session and whose parents had ended before anybody looked is out of reach; only guests and daemons do that.
"""

import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from gnttwist.functions.registry import GUEST_MARK

PROC = Path("/proc")

ROUNDS = 10
"""
How often a tree is looked for again after a SIGKILL, in case that it forked meanwhile.
"""


@frozen
class Stat:
    """
    What C{/proc/PID/stat} says.

    @ivar begun: When it began, in clock ticks since the boot: with the number, it names one process forever.
    """

    pid: int
    parent: int
    session: int
    begun: int


def parse_stat(text: str) -> Stat | None:
    """
    Read a C{stat} file; C{None} for a zombie, which has ended.
    """
    pid, _, rest = text.partition(" (")
    # The command's name may hold anything, parentheses too; the fields after it hold none.
    fields = rest.rpartition(") ")[2].split()
    if fields[0] in "ZX":
        return None
    return Stat(int(pid), int(fields[1]), int(fields[3]), int(fields[19]))


def stat(pid: int) -> Stat | None:
    """
    One process; C{None} where it has ended.
    """
    try:
        return parse_stat((PROC / str(pid) / "stat").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        return None


def processes() -> Mapping[int, Stat]:
    """
    All processes that have not ended.
    """
    found = (stat(int(each)) for each in os.listdir(PROC) if each.isdigit())
    return {each.pid: each for each in found if each is not None}


def belonging(
    table: Mapping[int, Stat], root: int, seen: Iterable[Stat] = (), guests: Iterable[int] = ()
) -> set[int]:
    """
    The processes of C{table} that belong to C{root}, itself among them.

    @param seen: What belonged to it before, and may have lost the parent that told so.
    @param guests: What does not belong to it.
    """
    apart = set(guests)
    known = {root} | {each.pid for each in table.values() if each.session == root}
    for each in seen:
        if each.pid in table and table[each.pid].begun == each.begun:
            known.add(each.pid)
    known -= apart
    while True:
        more = {each.pid for each in table.values() if each.parent in known} - known - apart
        if not more:
            return known & table.keys()
        known |= more


def is_guest(pid: int) -> bool:
    """
    Whether a process is a guest, or at least was started as one.
    """
    try:
        environment = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return any(each.startswith(GUEST_MARK.encode() + b"=") for each in environment.split(b"\0"))


def has_open(pid: int, path: Path) -> bool:
    """
    Whether a process has a file open.

    @raise OSError: It cannot be looked at, or is gone.
    """
    wanted = path.lstat()
    for each in (PROC / str(pid) / "fd").iterdir():
        with suppress(FileNotFoundError):
            if os.path.samestat(each.stat(), wanted):
                return True
    return False


def remaining(root: int, seen: Iterable[Stat] = ()) -> Mapping[int, Stat]:
    """
    What is left of C{root} and of all that it started.

    @param seen: What was there before.
    """
    seen = list(seen)
    table = processes()
    # Guests are few, so only what would be signalled is asked whether it is one.
    guests: set[int] = set()
    while found := {each for each in belonging(table, root, seen, guests) if each != root and is_guest(each)}:
        guests |= found
    return {each: table[each] for each in belonging(table, root, seen, guests)}


def signal_tree(root: int, number: int, seen: Iterable[Stat] = ()) -> Sequence[Stat]:
    """
    Signal C{root} and all that it started.

    The caller answers for C{root} being the process that it means: its child that is not reaped, or one that
    holds the lock of its spool.

    @param seen: What was there before.
    @return: What is there now, which the next look needs.
    """
    found = {each.pid: each for each in seen}
    for _ in range(ROUNDS if number == signal.SIGKILL else 1):
        left = remaining(root, found.values())
        if not left:
            break
        found.update(left)
        for each in left.values():
            signal_process(each, number)
    return list(found.values())


def signal_process(process: Stat, number: int) -> None:
    """
    Signal exactly this process, and not another that has its number by now.
    """
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        now = stat(process.pid)
        if now is not None and now.begun == process.begun:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)
