"""
What a node's storage holds: the function behind C{gnt node list-storage}.
"""

import os
from pathlib import Path
from typing import Any

from gnttwist.functions.registry import Context, FunctionError, function
from gnttwist.functions.storage.places import place, space

KINDS = ("file", "sharedfile")
FIELDS = ("name", "used", "free", "size", "allocatable")


@function("storage_list")
def storage_list(context: Context, su_name: Any, su_args: Any, name: Any, fields: Any) -> list[list[Any]]:
    """
    Tell units of storage; sizes are in MiB.

    @param su_name: Their kind.
    @param su_args: Of file storage, a list of its directories as the only member.
    @param name: Only this one.
    @param fields: What to tell, of L{FIELDS}.
    @return: A row of fields for each.
    """
    if su_name not in KINDS:
        raise FunctionError(f"Storage of type {su_name!r:.40} is not listed by this node")
    if unknown := sorted(set(fields) - set(FIELDS)):
        raise FunctionError(f"Unknown fields of storage: {', '.join(unknown)[:200]}")
    match su_args:
        case [[*directories]]:
            return [_row(context, each, fields) for each in directories if name in (None, each)]
        case _:
            raise FunctionError("File storage is listed by directories: su_args must be [[path, ...]]")


def _row(context: Context, directory: Any, fields: list[str]) -> list[Any]:
    where = place(context, directory, "file storage directory").path
    size, free = space(context, directory)
    told = {"name": directory, "free": free, "size": size, "allocatable": True}
    if "used" in fields:
        told["used"] = _used(where)
    return [told[each] for each in fields]


def _used(directory: Path) -> int:
    """
    MiB of all files below a directory, as long as they seem.
    """
    total = 0
    for above, _, names in os.walk(directory):
        for each in names:
            try:
                total += os.lstat(os.path.join(above, each)).st_size
            except FileNotFoundError:
                continue
    return -(-total // (1 << 20))
