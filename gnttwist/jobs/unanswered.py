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


class Submitted(msgspec.Struct, frozen=True, array_like=True, order=True):
    """
    One submission.

    @ivar job: Its job's number, or the first job's that was accepted of many.
    @ivar accepted: When, in seconds since the epoch.
    @ivar last: The last number of many that is durable with this; 0 for a single job.
    """

    job: int
    accepted: float
    last: int = 0


class _Stored(msgspec.Struct, frozen=True):
    """
    @ivar jobs: Equal submissions, oldest first.
    """

    jobs: list[Submitted]


def digest(uid: int | None, raw: bytes) -> str:
    """
    What tells one submission from another: who it came from, and every byte of it.
    """
    return blake2b(raw, key=str(uid).encode(), digest_size=20).hexdigest()


@define(eq=False)
class Unanswered:
    """
    Accepted submissions that wait for their answers to be written; and those of the process before.

    @ivar _waiting: By digest, what was accepted by this process.
    @ivar _digests: By its (first) job.
    @ivar _lost: By digest, what was accepted by the process before, each for one client to ask for.
    """

    _now: Callable[[], float]
    _waiting: dict[str, list[Submitted]] = field(factory=dict)
    _digests: dict[int, str] = field(factory=dict)
    _lost: dict[str, list[Submitted]] = field(factory=dict)
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
            jobs = [each for each in _jobs(entry) if each.accepted >= stopped - REMEMBERED]
            if jobs:
                self._lost[entry.key.removeprefix(PREFIX)] = jobs
            else:
                gone.append(Delete(entry.key))
        return gone

    def claim(self, name: str) -> Submitted | None:
        """
        What a submission was accepted as by the process before; each is given once.

        It waits for its answer again, so nothing is lost if that is not written either.
        """
        if self._now() - self._started > REMEMBERED:
            return None
        jobs = self._lost.get(name, [])
        if not jobs:
            return None
        found = jobs.pop(0)
        self._waiting.setdefault(name, []).append(found)
        self._digests[found.job] = name
        return found

    def accept(self, name: str, job: int, last: int = 0) -> Put:
        """
        Note a submission; the write belongs to its transaction. One of many jobs that takes several transactions is
        noted in each.

        @param last: The last number in the transaction, of many.
        """
        others = [each for each in self._waiting.get(name, ()) if each.job != job]
        self._waiting[name] = [*others, Submitted(job, self._now(), last)]
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
        self._waiting[name] = [each for each in self._waiting[name] if each.job != job]
        return [self._written(name)]

    def expire(self) -> list[Write]:
        """
        Forget what nobody will ask for any more; to be called now and then.

        @return: What to write.
        """
        now = self._now()
        old = [
            each.job for jobs in self._waiting.values() for each in jobs if now - each.accepted > REMEMBERED
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


def _jobs(entry: Entry) -> list[Submitted]:
    return msgspec.json.decode(entry.value, type=_Stored).jobs
