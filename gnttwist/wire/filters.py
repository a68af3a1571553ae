"""
The filters of queries and of job filters: parsed from nested lists, evaluated on one row at a time. Pure.

The language is Ganeti's (reference: query, section 2.2).

A row is known by its cells. A cell that cannot be had (no data, offline, not applicable) passes every comparison; one
that has not been collected yet leaves the verdict open, so that rows are dropped early without asking nodes.
"""

import operator
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from attrs import frozen

from gnttwist.errors import ParameterError

DEPTH_LIMIT = 32
"""
Most levels of nested operators: people write three, and Python's own stack holds a thousand.
"""

SIZE_LIMIT = 100_000
"""
Most operators of one filter: several times the names of a large cluster, each in a comparison.
"""

PATTERN_LIMIT = 1000
"""
Most characters of a regular expression. Names in them are at most 255 long.
"""

OPEN = object()
"""
The value of a cell that has not been collected yet.
"""

GONE = object()
"""
The value of a cell that cannot be had.
"""

Verdict = bool | None
"""
Whether a row matches; C{None} while that depends on cells that are L{OPEN}.
"""

Cells = Callable[[str], Any]
"""
Gives a field's value in the row at hand, L{OPEN} or L{GONE}.
"""

Operand = str | int


@frozen
class All:
    """
    Every part matches.
    """

    parts: tuple["Filter", ...]


@frozen
class AnyOf:
    """
    Some part matches.
    """

    parts: tuple["Filter", ...]


@frozen
class Not:
    """
    The part does not match.
    """

    part: "Filter"


@frozen
class IsTrue:
    """
    The field, which must be a boolean, is true.
    """

    field: str


@frozen
class Compare:
    """
    The field's value compared with a constant.

    @ivar symbol: One of C{== != < <= > >=}.
    """

    symbol: str
    field: str
    operand: Operand


@frozen
class Matches:
    """
    A regular expression is found in the field's text.
    """

    field: str
    pattern: "re.Pattern[str]"


@frozen
class Contains:
    """
    The constant is an element of the field's list.
    """

    field: str
    operand: Operand


Filter = All | AnyOf | Not | IsTrue | Compare | Matches | Contains

EVERYTHING = All(())
"""
The filter that drops nothing.
"""

_ORDERINGS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COMPARISONS = frozenset({"==", "!=", *_ORDERINGS})


def parse(value: object) -> Filter:
    """
    Read a filter from decoded JSON; C{None} matches everything.

    @raise ParameterError: It is not a filter; the text says which part.
    """
    if value is None:
        return EVERYTHING
    size = iter(range(SIZE_LIMIT))
    return _parse(value, DEPTH_LIMIT, size)


def _parse(value: object, depth: int, size: Iterator[int]) -> Filter:
    if depth == 0:
        raise ParameterError(f"The filter is nested more than {DEPTH_LIMIT} levels deep")
    if next(size, None) is None:
        raise ParameterError(f"The filter has more than {SIZE_LIMIT} operators")
    match value:
        case ["&", *parts]:
            return All(tuple(_parse(each, depth - 1, size) for each in parts))
        case ["|", *parts]:
            return AnyOf(tuple(_parse(each, depth - 1, size) for each in parts))
        case ["!", part]:
            return Not(_parse(part, depth - 1, size))
        case ["?", str(field)]:
            return IsTrue(field)
        case ["=~", str(field), str(pattern)]:
            return Matches(field, _pattern(pattern))
        case ["=[]", str(field), operand]:
            return Contains(field, _operand(operand))
        case ["=", str(field), operand]:
            return Compare("==", field, _operand(operand))
        case [str(symbol), str(field), operand] if symbol in _COMPARISONS:
            return Compare(symbol, field, _operand(operand))
        case _:
            raise ParameterError(f"Not a filter: {_shown(value)}")


def _pattern(text: str) -> "re.Pattern[str]":
    if len(text) > PATTERN_LIMIT:
        raise ParameterError(f"A regular expression is longer than {PATTERN_LIMIT} characters")
    try:
        with warnings.catch_warnings():
            # About meanings that a later Python may give to a pattern.
            warnings.simplefilter("ignore")
            return re.compile(text)
    except (re.error, RecursionError, OverflowError) as reason:
        raise ParameterError(f"Invalid regular expression {_shown(text)}: {reason}") from reason


def _operand(value: object) -> Operand:
    match value:
        case bool():
            pass
        case str() | int():
            return value
        case float() if value.is_integer():
            return int(value)
    raise ParameterError(f"Filters compare with text and whole numbers, not with {_shown(value)}")


def fields(wanted: Filter) -> frozenset[str]:
    """
    The names of all fields that a filter looks at.
    """
    match wanted:
        case All(parts) | AnyOf(parts):
            return frozenset().union(*(fields(each) for each in parts))
        case Not(part):
            return fields(part)
        case _:
            return frozenset({wanted.field})


def requested(wanted: Filter, name_field: str) -> Sequence[Operand] | None:
    """
    The names that a filter does nothing but list, in order; C{None} for filters that are more than that.
    """
    match wanted:
        case Compare("==", field, operand) if field == name_field:
            return [operand]
        case AnyOf(parts) if parts:
            found = [requested(each, name_field) for each in parts]
            return None if None in found else [name for each in found if each for name in each]
        case _:
            return None


def evaluate(
    wanted: Filter, cells: Cells, is_host_name: Callable[[str], bool] = lambda field: False
) -> Verdict:
    """
    Whether a row matches.

    @param is_host_name: Whether C{==} on a field also accepts the beginning of its value up to a dot.
    @raise ParameterError: A cell's value is of a kind that cannot be compared as asked.
    """
    match wanted:
        case All(parts):
            return _all(evaluate(each, cells, is_host_name) for each in parts)
        case AnyOf(parts):
            return _negated(_all(_negated(evaluate(each, cells, is_host_name)) for each in parts))
        case Not(part):
            return _negated(evaluate(part, cells, is_host_name))
    value = cells(wanted.field)
    if value is OPEN:
        return None
    if value is GONE:
        return True
    match wanted:
        case IsTrue():
            return _is_true(value)
        case Matches(_, pattern):
            return _found(pattern, value)
        case Contains(_, operand):
            return _contains(value, operand)
        case Compare(symbol, field, operand):
            return _compare(symbol, value, operand, is_host_name(field))


def _all(verdicts: Iterator[Verdict]) -> Verdict:
    result: Verdict = True
    for each in verdicts:
        if each is False:
            return False
        if each is None:
            result = None
    return result


def _negated(verdict: Verdict) -> Verdict:
    return None if verdict is None else not verdict


def _is_true(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ParameterError(f"{_shown(value)} is neither true nor false, so it cannot be tested with '?'")


def _found(pattern: "re.Pattern[str]", value: object) -> bool:
    if isinstance(value, str):
        return pattern.search(value) is not None
    raise ParameterError(f"Only text can be searched for a regular expression, not {_shown(value)}")


def _contains(value: object, operand: Operand) -> bool:
    if isinstance(value, list | tuple):
        return any(_same(each, operand) for each in value)
    raise ParameterError(f"Only lists contain anything, {_shown(value)} does not")


def _same(value: object, operand: Operand) -> bool:
    return value == operand and not isinstance(value, bool)


def _compare(symbol: str, value: Any, operand: Operand, host_name: bool) -> bool:
    comparable = str if isinstance(operand, str) else (int, float)
    if isinstance(value, bool) or not isinstance(value, comparable):
        raise ParameterError(
            f"Invalid types in comparison, {_shown(value)} cannot be compared with {_shown(operand)}"
        )
    if symbol in _ORDERINGS:
        return bool(_ORDERINGS[symbol](value, operand))
    same = value == operand or (host_name and _is_short(operand, value))
    return bool(same) == (symbol == "==")


def _is_short(operand: Operand, value: object) -> bool:
    return isinstance(value, str) and operand != "" and value.startswith(f"{operand}.")


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:80]}..."
