"""
Function processes that the launcher forks.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from attrs import define, field

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger

from gnttwist.errors import LocalError, RemoteError
from gnttwist.launcher import protocol
from gnttwist.noded.descriptors import IReactor, QueueFull, close_all, sealed
from gnttwist.noded.followed import FollowedProcess
from gnttwist.noded.function_protocol import FunctionProtocol
from gnttwist.noded.launcher_link import LauncherLink
from gnttwist.noded.lost_starts import LostStarts, Starting
from gnttwist.noded.processes import LauncherGone, Listener, Process, Start, StartRefused

ListenerFor = Callable[[Process], Listener]


@define(eq=False)
class LaunchedProcesses:
    """
    The L{gnttwist.noded.processes.Processes} of a launcher on its socket.

    Comes back by itself when the launcher does.

    @ivar _socket: The launcher's socket.
    @ivar _spools: The directory of spools.
    @ivar _revive: Starts a launcher where there is none; C{None} where somebody else sees to that.
    """

    _log = Logger()
    _reactor: IReactor
    _socket: Path
    _spools: Path
    _revive: Callable[[], Deferred[None]] | None = None
    _link: LauncherLink = field(init=False)
    _numbers: Iterator[int] = field(factory=lambda: count(1), init=False)
    _starting: dict[int, Starting] = field(factory=dict, init=False)
    _signalling: dict[int, Deferred[None]] = field(factory=dict, init=False)
    _followed: dict[str, FollowedProcess] = field(factory=dict, init=False)
    _undismissed: set[str] = field(factory=set, init=False)
    _listed: list[tuple[protocol.Child, list[int]]] = field(factory=list, init=False)
    _adopting: list[Deferred[Sequence[Process]]] = field(factory=list, init=False)
    _listener_for: ListenerFor | None = field(default=None, init=False)
    _lost: LostStarts = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._link = LauncherLink(self._reactor, self._socket, self, self._revive)
        self._lost = LostStarts(self._reactor, self._spools, self._found)

    # What the node daemon asks for

    def connect(self) -> Deferred[None]:
        """
        Be connected from now on, through restarts of the launcher, until L{disconnect}.

        @return: Fires when the launcher has answered for the first time.
        """
        return self._link.connect()

    def disconnect(self) -> None:
        """
        End the connection and follow no process any more. All of them go on.
        """
        self._link.disconnect()
        self._lost.drop()
        for followed in self._followed.values():
            followed.drop()
        self._followed.clear()
        self._drop_list()
        adopting, self._adopting = self._adopting, []
        starting, self._starting = self._starting, {}
        gone = LauncherGone("disconnected")
        for adopter in adopting:
            adopter.errback(gone)
        for signaller in self._take_signalling():
            signaller.errback(gone)
        for starter in starting.values():
            starter.deferred.errback(gone)

    def start(self, request: Start, listener: Listener) -> Deferred[Process]:
        """
        See L{gnttwist.noded.processes.Processes.start}.
        """
        number = next(self._numbers)
        message = protocol.StartChild(
            number, request.function, request.id_suffix, request.key, request.spool_limit, request.limits
        )
        try:
            arguments = sealed(request.arguments)
        except OSError as reason:
            return fail(StartRefused(f"no descriptor for the arguments: {reason}"))
        try:
            self._link.send(message, [arguments])
        except LauncherGone as reason:
            return fail(reason)
        except (LocalError, QueueFull, OSError) as reason:
            return fail(StartRefused(str(reason)))
        finally:
            os.close(arguments)
        self._starting[number] = Starting(request, listener, Deferred())
        return self._starting[number].deferred

    def adopt(self, listener_for: ListenerFor) -> Deferred[Sequence[Process]]:
        """
        See L{gnttwist.noded.processes.Processes.adopt}. Waits for the launcher where there is none now.

        C{listener_for} is also asked, later, for processes that only a new launcher has found.
        """
        waiting: Deferred[Sequence[Process]] = Deferred()
        self._adopting.append(waiting)
        self._listener_for = listener_for
        if self._link.up:
            self._list()
        return waiting

    def signal(self, process_id: str, signal: int, *, tree: bool) -> Deferred[None]:
        """
        See L{gnttwist.noded.processes.Processes.signal}.

        @raise LauncherGone: (Deferred) There is nobody to do it.
        """
        if process_id not in self._followed:
            return succeed(None)
        number = next(self._numbers)
        try:
            self._link.send(protocol.SignalChild(number, process_id, signal, tree))
        except LauncherGone as reason:
            return fail(reason)
        except QueueFull as reason:
            return fail(LauncherGone(str(reason)))
        self._signalling[number] = Deferred()
        return self._signalling[number]

    # What the launcher says

    def linked(self) -> None:
        """
        See L{gnttwist.noded.launcher_link.LinkUser}.
        """
        if self._listener_for is not None or self._followed or self._undismissed:
            self._list()

    def unlinked(self) -> None:
        """
        See L{gnttwist.noded.launcher_link.LinkUser}.
        """
        self._drop_list()
        starting, self._starting = self._starting, {}
        for waiting in self._take_signalling():
            waiting.errback(LauncherGone("the launcher went away"))
        for each in starting.values():
            self._lost.settle(each)
        for followed in list(self._followed.values()):
            followed.launcher_lost()

    def reply_received(self, reply: protocol.Reply, descriptors: list[int], complete: bool) -> None:
        """
        See L{gnttwist.noded.launcher_link.LinkUser}.
        """
        if not complete:
            self._log.error("descriptors were lost: this process has too many")
        if isinstance(reply, protocol.Child):
            if len(descriptors) != reply.wake + reply.pidfd:
                # Without them the process is looked at now and then.
                close_all(descriptors)
                descriptors = []
            self._child(reply, descriptors)
        else:
            close_all(descriptors)
            self._answer(reply)

    def _child(self, child: protocol.Child, descriptors: list[int]) -> None:
        if not isinstance(child, protocol.Started):
            self._listed.append((child, descriptors))
            return
        starting = self._starting.pop(child.request, None)
        if starting is None:
            close_all(descriptors)
            raise RemoteError("started what nobody asked for")
        starting.deferred.callback(self._follow(child, descriptors, lambda _: starting.listener))

    def _answer(self, reply: protocol.Reply) -> None:
        match reply:
            case protocol.Refused(int(number), reason):
                starting = self._starting.pop(number, None)
                if starting is not None:
                    starting.deferred.errback(StartRefused(reason))
            case protocol.Listed():
                self._take_list()
            case protocol.Signalled(number):
                waiting = self._signalling.pop(number, None)
                if waiting is not None:
                    waiting.callback(None)
            case protocol.Exited(id, code, signal):
                self._end(id, code, signal)

    def _take_signalling(self) -> Sequence[Deferred[None]]:
        signalling, self._signalling = self._signalling, {}
        return list(signalling.values())

    # Processes

    def _follow(self, child: protocol.Child, descriptors: list[int], listener_for: ListenerFor) -> Process:
        place = self._spools / Path(child.spool).name
        process = Process(child.id, child.function, child.key, child.pid, child.started, place)
        wake = descriptors.pop(0) if descriptors and child.wake else None
        pidfd = descriptors.pop(0) if descriptors else None
        followed = FollowedProcess(
            self._reactor,
            process,
            FunctionProtocol(listener_for(process)),
            wake,
            pidfd,
            lambda: self._link.up,
            self._gone,
        )
        self._followed[child.id] = followed
        followed.follow()
        return process

    def _found(self, starting: Starting, child: protocol.Child) -> None:
        """
        Follow a process whose start nobody has confirmed. It is looked at now and then until it ends.
        """
        starting.deferred.callback(self._follow(child, [], lambda _: starting.listener))
        if child.ended:
            self._end(child.id, None, None)

    def _end(self, id: str, code: int | None, signal: int | None) -> None:
        followed = self._followed.get(id)
        if followed is not None:
            followed.end(code, signal)

    def _gone(self, followed: FollowedProcess) -> None:
        id = followed.process.id
        self._followed.pop(id, None)
        self._undismissed.add(id)
        self._dismiss(id)

    def _dismiss(self, id: str) -> None:
        # Where it cannot be sent now, it is when the launcher lists its children next.
        with suppress(LauncherGone, QueueFull):
            self._link.send(protocol.Dismiss(id))
            self._undismissed.discard(id)

    # Lists

    def _list(self) -> None:
        self._link.send(protocol.ListChildren(next(self._numbers)))

    def _drop_list(self) -> None:
        listed, self._listed = self._listed, []
        for _, descriptors in listed:
            close_all(descriptors)

    def _take_list(self) -> None:
        listed, self._listed = self._listed, []
        adopting, self._adopting = self._adopting, []
        adopted: list[Process] = []
        ended: list[protocol.Child] = []
        for child, descriptors in listed:
            if child.id in self._undismissed or child.id in self._followed or self._listener_for is None:
                close_all(descriptors)
            else:
                adopted.append(self._follow(child, descriptors, self._listener_for))
            if child.id in self._undismissed:
                self._dismiss(child.id)
            elif child.ended:
                ended.append(child)
        # What is not listed, this launcher has never had.
        self._undismissed.clear()
        for each in adopting:
            each.callback(adopted)
        for child in ended:
            self._end(child.id, child.code, child.signal)
