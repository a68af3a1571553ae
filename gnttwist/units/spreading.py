"""
The built-in allocator's rule: which of several nodes an instance goes to. Pure.

It goes where the nodes are used most evenly afterwards: the squares of the used shares of memory, disk space and
processors are added up, so that one scarce resource weighs more than three plentiful ones.
"""

from collections.abc import Sequence

from attrs import evolve, frozen


@frozen
class Room:
    """
    What a node has; sizes in MiB.

    @ivar name: The node's.
    @ivar disk_free: Where the instance's disks would be; C{None} where they need none.
    @ivar cpus: Processors; 0 if not known.
    @ivar vcpus: Processors of the instances that it has.
    """

    name: str
    memory_total: int
    memory_free: int
    disk_total: int | None = None
    disk_free: int | None = None
    cpus: int = 0
    vcpus: int = 0


@frozen
class Need:
    """
    What an instance takes; sizes in MiB.

    @ivar memory: 0 if it is not started.
    """

    memory: int
    disk: int = 0
    vcpus: int = 0


def lack(room: Room, need: Need) -> str:
    """
    What a node has too little of, in words; empty if the instance fits.
    """
    parts = []
    if room.memory_free < need.memory:
        parts.append(f"memory needed {need.memory} MiB, free {room.memory_free} MiB")
    if room.disk_free is not None and room.disk_free < need.disk:
        parts.append(f"disk space needed {need.disk} MiB, free {room.disk_free} MiB")
    return ", ".join(parts)


def less(room: Room, need: Need) -> Room:
    """
    A node with an instance more.
    """
    return evolve(
        room,
        memory_free=room.memory_free - need.memory,
        disk_free=None if room.disk_free is None else room.disk_free - need.disk,
        vcpus=room.vcpus + need.vcpus,
    )


def best(rooms: Sequence[Room], need: Need) -> Room | None:
    """
    The node that an instance goes to, or C{None} if it fits nowhere. Of equal ones the first by name.
    """
    fitting = [each for each in rooms if not lack(each, need)]
    # Shares are of the largest node's, so that a small node counts as used already.
    memory = max((each.memory_total for each in rooms), default=0)
    disk = max((each.disk_total or 0 for each in rooms), default=0)
    cpus = max((each.cpus for each in rooms), default=0)

    def use(room: Room) -> tuple[float, str]:
        after = less(room, need)
        shares = [
            1 - after.memory_free / memory if memory else 0.0,
            1 - (after.disk_free or 0) / disk if disk and after.disk_free is not None else 0.0,
            (after.vcpus + cpus - room.cpus) / cpus if cpus else 0.0,
        ]
        return sum(max(0.0, each) ** 2 for each in shares), room.name

    return min(fitting, key=use, default=None)
