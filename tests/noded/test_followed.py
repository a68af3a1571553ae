"""
Tests for L{gnttwist.noded.followed}: which of its sources tells of a process's end.
"""

import os
from pathlib import Path
from typing import Any, cast

from attrs import define, field

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.launcher.spool import create
from gnttwist.noded.descriptors import IReactor, Watched
from gnttwist.noded.followed import LOOK_EVERY, STATUS_WAIT, FollowedProcess
from gnttwist.noded.function_protocol import FunctionProtocol
from gnttwist.noded.processes import Exit, Process


@define(eq=False, slots=False)
class DescriptorClock(Clock):
    """
    A clock that also keeps readers; C{read} is the event loop's part.
    """

    readers: list[Any] = field(factory=list, init=False)

    def __attrs_pre_init__(self) -> None:
        super().__init__()

    def addReader(self, reader: Any) -> None:
        """
        See L{twisted.internet.interfaces.IReactorFDSet}.
        """
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """
        See L{twisted.internet.interfaces.IReactorFDSet}.
        """
        if reader in self.readers:
            self.readers.remove(reader)


@define
class Told:
    """
    A listener that writes down what it is told.
    """

    wakes: int = 0
    exits: list[Exit] = field(factory=list)

    def woken(self) -> None:
        """
        See L{gnttwist.noded.processes.Listener}.
        """
        self.wakes += 1

    def exited(self, how: Exit) -> None:
        """
        See L{gnttwist.noded.processes.Listener}.
        """
        self.exits.append(how)


class FollowedProcessTests(SynchronousTestCase):
    """
    Tests for L{FollowedProcess}.
    """

    def setUp(self) -> None:
        self.reactor = DescriptorClock()
        directory = Path(self.mktemp())
        directory.mkdir()
        self.lock = create(directory, "1.0:ab")
        self.process = Process("1:2:1.0:ab", "version", None, 2, 0.0, directory / "1.0:ab")
        self.told = Told()
        self.launched = True
        self.gone: list[FollowedProcess] = []
        self.addCleanup(lambda: self.release() if self.lock >= 0 else None)

    def release(self) -> None:
        """
        End the process's hold on its spool.
        """
        os.close(self.lock)
        self.lock = -1

    def follow(self, wake: int | None, pidfd: int | None) -> FollowedProcess:
        """
        Follow the process by some descriptors.
        """
        followed = FollowedProcess(
            cast(IReactor, self.reactor),
            self.process,
            FunctionProtocol(self.told),
            wake,
            pidfd,
            lambda: self.launched,
            self.gone.append,
        )
        followed.follow()
        self.addCleanup(followed.drop)
        return followed

    def pipes(self) -> tuple[int, int, FollowedProcess]:
        """
        Follow by a wake pipe and by a pipe in the place of a pidfd; give their write ends.
        """
        wake, waker = os.pipe()
        pidfd, ender = os.pipe()
        self.addCleanup(os.close, waker)
        self.addCleanup(os.close, ender)
        return waker, ender, self.follow(wake, pidfd)

    def reader(self, index: int) -> Watched:
        """
        A descriptor in the reactor.
        """
        reader = self.reactor.readers[index]
        assert isinstance(reader, Watched)
        return reader

    def test_wakes(self) -> None:
        """
        What is in the wake pipe is one wake.
        """
        waker, _, _ = self.pipes()
        os.write(waker, b"\0\0\0")
        self.reader(0).doRead()
        self.assertEqual(self.told.wakes, 1)

    def test_told_by_launcher(self) -> None:
        """
        The launcher's word ends it, and closes all descriptors: in the next turn of the reactor, because this one may
        have events of theirs left, which must not meet whatever gets the same numbers.
        """
        waker, _, followed = self.pipes()
        descriptor = self.reader(0).fileno()
        followed.end(3, None)
        os.fstat(descriptor)
        self.reactor.advance(0)
        self.assertRaises(OSError, os.fstat, descriptor)
        self.assertRaises(BrokenPipeError, os.write, waker, b"\0")
        self.assertEqual(self.told.exits, [Exit(3, None)])
        self.assertEqual(self.gone, [followed])
        self.assertEqual(self.reactor.readers, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        followed.end(0, None)
        self.assertEqual(len(self.told.exits), 1)

    def test_seen_before_told(self) -> None:
        """
        An end that was seen waits for the launcher to say how, and so long only.
        """
        self.pipes()
        self.reader(1).doRead()
        self.reactor.advance(STATUS_WAIT - 0.1)
        self.assertEqual(self.told.exits, [])
        self.reactor.advance(0.1)
        self.assertEqual(self.told.exits, [Exit(None, None)])

    def test_seen_and_launcher_lost(self) -> None:
        """
        With the launcher, the hope to learn how it ended is gone as well.
        """
        _, _, followed = self.pipes()
        self.reader(1).doRead()
        followed.launcher_lost()
        self.assertEqual(self.told.exits, [Exit(None, None)])

    def test_seen_without_launcher(self) -> None:
        """
        Without a launcher the end is told when it is seen.
        """
        self.pipes()
        self.launched = False
        self.reader(1).doRead()
        self.assertEqual(self.told.exits, [Exit(None, None)])

    def test_running_and_launcher_lost(self) -> None:
        """
        The launcher's loss does not end a running process.
        """
        _, _, followed = self.pipes()
        followed.launcher_lost()
        self.assertEqual(self.told.exits, [])

    def test_looks(self) -> None:
        """
        Without descriptors it is looked at: for its spool's growth while the spool is held, then for its end.
        """
        self.launched = False
        self.follow(None, None)
        self.reactor.pump([LOOK_EVERY] * 3)
        self.assertEqual((self.told.wakes, self.told.exits), (3, []))
        self.release()
        self.reactor.advance(LOOK_EVERY)
        self.assertEqual(self.told.exits, [Exit(None, None)])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_drop(self) -> None:
        """
        A process that is no longer followed is let go without a word.
        """
        _, _, followed = self.pipes()
        followed.drop()
        self.assertEqual(self.reactor.readers, [])
        self.assertEqual((self.told.exits, self.gone), ([], []))
