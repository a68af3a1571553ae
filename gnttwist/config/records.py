"""
The configuration as keys and values of the store.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import PREFIXES, SERIAL_KEY, TIMES_KEY, AnyObject, Snapshot, key_of
from gnttwist.errors import LocalError
from gnttwist.model.objects import Cluster
from gnttwist.model.stored import Undecodable, decode, encode
from gnttwist.store.interface import Delete, Entry, Put, Write

PREFIX = "/config/"
"""
What all keys of the configuration begin with.
"""

CLUSTER_KEY = "/config/cluster"


class NotInitialised(LocalError):
    """
    The store holds no cluster.
    """


def serial_value(serial: int) -> bytes:
    """
    The value of L{SERIAL_KEY}.
    """
    return b"%d" % serial


def bookkeeping(config: Snapshot) -> list[Write]:
    """
    What every change writes besides its objects: the serial number and the times.
    """
    return [
        Put(SERIAL_KEY, serial_value(config.serial)),
        Put(TIMES_KEY, msgspec.json.encode([config.ctime, config.mtime])),
    ]


def of_objects(objects: Iterable[AnyObject]) -> list[Write]:
    """
    The writes that store objects.
    """
    return [Put(key_of(each), encode(each)) for each in objects]


def of_draft(draft: Draft) -> list[Write]:
    """
    The writes that make an edit's changes.
    """
    return [Delete(key) if value is None else Put(key, encode(value)) for key, value in draft.written.items()]


class Assembly:
    """
    A configuration that is read in pages, so that a large one does not hold up the reactor.
    """

    def __init__(self) -> None:
        self._special: dict[str, Entry] = {}
        self._objects: list[AnyObject] = []

    def add(self, entries: Sequence[Entry]) -> None:
        """
        Take some of the entries under L{PREFIX}, all as of one revision.

        @raise Undecodable: A value is damaged, or a key is unknown.
        """
        for entry in entries:
            if entry.key in (CLUSTER_KEY, SERIAL_KEY, TIMES_KEY):
                self._special[entry.key] = entry
            else:
                self._objects.append(_decoded(entry))

    def snapshot(self) -> Snapshot:
        """
        The configuration, once all entries are there. Its revision is that of its last change, not of the read.

        @raise NotInitialised: There is no cluster.
        @raise Undecodable: The serial number or the times are damaged.
        """
        try:
            cluster, serial, times = (self._special[key] for key in (CLUSTER_KEY, SERIAL_KEY, TIMES_KEY))
        except KeyError as missing:
            raise NotInitialised(f"the store holds no cluster: no {missing.args[0]}") from missing
        try:
            ctime, mtime = msgspec.json.decode(times.value, type=tuple[float, float])
            number = int(serial.value)
        except (msgspec.DecodeError, ValueError) as reason:
            raise Undecodable(f"the configuration's serial number or times: {reason}") from reason
        return Snapshot(
            cluster=decode(Cluster, cluster.value),
            serial=number,
            revision=serial.modified,
            ctime=ctime,
            mtime=mtime,
        ).with_objects(self._objects)


_KINDS: dict[str, type[Any]] = {prefix: kind for kind, prefix in PREFIXES.items()}


def _decoded(entry: Entry) -> AnyObject:
    kind = _KINDS.get(entry.key[: entry.key.rindex("/") + 1])
    if kind is None:
        raise Undecodable(f"{entry.key} is no key of the configuration")
    found: AnyObject = decode(kind, entry.value)
    return found
