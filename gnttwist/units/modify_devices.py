"""
An instance's disks and network interfaces after the changes that are asked for. Pure.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import frozen

from gnttwist.config.parameters import fill_nic
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.model.objects import Disk, Instance, Nic
from gnttwist.units.devices import (
    MAX_DISKS,
    MAX_NICS,
    DiskRequest,
    changed_nic,
    disk,
    mode,
    nic,
    optional,
    template_name,
    unused_macs,
)
from gnttwist.units.modify_items import Edit, edits, place, unique_names
from gnttwist.units.policy import DISKLESS, MIXED, template_of
from gnttwist.units.values import refuse

Changes = list[list[Any]]
"""
What is told of changes: a parameter and its value each.
"""


@frozen
class NewDisk:
    """
    A disk to be made.

    @ivar template: Its disk template.
    """

    wanted: DiskRequest
    template: str
    uuid: str = ""

    @property
    def name(self) -> str | None:
        """
        The name that a user has given it.
        """
        return self.wanted.name


def changed_disks(
    config: Snapshot,
    instance: Instance,
    given: Sequence[Sequence[Any]],
    changes: Changes,
    *,
    usual: str | None = None,
) -> tuple[list[Disk | NewDisk], list[Disk]]:
    """
    An instance's disks as they shall be, and those that it loses.

    @param changes: Gets what is told of the changes.
    @param usual: The template of new disks of an instance without any.
    @raise OpPrereqError: One cannot be changed so.
    """
    before = config.disks_of(instance)
    disks: list[Disk | NewDisk] = [*before]
    removed = []
    for number, each in enumerate(edits(given, "disks")):
        what = f"disks[{number}]"
        index = place(each, disks, what)
        if each.action == "add":
            made = _new_disk(config, usual or template_of(before), before, each, what)
            disks.insert(index, made)
            changes.append([f"disk/{index}", f"add:size={made.wanted.size},mode={made.wanted.mode}"])
            continue
        found = disks[index]
        if isinstance(found, NewDisk):
            raise refuse(f"{what}: disk {index} is only just to be added")
        if each.action == "remove":
            removed.append(found)
            del disks[index]
            changes.append([f"disk/{index}", "remove"])
        else:
            disks[index] = _changed_disk(found, each, what, index, changes)
    if len(disks) > MAX_DISKS:
        raise refuse(f"disks: there can be {MAX_DISKS} at most", ECode.STATE)
    unique_names(disks, "disks")
    if instance.disks_active and any(
        isinstance(each, NewDisk) for each in disks[: len(before) - len(removed)]
    ):
        raise refuse("disks: while disks are in use, others are only added behind them", ECode.STATE)
    return disks, removed


def _new_disk(config: Snapshot, usual: str, before: Sequence[Disk], edit: Edit, what: str) -> NewDisk:
    members = dict(edit.members)
    template = members.pop("type", None) or (usual if usual != MIXED else before[0].dev_type)
    if template == DISKLESS:
        raise refuse(f"{what}: the instance has no disks yet; say of which template this one is (type=file)")
    return NewDisk(disk(members, what), template_name(config, str(template), f"{what} type"))


def _changed_disk(found: Disk, edit: Edit, what: str, index: int, changes: Changes) -> Disk:
    if "size" in edit.members:
        raise refuse(f"{what} size: disks are not resized by this, but by OP_INSTANCE_GROW_DISK")
    if unknown := sorted(set(edit.members) - {"mode", "name"}):
        raise refuse(f"{what}: {', '.join(unknown)} cannot be changed; mode and name can")
    members: dict[str, Any] = {}
    if "mode" in edit.members:
        members["mode"] = mode(edit.members["mode"], what)
    if "name" in edit.members:
        members["name"] = optional(edit.members["name"], what)
    changes += [[f"disk.{name}/{index}", value] for name, value in members.items()]
    return msgspec.structs.replace(found, **members)


def changed_nics(
    config: Snapshot, instance: Instance, given: Sequence[Sequence[Any]], changes: Changes
) -> list[Nic]:
    """
    An instance's network interfaces as they shall be; those that are new have an empty MAC address and UUID.

    @raise OpPrereqError: One cannot be changed so.
    """
    nics = list(instance.nics)
    for number, each in enumerate(edits(given, "nics")):
        what = f"nics[{number}]"
        index = place(each, nics, what)
        if each.action == "add":
            made = nic(config, each.members, what)
            nics.insert(index, made.nic())
            filled = fill_nic(config, nics[index])
            changes.append(
                [
                    f"nic.{index}",
                    f"add:mac={made.mac or 'auto'},ip={made.ip},mode={filled['mode']},link={filled['link']},"
                    f"network={nics[index].network}",
                ]
            )
        elif each.action == "remove":
            del nics[index]
            changes.append([f"nic/{index}", "remove"])
        else:
            nics[index] = changed_nic(config, nics[index], each.members, what)
            changes += [[f"nic.{name}/{index}", value] for name, value in each.members.items()]
    if len(nics) > MAX_NICS:
        raise refuse(f"nics: there can be {MAX_NICS} at most", ECode.STATE)
    unique_names(nics, "nics")
    if given:
        unused_macs(config, [each.mac for each in nics if each.mac], instance.uuid)
    return nics
