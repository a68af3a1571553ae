"""
Log lines that say who submitted which jobs.
"""

from collections.abc import Sequence

from attrs import define, field

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from gnttwist.masterd.peer import Peer

COLLECT = 0.1
"""
Seconds in which submissions of one client become one line: a line of its own for each took as long as accepting it.
"""

MOST = 1000
"""
Jobs that wait for their line at most.
"""


@define(eq=False)
class SubmissionLog:
    """
    Collects lines. Who submitted a job is also kept with the job, so a killed daemon takes no knowledge along.
    """

    _log = Logger()
    _clock: IReactorTime
    _jobs: dict[Peer, list[int]] = field(factory=dict, init=False)
    _count: int = field(default=0, init=False)
    _timer: IDelayedCall | None = field(default=None, init=False)

    def add(self, peer: Peer, jobs: Sequence[int]) -> None:
        """
        These jobs were accepted.
        """
        self._jobs.setdefault(peer, []).extend(jobs)
        self._count += len(jobs)
        if self._count >= MOST:
            self.write()
        elif self._timer is None:
            self._timer = self._clock.callLater(COLLECT, self.write)

    def write(self) -> None:
        """
        Write what was collected.
        """
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        collected, self._jobs, self._count = self._jobs, {}, 0
        for peer, jobs in collected.items():
            if len(jobs) == 1:
                self._log.info("job {job} submitted by {peer}", job=jobs[0], peer=peer)
            else:
                self._log.info("jobs {jobs} submitted by {peer}", jobs=jobs, peer=peer)
