"""
Lists of objects as clients know them, made of gnt-masterd's rows. Of a list that is asked for again only what has
changed is made anew: the rest is known by its bytes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from attrs import define, field

from gnttwist.rapi.fields import ALIASES, FIELDS

KEPT_LIMIT = 32 * 1024 * 1024
"""
Bytes of rows and what was made of them that one kind keeps.
"""

_ROWS = msgspec.json.Decoder(list[msgspec.Raw])


def described(kind: str, values: Sequence[Any]) -> dict[str, Any]:
    """
    An object as clients know it.
    """
    found = dict(zip(FIELDS[kind], values, strict=True))
    for name, alias in ALIASES.get(kind, {}).items():
        found[alias] = found[name]
    if kind == "instance" and isinstance(found["beparams"], dict):
        # From before minimum and maximum were told apart.
        found["beparams"]["memory"] = found["beparams"].get("maxmem")
    return found


@define(eq=False, repr=False)
class Described:
    """
    Makes lists.

    @ivar _limit: Bytes that a kind keeps.
    @ivar _kept: By kind, the newest list's: what came, and what was made of it.
    """

    _limit: int = KEPT_LIMIT
    _kept: dict[str, Mapping[bytes, msgspec.Raw]] = field(factory=dict, init=False)

    def all(self, kind: str, encoded: msgspec.Raw) -> list[msgspec.Raw]:
        """
        A list of objects.

        @param encoded: Rows of L{FIELDS}, as JSON.
        """
        known = self._kept.get(kind, {})
        fresh: dict[bytes, msgspec.Raw] = {}
        made: list[msgspec.Raw] = []
        size = 0
        for raw in _ROWS.decode(encoded):
            row = bytes(raw)
            found = known.get(row)
            if found is None:
                document = msgspec.json.encode(described(kind, msgspec.json.decode(row)))
                found = msgspec.Raw(document)
            made.append(found)
            size += len(row) + len(memoryview(found))
            if size <= self._limit:
                fresh[row] = found
        self._kept[kind] = fresh
        return made
