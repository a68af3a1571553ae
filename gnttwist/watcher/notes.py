"""
What the watcher remembers from run to run, and what it decides to do with an instance. Pure.

The format is that of Ganeti's watcher (reference: layout), so that either can go on from the other's notes.
"""

from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any

import msgspec
from attrs import define, field, frozen

MAX_TRIES = 5
"""
How often something is tried until it is given up: Ganeti's.
"""

EXPIRY = 8 * 3600.0
"""
Seconds after which a failed attempt is forgotten and there are new ones: Ganeti's, sixteen times what five attempts
five minutes apart take.
"""


@frozen
class Seen:
    """
    An instance, as a query tells it.

    @ivar status: What it is, such as C{ERROR_down}.
    @ivar admin_state: What it should be.
    @ivar disks_active: Whether its disks should be usable.
    @ivar secondaries: Names of its other nodes.
    """

    name: str
    status: str
    admin_state: str = "up"
    disks_active: bool = True
    secondaries: tuple[str, ...] = ()


class Action(Enum):
    """
    What to do with an instance.
    """

    NOTHING = "nothing"
    RESTART = "restart"
    CLEAN_UP = "clean up"
    GIVE_UP = "give up"
    GIVEN_UP = "given up"
    LOCKED = "locked"
    CAME_BACK = "came back"


@define
class Notes:
    """
    What is remembered.

    @ivar instances: By name: C{restart_count}, C{restart_when}, C{cleanup_count}, C{cleanup_when}; times are seconds
        since the epoch.
    @ivar nodes: By name: C{bootid}.
    """

    instances: dict[str, dict[str, Any]] = field(factory=dict)
    nodes: dict[str, dict[str, Any]] = field(factory=dict)

    @classmethod
    def read(cls, data: bytes) -> "Notes":
        """
        Notes from a file; an empty file is none.

        @raise ValueError: They cannot be read.
        """
        if not data.strip():
            return cls()
        shape = dict[str, dict[str, dict[str, Any]]]
        try:
            found = msgspec.json.decode(data, type=shape)
        except (msgspec.DecodeError, msgspec.ValidationError) as reason:
            raise ValueError(str(reason)) from reason
        return cls(found.get("instance", {}), found.get("node", {}))

    def written(self) -> bytes:
        """
        As a file.
        """
        return msgspec.json.encode({"node": self.nodes, "instance": self.instances})

    def forget_old(self, names: Collection[str], now: float) -> None:
        """
        Forget instances that are gone, and attempts that are long ago.
        """
        self.instances = {
            name: note
            for name, note in self.instances.items()
            if name in names and self._last(note) >= now - EXPIRY
        }

    @staticmethod
    def _last(note: Mapping[str, Any]) -> float:
        times = [note.get(each, 0) for each in ("restart_when", "cleanup_when")]
        return max((each for each in times if isinstance(each, int | float)), default=0)

    def tries(self, name: str, what: str) -> int:
        """
        How often C{what}, C{restart} or C{cleanup}, was tried.
        """
        count = self.instances.get(name, {}).get(f"{what}_count", 0)
        return count if isinstance(count, int) else 0

    def tried(self, name: str, what: str, now: float) -> None:
        """
        Note one more attempt.
        """
        note = self.instances.setdefault(name, {})
        note[f"{what}_count"] = self.tries(name, what) + 1
        note[f"{what}_when"] = now

    def decide(self, seen: Seen, locked: Collection[str]) -> Action:
        """
        What to do with an instance.

        @param locked: Instances that a job has locked.
        """
        if seen.status == "USER_down" and seen.admin_state != "down":
            if seen.name in locked:
                return Action.LOCKED
            return Action.GIVEN_UP if self.tries(seen.name, "cleanup") > MAX_TRIES else Action.CLEAN_UP
        if seen.status == "ERROR_down":
            tries = self.tries(seen.name, "restart")
            if tries > MAX_TRIES:
                return Action.GIVEN_UP
            return Action.GIVE_UP if tries == MAX_TRIES else Action.RESTART
        return Action.CAME_BACK if self.tries(seen.name, "restart") else Action.NOTHING

    def rebooted(self, boots: Mapping[str, str]) -> list[str]:
        """
        Nodes that have another boot ID than is remembered.
        """
        return [
            name for name, boot in boots.items() if boot and self.nodes.get(name, {}).get("bootid") != boot
        ]

    def booted(self, name: str, boot: str) -> None:
        """
        Remember a node's boot ID.
        """
        self.nodes.setdefault(name, {})["bootid"] = boot
