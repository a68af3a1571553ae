"""
A change to the configuration being made: reads see what was already written.

Edits are pure functions from a draft to a result. They may be called again on a newer configuration, so they
take time and randomness from the draft and touch nothing else.
"""

import random
import uuid
from typing import TypeVar

import msgspec

from gnttwist.config.snapshot import AnyObject, Snapshot, key_of
from gnttwist.model.objects import Cluster, ConfigObject, Disk, Instance, JobFilter, Network, Node, NodeGroup

K = TypeVar("K", Cluster, Node, NodeGroup, Network, Instance, Disk)


class Draft:
    """
    The configuration under edit.

    @ivar base: What the edit began with.
    @ivar now: The wall clock, seconds since the epoch, for ctime and mtime.
    @ivar random: The only source of randomness.
    """

    def __init__(self, base: Snapshot, now: float, source: random.Random) -> None:
        self.base = base
        self.now = now
        self.random = source
        self._current = base
        self._written: dict[str, AnyObject | None] = {}

    @property
    def config(self) -> Snapshot:
        """
        The configuration with the edit so far.
        """
        return self._current

    @property
    def written(self) -> dict[str, AnyObject | None]:
        """
        What was written so far, by store key; C{None} for removed objects.
        """
        return dict(self._written)

    def new_uuid(self) -> str:
        """
        A random UUID.
        """
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def put(self, value: K) -> K:
        """
        Add or replace an object; its times and serial number are set here.

        @return: The object as written.
        """
        old = self._find(value)
        stamped = msgspec.structs.replace(
            value,
            serial_no=1 if old is None else old.serial_no + 1,
            ctime=self.now if old is None else old.ctime,
            mtime=self.now,
        )
        self._current = self._current.with_object(stamped)
        self._written[key_of(stamped)] = stamped
        return stamped

    def put_filter(self, value: JobFilter) -> None:
        """
        Add or replace a job filter, which has no times.
        """
        self._current = self._current.with_object(value)
        self._written[key_of(value)] = value

    def delete(self, value: AnyObject) -> None:
        """
        Remove an object.

        @raise KeyError: It is not there.
        """
        self._current = self._current.without(type(value), value.uuid)
        self._written[key_of(value)] = None

    def _find(self, value: ConfigObject) -> ConfigObject | None:
        current = self._current
        if isinstance(value, Cluster):
            return current.cluster
        for table in (current.nodes, current.groups, current.networks, current.instances, current.disks):
            found = table.get(value.uuid)
            if found is not None and type(found) is type(value):
                return found
        return None
