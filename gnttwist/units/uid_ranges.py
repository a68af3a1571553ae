"""
The cluster's pool of users for guests: ranges of their numbers. Pure.
"""

from collections.abc import Sequence
from itertools import pairwise

from gnttwist.units.values import refuse

LARGEST = (1 << 32) - 1
"""
Ganeti's largest number of a user.
"""

Range = Sequence[int]


def changed(
    before: Sequence[Range],
    instead: Sequence[Range] | None,
    more: Sequence[Range] | None,
    less: Sequence[Range] | None,
) -> list[list[int]] | None:
    """
    The pool after a change: other ranges, some more, some less.

    @return: The ranges in order, or C{None} where no change is asked for.
    @raise OpPrereqError: A range is wrong or overlaps another one, or one to be removed is not there.
    """
    if instead is None and more is None and less is None:
        return None
    found = [list(each) for each in (before if instead is None else instead)]
    for each in less or ():
        if list(each) not in found:
            raise refuse(f"remove_uids: the pool has no range {_text(each)}; it has {_all(found)}")
        found.remove(list(each))
    found += [list(each) for each in more or ()]
    found.sort()
    for low, high in found:
        if not 0 <= low <= high <= LARGEST:
            raise refuse(f"uid_pool: {low}-{high} is no range of numbers of users")
    for first, second in pairwise(found):
        if second[0] <= first[1]:
            raise refuse(f"uid_pool: the ranges {_text(first)} and {_text(second)} overlap")
    return found


def _text(each: Range) -> str:
    return f"{each[0]}" if each[0] == each[1] else f"{each[0]}-{each[1]}"


def _all(ranges: Sequence[Range]) -> str:
    return ", ".join(_text(each) for each in ranges) or "none"
