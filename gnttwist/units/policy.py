"""
Instance policies: what a group allows its instances to be. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from gnttwist.config.parameters import fill_be
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import Disk, Instance

DISKLESS = "diskless"
MIXED = "mixed"
"""
Ganeti's word for disks of several templates.
"""


@frozen
class Specification:
    """
    What of an instance a policy is about.

    @ivar memory: In MiB.
    @ivar disks: Sizes in MiB.
    """

    memory: int
    vcpus: int
    spindle_use: int
    disks: Sequence[int]
    nics: int
    template: str

    def values(self) -> Iterator[tuple[str, str, int]]:
        """
        The policy's word, which one of several, and the value, for each limit that applies.
        """
        yield "memory-size", "", self.memory
        yield "cpu-count", "", self.vcpus
        yield "spindle-use", "", self.spindle_use
        yield "nic-count", "", self.nics
        if self.template != DISKLESS:
            yield "disk-count", "", len(self.disks)
        for index, size in enumerate(self.disks):
            yield "disk-size", f"/{index}", size


def specification(config: Snapshot, instance: Instance) -> Specification:
    """
    What policies are about, of an instance whose disks are in the configuration.
    """
    disks = config.disks_of(instance)
    backend = fill_be(config, instance)
    return Specification(
        memory=backend["maxmem"],
        vcpus=backend["vcpus"],
        spindle_use=backend["spindle_use"],
        disks=[each.size for each in disks],
        nics=len(instance.nics),
        template=template_of(disks),
    )


def template_of(disks: Sequence[Disk]) -> str:
    """
    The disk template of an instance with these disks.
    """
    kinds = {each.dev_type for each in disks}
    if not kinds:
        return DISKLESS
    return kinds.pop() if len(kinds) == 1 else MIXED


def violations(policy: Mapping[str, Any], wanted: Specification) -> list[str]:
    """
    What of an instance a policy does not allow.

    A policy may have several ranges; it is enough to fit in one, and if it fits in none, the one with the fewest
    violations is told.
    """
    allowed = policy.get("disk-templates")
    wrong = []
    if allowed is not None and wanted.template not in allowed:
        wrong.append(f"disk template {wanted.template} is not allowed (allowed: {', '.join(allowed)})")
    ranges = policy.get("minmax") or [{}]
    return wrong + min(([*_outside(each, wanted)] for each in ranges), key=len)


def _outside(limits: Mapping[str, Any], wanted: Specification) -> Iterator[str]:
    least, most = limits.get("min", {}), limits.get("max", {})
    for word, which, value in wanted.values():
        low, high = least.get(word, value), most.get(word, value)
        if not low <= value <= high:
            yield f"{word}{which} value {value} is not in range [{low}, {high}]"
