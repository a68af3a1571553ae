"""
Reading a configuration, in pieces, so that a thread that does it lets others run: a decoder holds the interpreter's
lock for as long as one call takes, and a whole file of a large cluster takes it a tenth of a second.
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from gnttwist.confd.lookups import Lookups

_top = msgspec.json.Decoder(dict[str, msgspec.Raw])
_table = msgspec.json.Decoder(dict[str, msgspec.Raw])

TABLES = ("nodes", "nodegroups", "networks", "instances", "disks", "filters")


class Unusable(Exception):
    """
    The file is not a whole configuration.
    """


def load(path: Path) -> Lookups | None:
    """
    Read an exported configuration; C{None} where there is none.

    @raise Unusable: It is damaged.
    """
    try:
        with _no_collection():
            return build(decode(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError, Unusable) as reason:
        raise Unusable(f"{path}: {reason}") from reason


@contextmanager
def _no_collection() -> Iterator[None]:
    """
    Keep the collector of reference cycles away: there are none in a decoded file, and looking for them in all of its
    objects, again and again while they become more, takes as long as decoding and lets nobody else run.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def decode(data: bytes) -> dict[str, Any]:
    """
    A configuration's objects.

    @raise msgspec.DecodeError: It is not JSON, or not an object of objects.
    """
    config: dict[str, Any] = {}
    for name, raw in _top.decode(data).items():
        if name in TABLES:
            config[name] = {uuid: msgspec.json.decode(each) for uuid, each in _table.decode(raw).items()}
        else:
            config[name] = msgspec.json.decode(raw)
    return config


def build(config: Mapping[str, Any]) -> Lookups:
    """
    Look-ups in a decoded configuration.

    @raise Unusable: It lacks what every configuration has.
    """
    try:
        found = Lookups(config)
        found.check()
    except (KeyError, TypeError, AttributeError, ValueError) as reason:
        raise Unusable(f"not a configuration: {reason!r}") from reason
    return found


def patched(config: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """
    A configuration with changes of the master's feed in it: whole members, and objects of tables, where C{null} is
    one that is gone. The old one stays as it is.

    @param patch: C{{"members": {name: value}, "tables": {table: {uuid: object}}}}.
    """
    changed = {**config, **patch["members"]}
    for name, objects in patch["tables"].items():
        table = dict(changed.get(name, {}))
        for uuid, value in objects.items():
            if value is None:
                table.pop(uuid, None)
            else:
                table[uuid] = value
        changed[name] = table
    return changed
