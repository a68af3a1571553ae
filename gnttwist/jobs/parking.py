"""
Queued jobs that a filter holds, by what holds them: nobody looks at them again before that has changed.
"""

from bisect import insort
from collections.abc import Iterable

from attrs import define, field

from gnttwist.jobs.schedule import QueuedJob, turn


@define
class Parking:
    """
    Held jobs, in turn, by the key of what holds them.
    """

    _held: dict[str, list[QueuedJob]] = field(factory=dict, init=False)
    _key_of: dict[int, str] = field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._key_of)

    def full(self) -> Iterable[str]:
        """
        The keys that hold jobs.
        """
        return tuple(self._held)

    def park(self, job: QueuedJob, key: str) -> None:
        """
        A job is held.
        """
        insort(self._held.setdefault(key, []), job, key=turn)
        self._key_of[job.id] = key

    def take(self, key: str, count: int) -> list[QueuedJob]:
        """
        Let the first so many jobs go that C{key} holds.
        """
        held = self._held.get(key, [])
        taken, rest = held[:count], held[count:]
        self._put(key, rest)
        for each in taken:
            del self._key_of[each.id]
        return taken

    def take_all(self) -> list[QueuedJob]:
        """
        Let all jobs go.
        """
        taken = [each for held in self._held.values() for each in held]
        self._held.clear()
        self._key_of.clear()
        return taken

    def remove(self, job: int) -> None:
        """
        Forget a job; one that is not held is not missed.
        """
        key = self._key_of.pop(job, None)
        if key is not None:
            self._put(key, [each for each in self._held[key] if each.id != job])

    def _put(self, key: str, held: list[QueuedJob]) -> None:
        if held:
            self._held[key] = held
        else:
            self._held.pop(key, None)
