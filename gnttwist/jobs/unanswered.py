"""
Submissions whose answer was never written to their client: a client whose connection broke asks again, and must not
get a second job.
"""

from collections.abc import Callable, Iterable
from hashlib import blake2b

import msgspec
from attrs import define, field

from gnttwist.store.interface import Delete, Entry, Put, Write

PREFIX = "/jobs/unanswered/"

REMEMBERED = 180.0
"""
Seconds before a stop within which a submission may be asked for again: longer than clients try.
"""


class _Stored(msgspec.Struct, frozen=True):
    """
    @ivar jobs: Job ids and when they were accepted, in seconds since the epoch, oldest first.
    """

    jobs: list[tuple[int, float]]


def digest(uid: int | None, raw: bytes) -> str:
    """
    What tells one submission from another: who it came from, and every byte of it.
    """
    return blake2b(raw, key=str(uid).encode(), digest_size=20).hexdigest()


@define(eq=False)
class Unanswered:
    """
    Accepted submissions that wait for their answers to be written; and those of the process before.

    @ivar _waiting: By digest, the jobs accepted by this process.
    @ivar _lost: By digest, the jobs accepted by the process before, each for one client to ask for.
    """

    _now: Callable[[], float]
    _waiting: dict[str, list[tuple[int, float]]] = field(factory=dict)
    _digests: dict[int, str] = field(factory=dict)
    _lost: dict[str, list[tuple[int, float]]] = field(factory=dict)
    _started: float = 0.0

    def restore(self, entries: Iterable[Entry], stopped: float) -> list[Write]:
        """
        Take up what was found in the store at start.

        @param stopped: When the process before was last seen at work.
        @return: Writes that remove what is too old.
        """
        self._started = self._now()
        gone: list[Write] = []
        for entry in entries:
            jobs = [each for each in _jobs(entry) if each[1] >= stopped - REMEMBERED]
            if jobs:
                self._lost[entry.key.removeprefix(PREFIX)] = jobs
            else:
                gone.append(Delete(entry.key))
        return gone

    def claim(self, name: str) -> int | None:
        """
        The job that a submission was accepted as by the process before; each is given once.

        It waits for its answer again, so nothing is lost if that is not written either.
        """
        if self._now() - self._started > REMEMBERED:
            return None
        jobs = self._lost.get(name, [])
        if not jobs:
            return None
        job, accepted = jobs.pop(0)
        self._waiting.setdefault(name, []).append((job, accepted))
        self._digests[job] = name
        return job

    def accept(self, name: str, job: int) -> Put:
        """
        Note a submission; the write belongs to its transaction.
        """
        self._waiting.setdefault(name, []).append((job, self._now()))
        self._digests[job] = name
        return self._put(name)

    def answered(self, job: int) -> list[Write]:
        """
        The answer was written to the client.

        @return: What to write.
        """
        name = self._digests.pop(job, None)
        if name is None:
            return []
        self._waiting[name] = [each for each in self._waiting[name] if each[0] != job]
        return [self._written(name)]

    def expire(self) -> list[Write]:
        """
        Forget what nobody will ask for any more; to be called now and then.

        @return: What to write.
        """
        now = self._now()
        old = [
            job for jobs in self._waiting.values() for job, accepted in jobs if now - accepted > REMEMBERED
        ]
        names = {self._digests[job] for job in old}
        for job in old:
            self.answered(job)
        if now - self._started > REMEMBERED:
            names |= set(self._lost)
            self._lost = {}
        return [self._written(name) for name in sorted(names)]

    def _written(self, name: str) -> Write:
        if not self._waiting.get(name):
            self._waiting.pop(name, None)
        if name in self._waiting or self._lost.get(name):
            return self._put(name)
        return Delete(PREFIX + name)

    def _put(self, name: str) -> Put:
        jobs = sorted([*self._lost.get(name, []), *self._waiting.get(name, [])])
        return Put(PREFIX + name, msgspec.json.encode(_Stored(jobs)))


def _jobs(entry: Entry) -> list[tuple[int, float]]:
    return msgspec.json.decode(entry.value, type=_Stored).jobs
