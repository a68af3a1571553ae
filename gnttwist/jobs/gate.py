"""
The job filters of the newest configuration, read once for each change and asked once for each job.
"""

from collections.abc import Callable, Iterable, Mapping

from attrs import define, field

from twisted.logger import Logger

from gnttwist.errors import ParameterError
from gnttwist.jobs.filtering import Round, Rule, applying, in_order, read_rule
from gnttwist.model.job import Job
from gnttwist.model.objects import JobFilter


@define(eq=False)
class Gate:
    """
    Which jobs may start.

    @ivar _filters: The newest job filters, by UUID.
    @ivar _seen: Those that C{_rules} were read from: an immutable map, so that it is another one if any changes.
    @ivar version: One more with each change of the filters that a round has seen.
    @ivar _applied: By job, the rule that applies; for jobs that have not ended.
    """

    _log = Logger()
    _filters: Callable[[], Mapping[str, JobFilter]]
    _seen: Mapping[str, JobFilter] | None = field(default=None, init=False)
    _rules: tuple[Rule, ...] = field(default=(), init=False)
    _applied: dict[int, Rule | None] = field(factory=dict, init=False)
    version: int = field(default=0, init=False)

    def round(self, running: Iterable[Job]) -> Round:
        """
        What one look at the queue needs.
        """
        self._refresh()
        rules = {each.uuid: each for each in self._rules}
        found = Round(self._rule_of, rules, any(each.action == "REJECT" for each in self._rules))
        for each in running:
            found.count(each)
        return found

    def forget(self, job: int) -> None:
        """
        A job has ended.
        """
        self._applied.pop(job, None)

    def _rule_of(self, job: Job) -> Rule | None:
        if not self._rules:
            return None
        if job.id not in self._applied:
            self._applied[job.id] = applying(self._rules, job)
        return self._applied[job.id]

    def _refresh(self) -> None:
        newest = self._filters()
        if newest is self._seen:
            return
        self._seen = newest
        self._applied.clear()
        self.version += 1
        rules = []
        for each in newest.values():
            try:
                rules.append(read_rule(each))
            except ParameterError as reason:
                # Imported: those that are set here are read first.
                self._log.error(
                    "job filter {filter} cannot be used: {reason}", filter=each.uuid, reason=reason
                )
        self._rules = in_order(rules)
