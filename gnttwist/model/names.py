"""
Names of nodes, instances and the like. Pure.
"""

import re
from functools import lru_cache

REMEMBERED = 16_384
"""
Names whose keys are kept: lists of the same objects are sorted again and again.
"""


@lru_cache(REMEMBERED)
def nice_key(name: str) -> tuple[tuple[str, int], ...]:
    """
    A key for sorting names as people do: runs of digits by their number, so that C{node2} comes before C{node10}.
    """
    return tuple((text, int(digits or -1)) for text, digits in re.findall(r"(\D*)(\d*)", name))
