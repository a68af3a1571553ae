"""
Which jobs have changed since a revision. Pure.
"""

from collections import OrderedDict

from attrs import define, field


@define(eq=False)
class Changes:
    """
    Of each job in memory the revision of its last change, in the order of the changes: finding those since a revision
    costs what it finds.
    """

    _revisions: OrderedDict[int, int] = field(factory=OrderedDict, init=False)
    _newest: int = field(default=0, init=False)

    def note(self, job: int, revision: int) -> bool:
        """
        A job's state is of this revision; to be called in the order of revisions.

        @return: Whether that is a change.
        """
        if self._revisions.get(job) == revision:
            return False
        self._revisions[job] = revision
        self._revisions.move_to_end(job)
        self._newest = revision
        return True

    def forget(self, job: int) -> None:
        """
        Whether a job changed is not asked any more.
        """
        self._revisions.pop(job, None)

    @property
    def newest(self) -> int:
        """
        The revision of the last change of any job; 0 if there was none.
        """
        return self._newest

    def since(self, revision: int) -> list[tuple[int, int]]:
        """
        The jobs that changed after a revision, and each one's last change, oldest change first.

        A revision that lies ahead is another store's, of which nothing is known here: then all jobs have changed.
        """
        if revision > self.newest:
            revision = 0
        found = []
        for job, changed in reversed(self._revisions.items()):
            if changed <= revision:
                break
            found.append((job, changed))
        found.reverse()
        return found
