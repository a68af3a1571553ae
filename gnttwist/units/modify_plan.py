"""
What an C{OP_INSTANCE_SET_PARAMS} asks for, checked against the configuration. Pure: no node is asked.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import field, frozen

from gnttwist.config.parameters import fill_be, fill_hv, fill_os, fill_os_private, group_ipolicy
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.model.objects import Disk, Instance, Parameters
from gnttwist.model.opcode_instance_modify import OpInstanceSetParams
from gnttwist.units.conversion import Place, converted, place
from gnttwist.units.encode import group_of
from gnttwist.units.modify_devices import NewDisk, changed_disks, changed_nics
from gnttwist.units.own_parameters import beparams, hvparams, osparams, updated, with_memory
from gnttwist.units.policy import DISKLESS, Specification, violations
from gnttwist.units.values import refuse

ELSEWHERE = {
    "ext_params": "external storage",
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
class Plan:
    """
    What is to become of an instance.

    @ivar instance: It, with all its new members but disks; interfaces whose C{mac} is empty get one drawn.
    @ivar disks: Its disks in their new order.
    @ivar removed: Disks that it loses.
    @ivar place: Where its new disks go, if not to the others.
    @ivar changes: What is told of the changes: a parameter and its value each.
    @ivar conflicts_check: Whether addresses that are kept from instances are refused.
    """

    instance: Instance
    disks: Sequence[Disk | NewDisk]
    removed: Sequence[Disk] = ()
    place: Place | None = None
    changes: list[list[Any]] = field(factory=list)
    conflicts_check: bool = True

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
    if op.disk_template is not None and instance.disks:
        disks, removed = converted(config, instance, op, changes)
    else:
        disks, removed = changed_disks(config, instance, op.disks, changes, usual=op.disk_template)
    wanted = msgspec.structs.replace(
        instance,
        os=op.os_name or instance.os,
        hvparams=_hvparams(instance, op, changes),
        beparams=_beparams(config, instance, op, changes),
        osparams=_osparams(instance.osparams, op.osparams, "osparams", changes),
        osparams_private=_osparams(
            instance.osparams_private, op.osparams_private or {}, "osparams_private", changes
        ),
        nics=changed_nics(config, instance, op.nics, changes),
        admin_state=_admin_state(instance, op, changes),
    )
    if op.os_name is not None:
        changes.append(["os", op.os_name])
    made = Plan(wanted, disks, removed, place(config, instance, op), changes, op.conflicts_check)
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
    if op.disk_template is None and (op.file_driver or op.file_storage_dir):
        raise refuse(
            "file_driver, file_storage_dir: they are for converting disks; say to which disk_template"
        )
    asked = (
        op.nics, op.disks, op.hvparams, op.beparams, op.os_name, op.osparams, op.osparams_private, op.runtime_mem,
        op.disk_template,
    )  # fmt: skip
    if not any(asked) and op.offline is None:
        raise refuse("No changes are asked for")


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
