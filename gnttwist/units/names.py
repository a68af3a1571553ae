"""
Names of groups and networks, and tags: what they may be. Pure.
"""

import re
from collections.abc import Iterable

from gnttwist.errors import ECode
from gnttwist.units.values import refuse

MAX_TAGS = 4096
"""
Tags of one object; Ganeti's.
"""

_NAME = re.compile(r"[^\s/,|\x00-\x1f\x7f-]([^\s/,|\x00-\x1f\x7f]{0,253})")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TAG = re.compile(r"[\w.+*/:@-]{1,128}")


def new_name(name: str, what: str, taken: Iterable[str]) -> str:
    """
    A name for something new.

    @param what: What it is, for messages.
    @param taken: The names that there are.
    @raise OpPrereqError: It is ill-formed or taken.
    """
    if not _NAME.fullmatch(name) or _UUID.fullmatch(name):
        raise refuse(
            f"{name!r:.80} is no name for a {what}: at most 254 characters without blanks, '/', ',' and '|', "
            "the first no '-', and no UUID"
        )
    if name in taken:
        raise refuse(f"There is a {what} {name} already", ECode.EXISTS)
    return name


def check_tags(tags: Iterable[str]) -> None:
    """
    @raise OpPrereqError: A tag is ill-formed.
    """
    for each in tags:
        if not _TAG.fullmatch(each):
            raise refuse(f"{each!r:.140} is no tag: 1 to 128 letters, digits and characters of '.+*/:@_-'")
