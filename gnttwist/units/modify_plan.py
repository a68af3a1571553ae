"""
What an C{OP_INSTANCE_SET_PARAMS} asks for, checked against the configuration. Pure: no node is asked.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import field, frozen

from gnttwist.config.parameters import fill_be, fill_hv, fill_nic, fill_os, fill_os_private, group_ipolicy
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.model.objects import Disk, Instance, Nic, Parameters
from gnttwist.model.opcode_instance_modify import OpInstanceSetParams
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
from gnttwist.units.encode import group_of
from gnttwist.units.modify_items import Edit, edits, place, unique_names
from gnttwist.units.own_parameters import beparams, hvparams, osparams, updated, with_memory
from gnttwist.units.policy import DISKLESS, MIXED, Specification, template_of, violations
from gnttwist.units.values import refuse

ELSEWHERE = {
    "disk_template": "converting disks to another template",
    "ext_params": "external storage",
    "file_driver": "converting disks to another template",
    "file_storage_dir": "converting disks to another template",
    "pnode": "changing only the node that is recorded (OP_INSTANCE_RECREATE_DISKS makes disks on another one)",
    "pnode_uuid": "changing only the node that is recorded",
    "remote_node": "a second node",
    "remote_node_uuid": "a second node",
    "iallocator": "a second node",
    "instance_communication": "the network for talking to instances",
}
"""
Parameters for what this version does not do, and what that is.
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


@frozen
class Plan:
    """
    What is to become of an instance.

    @ivar instance: It, with all its new members but disks; interfaces whose C{mac} is empty get one drawn.
    @ivar disks: Its disks in their new order.
    @ivar removed: Disks that it loses.
    @ivar changes: What is told of the changes: a parameter and its value each.
    """

    instance: Instance
    disks: Sequence[Disk | NewDisk]
    removed: Sequence[Disk] = ()
    changes: list[list[Any]] = field(factory=list)

    @property
    def new(self) -> dict[int, NewDisk]:
        """
        Disks that it gets, by their index.
        """
        return {index: each for index, each in enumerate(self.disks) if isinstance(each, NewDisk)}


def plan(config: Snapshot, instance: Instance, op: OpInstanceSetParams) -> Plan:
    """
    What is asked for.

    @raise OpPrereqError: It cannot be, whatever the nodes' state, or nothing is asked for.
    """
    supported(op)
    changes: list[list[Any]] = []
    disks, removed = _disks(config, instance, op, changes)
    wanted = msgspec.structs.replace(
        instance,
        os=op.os_name or instance.os,
        hvparams=_hvparams(instance, op, changes),
        beparams=_beparams(config, instance, op, changes),
        osparams=_osparams(instance.osparams, op.osparams, "osparams", changes),
        osparams_private=_osparams(
            instance.osparams_private, op.osparams_private or {}, "osparams_private", changes
        ),
        nics=_nics(config, instance, op, changes),
        admin_state=_admin_state(instance, op, changes),
    )
    if op.os_name is not None:
        changes.append(["os", op.os_name])
    made = Plan(wanted, disks, removed, changes)
    _policy(config, instance, made, op)
    return made


def supported(op: OpInstanceSetParams) -> None:
    """
    Refuse what Ganeti has and this version has not, and opcodes that ask for nothing.

    @raise OpPrereqError: It is so.
    """
    for name, what in ELSEWHERE.items():
        if getattr(op, name):
            raise refuse(f"{name}: {what} is not supported by this version")
    if op.hotplug and not op.hotplug_if_possible:
        raise refuse(
            "hotplug: devices of running instances are not changed by this version; leave it out, and the change "
            "takes effect when the instance is started the next time"
        )
    asked = (
        op.nics, op.disks, op.hvparams, op.beparams, op.os_name, op.osparams, op.osparams_private, op.runtime_mem
    )  # fmt: skip
    if not any(asked) and op.offline is None:
        raise refuse("No changes are asked for")


def _disks(
    config: Snapshot, instance: Instance, op: OpInstanceSetParams, changes: list[list[Any]]
) -> tuple[list[Disk | NewDisk], list[Disk]]:
    before = config.disks_of(instance)
    disks: list[Disk | NewDisk] = [*before]
    removed = []
    for number, each in enumerate(edits(op.disks, "disks")):
        what = f"disks[{number}]"
        index = place(each, disks, what)
        if each.action == "add":
            made = _new_disk(config, before, each, what)
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


def _new_disk(config: Snapshot, before: Sequence[Disk], edit: Edit, what: str) -> NewDisk:
    members = dict(edit.members)
    usual = template_of(before)
    template = members.pop("type", None) or (usual if usual != MIXED else before[0].dev_type)
    if template == DISKLESS:
        raise refuse(f"{what}: the instance has no disks yet; say of which template this one is (type=file)")
    return NewDisk(disk(members, what), template_name(config, str(template), f"{what} type"))


def _changed_disk(found: Disk, edit: Edit, what: str, index: int, changes: list[list[Any]]) -> Disk:
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


def _nics(
    config: Snapshot, instance: Instance, op: OpInstanceSetParams, changes: list[list[Any]]
) -> list[Nic]:
    nics = list(instance.nics)
    for number, each in enumerate(edits(op.nics, "nics")):
        what = f"nics[{number}]"
        index = place(each, nics, what)
        if each.action == "add":
            made = nic(config, each.members, what)
            nics.insert(
                index,
                Nic(mac=made.mac or "", uuid="", nicparams=dict(made.nicparams), ip=made.ip, name=made.name),
            )
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
    if op.nics:
        unused_macs(config, [each.mac for each in nics if each.mac], instance.uuid)
    return nics


def _hvparams(instance: Instance, op: OpInstanceSetParams, changes: list[list[Any]]) -> Parameters:
    changes += [[f"hv/{name}", value] for name, value in op.hvparams.items()]
    return updated(instance.hvparams, op.hvparams, lambda given: hvparams(instance.hypervisor, given))


def _beparams(
    config: Snapshot, instance: Instance, op: OpInstanceSetParams, changes: list[list[Any]]
) -> Parameters:
    if not op.beparams:
        return instance.beparams
    given = with_memory(op.beparams)
    # Together, as some make sense only with others.
    after = beparams(config, {**instance.beparams, **given})
    changes += [[f"be/{name}", after.get(name, value)] for name, value in given.items()]
    return after


def _osparams(own: Parameters, given: Parameters, what: str, changes: list[list[Any]]) -> Parameters:
    # Values of private parameters are told to nobody.
    word = "os" if what == "osparams" else "os_private"
    changes += [[f"{word}/{name}", value if word == "os" else "<redacted>"] for name, value in given.items()]
    return updated(own, given, lambda each: osparams(each, what))


def _admin_state(instance: Instance, op: OpInstanceSetParams, changes: list[list[Any]]) -> str:
    if op.offline is None:
        return instance.admin_state
    if not op.offline and instance.admin_state == "up":
        raise refuse(f"offline: instance {instance.name} is not offline but up", ECode.STATE)
    state = "offline" if op.offline else "down"
    changes.append(["admin_state", state])
    return state


def _policy(config: Snapshot, instance: Instance, made: Plan, op: OpInstanceSetParams) -> None:
    """
    Refuse what the policy of the instance's group does not allow, unless it was so before.
    """
    if op.ignore_ipolicy:
        return
    group = group_of(config, instance)
    policy = group_ipolicy(config, group)
    disks = config.disks_of(instance)
    before = violations(policy, _specification(config, instance, disks))
    after = violations(policy, _specification(config, made.instance, made.disks))
    if wrong := [each for each in after if each not in before]:
        raise refuse(
            f"Instance {instance.name} would violate the policy of group {group.name}: {'; '.join(wrong)}"
        )


def _specification(config: Snapshot, instance: Instance, disks: Sequence[Disk | NewDisk]) -> Specification:
    backend = fill_be(config, instance)
    templates = {each.template if isinstance(each, NewDisk) else each.dev_type for each in disks}
    return Specification(
        memory=backend["maxmem"],
        vcpus=backend["vcpus"],
        spindle_use=backend["spindle_use"],
        disks=[each.wanted.size if isinstance(each, NewDisk) else each.size for each in disks],
        nics=len(instance.nics),
        template=min(templates, default=DISKLESS),
    )


def differs(config: Snapshot, before: Instance, after: Instance) -> dict[str, bool]:
    """
    Which of the parameters that nodes have a say in are other than before: C{hv}, C{os}.
    """
    return {
        "hv": fill_hv(config, before) != fill_hv(config, after),
        "os": (before.os, fill_os(config, before), fill_os_private(config, before))
        != (after.os, fill_os(config, after), fill_os_private(config, after)),
    }
