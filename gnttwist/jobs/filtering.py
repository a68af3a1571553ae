"""
Job filters: which rule applies to a job, and whether it lets the job start. Pure.

Rules are tried by priority, then watermark, then UUID. The first one all of whose predicates match, and which does
not say C{CONTINUE}, applies (reference: LUXI, section 1.7). Besides, a reason C{rate-limit:N:ANYTHING} lets no more
than N jobs with exactly that reason run at once.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen

from gnttwist.errors import ParameterError
from gnttwist.jobs.schedule import READY, Hold, Ready, Refuse
from gnttwist.model.job import Job
from gnttwist.model.objects import JobFilter
from gnttwist.wire import filters

ACTIONS = ("ACCEPT", "CONTINUE", "PAUSE", "REJECT")
"""
What a rule can say, beside C{["RATE_LIMIT", n]}.
"""

RATE_LIMIT = "RATE_LIMIT"

FIELDS: Mapping[str, frozenset[str] | None] = {
    "jobid": frozenset({"id"}),
    "opcode": None,
    "reason": frozenset({"source", "reason", "timestamp"}),
}
"""
What predicates can be about, and the fields that they can look at; C{None} for whatever an opcode has.
"""

WATERMARK = "watermark"
"""
What stands for the rule's watermark where a job's number is compared.
"""

_REASON_LIMIT = re.compile(r"rate-limit:([1-9][0-9]{0,8}):", re.ASCII)


class _Lacking(Exception):
    """
    The item has no such field.
    """


@frozen
class Predicate:
    """
    Something that must be true of a job: of its number, of one of its opcodes, or of one entry of its reason trails.
    """

    about: str
    wanted: filters.Filter


@frozen
class Rule:
    """
    A job filter, read.

    @ivar limit: How many jobs may run to which this one applies; C{None} unless the action is L{RATE_LIMIT}.
    """

    uuid: str
    priority: int
    watermark: int
    action: str
    limit: int | None = None
    predicates: tuple[Predicate, ...] = ()

    @property
    def turn(self) -> tuple[int, int, str]:
        """
        Its place among rules.
        """
        return self.priority, self.watermark, self.uuid


def read_rule(stored: JobFilter) -> Rule:
    """
    Read a job filter.

    @raise ParameterError: It is none; the text says which part.
    """
    match stored.action:
        case str(action) if action in ACTIONS:
            limit = None
        case ["RATE_LIMIT", int(limit)] if limit > 0 and not isinstance(limit, bool):
            action = RATE_LIMIT
        case _:
            raise ParameterError(
                f"Not a filter's action: {stored.action!r:.80}; there are {', '.join(ACTIONS)} "
                f'and ["{RATE_LIMIT}", N] with N > 0'
            )
    if stored.priority < 0:
        raise ParameterError(f"A filter's priority is 0 or more, not {stored.priority}")
    predicates = tuple(_read_predicate(each, stored.watermark) for each in stored.predicates)
    return Rule(stored.uuid, stored.priority, stored.watermark, action, limit, predicates)


def _read_predicate(value: object, watermark: int) -> Predicate:
    match value:
        case [str(about), wanted] if about in FIELDS:
            parsed = filters.parse(wanted)
        case _:
            raise ParameterError(
                f"Not a predicate: {value!r:.80}; it is one of {', '.join(FIELDS)}, and a filter"
            )
    known = FIELDS[about]
    unknown = sorted(filters.fields(parsed) - known) if known is not None else []
    if unknown:
        raise ParameterError(f"Can't find field named '{unknown[0]}' of {about}")
    return Predicate(about, _with_watermark(parsed, watermark) if about == "jobid" else parsed)


def _with_watermark(wanted: filters.Filter, watermark: int) -> filters.Filter:
    match wanted:
        case filters.All(parts) | filters.AnyOf(parts):
            return evolve(wanted, parts=tuple(_with_watermark(each, watermark) for each in parts))
        case filters.Not(part):
            return filters.Not(_with_watermark(part, watermark))
        case filters.Compare(_, _, operand) if operand == WATERMARK:
            return evolve(wanted, operand=watermark)
        case _:
            return wanted


def in_order(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """
    Rules as they are tried.
    """
    return tuple(sorted(rules, key=lambda each: each.turn))


def applying(rules: Sequence[Rule], job: Job) -> Rule | None:
    """
    The rule that applies to a job, of rules in order. It is the same throughout the job's life.
    """
    for rule in rules:
        if rule.action != "CONTINUE" and all(_holds(each, job) for each in rule.predicates):
            return rule
    return None


def _holds(predicate: Predicate, job: Job) -> bool:
    match predicate.about:
        case "jobid":
            return _matches(predicate.wanted, {"id": job.id})
        case "opcode":
            return any(_matches(predicate.wanted, op.input) for op in job.ops)
        case _:
            return any(_matches(predicate.wanted, each) for each in _reasons(job))


def _reasons(job: Job) -> Iterable[dict[str, Any]]:
    for op in job.ops:
        for source, reason, timestamp in op.input.get("reason") or ():
            yield {"source": source, "reason": reason, "timestamp": timestamp}


def _matches(wanted: filters.Filter, members: Mapping[str, Any]) -> bool:
    """
    Whether an item matches; one that lacks a field, or has another kind of value in it, does not.
    """

    def cells(path: str) -> Any:
        value: Any = members
        for part in path.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise _Lacking(path)
            value = value[part]
        return value

    try:
        return filters.evaluate(wanted, cells) is True
    except (_Lacking, ParameterError):
        return False


def limiting_reasons(job: Job) -> dict[str, int]:
    """
    The reasons of a job that limit how many with the same reason run, and those numbers.
    """
    limits = ((str(each["reason"]), _limit_of(str(each["reason"]))) for each in _reasons(job))
    return {reason: limit for reason, limit in limits if limit is not None}


def _limit_of(reason: str) -> int | None:
    match = _REASON_LIMIT.match(reason)
    return None if match is None else int(match.group(1))


@frozen
class Round:
    """
    One look at the queue: counts who runs, and whom it lets start.

    @ivar _rule_of: The rule that applies to a job.
    @ivar _rules: All rules, by UUID.
    @ivar refuses_any: Whether there is a rule that ends queued jobs.
    """

    _rule_of: Callable[[Job], Rule | None]
    _rules: Mapping[str, Rule] = field(factory=dict)
    refuses_any: bool = False
    _by_rule: Counter[str] = field(factory=Counter)
    _by_reason: Counter[str] = field(factory=Counter)

    def count(self, job: Job) -> None:
        """
        A job runs.
        """
        rule = self._rule_of(job)
        if rule is not None and rule.limit is not None:
            self._by_rule[rule.uuid] += 1
        self._by_reason.update(limiting_reasons(job).keys())

    def judge(self, job: Job) -> Ready | Hold | Refuse:
        """
        Whether a queued job may start now.
        """
        rule = self._rule_of(job)
        if rule is not None and rule.action == "REJECT":
            return Refuse(rule.uuid)
        if rule is not None and rule.action == "PAUSE":
            return Hold(f"job filter {rule.uuid} pauses it", rule.uuid)
        if rule is not None and rule.limit is not None and self._by_rule[rule.uuid] >= rule.limit:
            return Hold(f"job filter {rule.uuid} lets {rule.limit} of its kind run at once", rule.uuid)
        for reason, limit in limiting_reasons(job).items():
            if self._by_reason[reason] >= limit:
                return Hold(f"{limit} jobs with the reason {reason} run already", reason)
        return READY

    def room(self, key: str) -> int:
        """
        How many of the jobs that a L{Hold} of this key is about may start now; C{key} is a rule's or a reason.
        """
        limit = _limit_of(key)
        if limit is not None:
            return limit - self._by_reason[key]
        rule = self._rules.get(key)
        return 0 if rule is None or rule.limit is None else rule.limit - self._by_rule[key]
