"""
Names of nodes, instances and the like. Pure.
"""

import re


def nice_key(name: str) -> list[tuple[str, int]]:
    """
    A key for sorting names as people do: runs of digits by their number, so that C{node2} comes before C{node10}.
    """
    return [(text, int(digits or -1)) for text, digits in re.findall(r"(\D*)(\d*)", name)]
