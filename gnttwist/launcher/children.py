"""
The launcher's children: forked, signalled, reaped, and listed until the front end knows of their end.
"""

import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import msgspec
from attrs import define, field

from gnttwist.functions.registry import Function
from gnttwist.launcher import child, discovery, spool, tree
from gnttwist.launcher.admission import StartRefusal, check_arguments
from gnttwist.launcher.groups import Group, Groups
from gnttwist.launcher.protocol import Call, StartChild
from gnttwist.paths import Paths
from gnttwist.privileges.accounts import Account
from gnttwist.privileges.drop import CannotDrop, become
from gnttwist.wire.limits import NO_LIMITS

UserOf = Callable[[str], Account | None]
"""
Whom a function runs as; C{None} means whoever we are.
"""

SPOOL_MODE = 0o640
"""
Of spools where the front end is another user: it reads them, and only their function processes write.
"""

CHILDREN_LIMIT = 256
"""
Most children at a time, running or not yet dismissed. Each has two descriptors here, of the 1,024 that a process
has by default, and takes over 1 MB of memory: a node daemon admits fewer.
"""

GRACE = 5.0
"""
Seconds that the rest of an aborted call's tree may outlive its process before it is killed.
"""


@define(eq=False)
class Record:
    """
    One child.

    @ivar pidfd: Readable once it has ended; C{None} after that.
    @ivar wake: The read end of its wake pipe; C{None} where an earlier launcher started it, and after its end.
    @ivar mine: Whether this process is its parent, and can tell how it ended.
    @ivar aborted: Whether its whole tree was signalled, and must be gone before its end is told.
    @ivar seen: What was in that tree.
    @ivar deadline: When the rest of its tree is killed, by the monotonic clock, once its own process has ended.
    @ivar group: Everything that it started, where that can be known.
    @ivar ended: Whether its end is known and told.
    """

    id: str
    function: str
    key: str | None
    pid: int
    started: float
    spool: Path
    pidfd: int | None
    wake: int | None
    mine: bool
    group: Group | None = None
    aborted: bool = False
    seen: Sequence[tree.Stat] = ()
    deadline: float | None = None
    ended: bool = False
    code: int | None = None
    signal: int | None = None


@define
class Children:
    """
    @ivar _functions: What can be called.
    @ivar _spools: The directory of spools, by a path that nobody can make mean another.
    @ivar _spool_group: The front end's group, where its user is another.
    @ivar _groups: Where each call gets a control group.
    @ivar _limit: Most records at a time.
    """

    _paths: Paths
    _functions: Mapping[str, Function]
    _spools: Path
    _user_of: UserOf
    _spool_group: int | None = None
    _groups: Groups | None = None
    _limit: int = CHILDREN_LIMIT
    _records: dict[str, Record] = field(factory=dict, init=False)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)

    def running(self) -> list[Record]:
        """
        Those whose end has not been told.
        """
        return [each for each in self._records.values() if not each.ended]

    def start(self, request: StartChild, arguments: int) -> Record:
        """
        Fork a child.

        @param arguments: A descriptor, which stays the caller's.
        @raise StartRefusal: Not possible, and nothing was done.
        """
        if request.function not in self._functions:
            raise StartRefusal(f"there is no function {request.function}")
        if len(self._records) >= self._limit:
            raise StartRefusal(f"{self._limit} function processes are there, the most that may be")
        check_arguments(arguments)
        try:
            file = spool.create(self._spools, request.suffix)
            if self._spool_group is not None:
                os.fchown(file, -1, self._spool_group)
                os.fchmod(file, SPOOL_MODE)
        except FileExistsError as reason:
            raise StartRefusal(f"a call {request.suffix} was started before") from reason
        except OSError as reason:
            raise StartRefusal(f"cannot make the spool: {reason}") from reason
        started = time.time()
        call = Call(
            function=request.function,
            suffix=request.suffix,
            key=request.key,
            parent=os.getpid(),
            started=started,
            root=str(self._paths.root),
            hostname=self._paths.hostname,
            spool_limit=request.spool_limit,
            limits=request.limits,
        )
        path = self._paths.spool / request.suffix
        try:
            group = None if self._groups is None else self._groups.make(call.suffix, call.function)
            pid, pidfd, wake = self._fork(call, file, arguments, group)
        except OSError as reason:
            if group is not None:
                group.remove()
            (self._spools / request.suffix).unlink(missing_ok=True)
            raise StartRefusal(f"cannot start a process: {reason}") from reason
        finally:
            os.close(file)
        id = f"{call.parent}:{pid}:{call.suffix}"
        record = Record(id, call.function, call.key, pid, started, path, pidfd, wake, True, group)
        self._records[id] = record
        return record

    def _fork(self, call: Call, file: int, arguments: int, group: Group | None) -> tuple[int, int, int]:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reader, False)
        try:
            pid = os.fork()
        except OSError:
            os.close(reader)
            os.close(writer)
            raise
        if pid == 0:
            self._be_child(call, file, writer, arguments, group)
        # Closed before the pidfd is opened, which cannot fail then for want of a descriptor: the child runs.
        os.close(writer)
        return pid, os.pidfd_open(pid), reader

    def _be_child(self, call: Call, file: int, wake: int, arguments: int, group: Group | None) -> NoReturn:
        try:
            os.setsid()
            if group is not None and call.limits == NO_LIMITS:
                group.join_before_programs()
            elif group is not None and group.join():
                call = msgspec.structs.replace(call, limits=group.limit(call.limits))
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            nothing = os.open(os.devnull, os.O_RDONLY)
            wanted = (nothing, file, 2, wake, arguments)
            high = [fcntl.fcntl(each, fcntl.F_DUPFD, child.HIGH) for each in wanted]
            for target, source in enumerate(high):
                os.dup2(source, target)
            # All others: the control socket above all, whose end would be noticed late if children held it.
            os.closerange(len(wanted), os.sysconf("SC_OPEN_MAX"))
            # Before anything of the caller's is looked at.
            account = self._user_of(call.function)
            if account is not None:
                become(account)
            child.run(call, self._paths, self._functions)
        except CannotDrop as reason:
            os.write(2, f"{call.function} is not run: {reason}\n".encode())
        finally:
            os._exit(70)

    def discover(self) -> int:
        """
        Find the function processes that an earlier launcher left running, by the locks on their spools.

        @return: How many there are.
        """
        for path in self._spools.iterdir():
            try:
                begin, descriptor = discovery.running(path)
            except (OSError, spool.SpoolCorrupt) as reason:
                sys.stderr.write(f"{path.name} is left alone: {reason}\n")
                continue
            if begin is None:
                continue
            self._records[begin.id] = Record(
                begin.id,
                begin.function,
                begin.key,
                begin.pid,
                begin.started,
                self._paths.spool / path.name,
                descriptor,
                None,
                mine=False,
                group=None if self._groups is None else self._groups.of(path.name),
            )
        return len(self._records)

    def signal(self, id: str, number: int, *, whole_tree: bool) -> None:
        """
        Signal a child, or all that it started too; then its end is told when all of that is gone.
        """
        record = self._records.get(id)
        if record is None or record.ended or record.pidfd is None:
            return
        if whole_tree:
            record.aborted = True
            self._signal_tree(record, number)
        elif record.deadline is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(record.pidfd, number)

    def settle(self, record: Record, now: float) -> bool:
        """
        Look after a child whose process has ended: whether its end can be told now. Where it was aborted, that is
        when the rest of its tree is gone; ask again soon.

        @param now: By the monotonic clock.
        """
        if record.aborted and tree.remaining(record.pid, _seen(record)):
            record.deadline = now + GRACE if record.deadline is None else record.deadline
            if now < record.deadline:
                return False
            self._signal_tree(record, signal.SIGKILL)
        self._reap(record)
        return True

    def _signal_tree(self, record: Record, number: int) -> None:
        if number == signal.SIGKILL and record.group is not None:
            record.group.kill()
        record.seen = tree.signal_tree(record.pid, number, _seen(record))

    def _reap(self, record: Record) -> None:
        if record.mine:
            # Not before: as long as it is not reaped, nobody else can have its number, or its session's.
            _, status = os.waitpid(record.pid, 0)
            if os.WIFEXITED(status):
                record.code = os.WEXITSTATUS(status)
            else:
                record.signal = os.WTERMSIG(status)
        for each in (record.pidfd, record.wake):
            if each is not None:
                os.close(each)
        record.pidfd = record.wake = None
        if record.group is not None:
            record.group.remove()
        record.ended = True

    def dismiss(self, id: str) -> None:
        """
        Forget a child that has ended.
        """
        record = self._records.get(id)
        if record is not None and record.ended:
            del self._records[id]


def _seen(record: Record) -> Sequence[tree.Stat]:
    """
    What is known to belong to a call.
    """
    return record.seen if record.group is None else [*record.seen, *record.group.members()]
