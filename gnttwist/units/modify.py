"""
C{OP_INSTANCE_SET_PARAMS}: change an instance.

All that can fail on nodes is done before the configuration changes, which is one change and the last step. Disks that
are removed are destroyed just before it: if the opcode fails then, the configuration forgets those that are gone.
Disks that were converted are destroyed behind it.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.parameters import fill_be, fill_hv
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Disk, Instance, Node
from gnttwist.model.opcode_instance_modify import OpInstanceSetParams
from gnttwist.units import conversion, disk_making, os_check, running
from gnttwist.units.addresses import settle_nics
from gnttwist.units.changes import forget_disk
from gnttwist.units.conversion import Place
from gnttwist.units.create_request import disk_directory, new_disk
from gnttwist.units.encode import disk_dict, group_of, instance_dict
from gnttwist.units.modify_plan import Plan, differs, plan, supported
from gnttwist.units.space import enough_space
from gnttwist.units.target import locked
from gnttwist.units.values import refuse


async def modify(job: JobContext, op: OpInstanceSetParams) -> list[list[Any]]:
    """
    Check everything, change the node, change the configuration.

    @return: The parameters that changed and their values.
    """
    supported(op)
    exclusive = LockMode.EXCLUSIVE if op.disks or op.disk_template else None
    config, instance = await locked(
        job, op.instance_name, op.instance_uuid, node=exclusive, resources=exclusive
    )
    wanted = plan(config, instance, op)
    node = config.nodes[instance.primary_node]
    if op.nics:
        # Only to see whether the addresses can be had; they are taken with the other changes.
        draft = Draft(config, 0.0, job.random("addresses"))
        nics = settle_nics(draft, wanted.instance, instance.nics, conflicts_check=op.conflicts_check)
        if not node.offline:
            settled = msgspec.structs.replace(wanted.instance, nics=nics)
            await os_check.bridges_there(job, config, node, settled)
    guest = await _guest(job, config, instance, op, wanted)
    await _node_accepts(job, config, instance, op, wanted)
    await _memory(job, config, instance, op, wanted, guest)
    if op.hotplug_if_possible and guest:
        job.log("Devices of running instances are not changed; the change takes effect at the next start")
    if op.dry_run:
        return wanted.changes
    changes = list(wanted.changes)
    if op.runtime_mem is not None:
        await _balloon(job, config, instance, op.runtime_mem, int(guest["memory"]))
        changes.insert(0, ["runtime_memory", op.runtime_mem])
    disks = await _new_disks(job, config, node, instance, wanted)
    edit = partial(_change, wanted=wanted, made=disks)
    if op.disk_template is not None and wanted.removed:
        await conversion.copy(job, config, node, wanted.removed, [*disks.values()])
        await conversion.exchange(job, config, node, instance, disks, edit)
        return changes
    await _destroy(job, config, node, instance, wanted.removed)
    await job.change("the changes", edit)
    return changes


async def _guest(
    job: JobContext, config: Snapshot, instance: Instance, op: OpInstanceSetParams, wanted: Plan
) -> Mapping[str, Any]:
    """
    What the node knows of the guest; nothing where it does not run or need not be known.

    @raise OpPrereqError: It runs and should not for this, or it does not run and should.
    """
    node = config.nodes[instance.primary_node]
    if node.offline and (op.disks or op.disk_template or op.runtime_mem is not None):
        running.online(config, instance)
    down = bool(wanted.removed) or op.offline is not None
    if down:
        await running.stopped(job, config, instance, "changed so")
    if op.runtime_mem is None and down:
        return {}
    if op.runtime_mem is None and not _more_memory(config, instance, wanted) and not op.hotplug_if_possible:
        return {}
    try:
        arguments = [instance.name, instance.hypervisor, fill_hv(config, instance)]
        guest: dict[str, Any] = {} if node.offline else await job.call(node, "instance_info", arguments)
    except NodeError as reason:
        if op.runtime_mem is None:
            job.log(f"Whether instance {instance.name} runs is not known: {reason}")
            return {}
        raise refuse(str(reason), ECode.ENVIRON) from reason
    if guest.get("state", running.RUNNING) != running.RUNNING:
        guest = {}
    if op.runtime_mem is not None and not guest:
        raise refuse(f"runtime_mem: instance {instance.name} does not run", ECode.STATE)
    return guest


def _more_memory(config: Snapshot, instance: Instance, wanted: Plan) -> bool:
    return bool(fill_be(config, wanted.instance)["maxmem"] > fill_be(config, instance)["maxmem"])


async def _node_accepts(
    job: JobContext, config: Snapshot, instance: Instance, op: OpInstanceSetParams, wanted: Plan
) -> None:
    """
    Ask the node about parameters that it has a say in, and about space for disks.

    @raise OpPrereqError: It refuses them, or does not answer.
    """
    node = config.nodes[instance.primary_node]
    changed = differs(config, instance, wanted.instance)
    if node.offline:
        if any(changed.values()):
            job.log(f"Node {node.name} is offline; it is not asked whether it accepts the parameters")
        return
    if changed["hv"]:
        await os_check.hypervisor_accepts(job, node, instance.hypervisor, fill_hv(config, wanted.instance))
    if changed["os"] and not op.force:
        if wanted.instance.os != instance.os:
            os_check.allowed(config, wanted.instance.os)
        await os_check.installable(job, config, node, wanted.instance, None, force_variant=op.force_variant)
    for template in sorted({each.template for each in wanted.new.values()}):
        needed = sum(each.wanted.size for each in wanted.new.values() if each.template == template)
        await enough_space(job, config, node, template, needed)


async def _memory(
    job: JobContext,
    config: Snapshot,
    instance: Instance,
    op: OpInstanceSetParams,
    wanted: Plan,
    guest: Mapping[str, Any],
) -> None:
    """
    Check that the node has the memory that the instance is to have, now or at its next start.

    @raise OpPrereqError: It has not, or the limits do not allow it.
    """
    node = config.nodes[instance.primary_node]
    limits = fill_be(config, wanted.instance)
    has = int(guest.get("memory", 0))
    needs = [] if op.runtime_mem is None else [op.runtime_mem]
    if not op.force and any(not limits["minmem"] <= each <= limits["maxmem"] for each in needs):
        raise refuse(
            f"runtime_mem: {op.runtime_mem} is not between minmem ({limits['minmem']} MiB) and maxmem "
            f"({limits['maxmem']} MiB); use force to have it nevertheless"
        )
    if _more_memory(config, instance, wanted) and not op.force and not node.offline:
        needs.append(limits["maxmem"])
    if max(needs, default=0) <= has:
        return
    try:
        free = await running.memory_free(job, config, instance)
    except NodeError as reason:
        raise refuse(
            f"How much memory node {node.name} has is not known: {reason}", ECode.ENVIRON
        ) from reason
    if max(needs) - has > free:
        raise refuse(
            f"Not enough memory on node {node.name} for instance {instance.name}: needed {max(needs) - has} MiB "
            f"more than it has, free {free} MiB",
            ECode.NORES,
        )


async def _balloon(job: JobContext, config: Snapshot, instance: Instance, memory: int, before: int) -> None:
    """
    Change what a guest has now; it is given back if the opcode fails later.
    """
    node = config.nodes[instance.primary_node]
    members = instance_dict(config, instance, config.disks_of(instance))

    async def undo(job: JobContext) -> None:
        await job.call(node, "instance_balloon_memory", [members, before])

    job.on_failure("memory as before", undo)
    job.log(f"* Changing the memory of the running instance from {before} MiB to {memory} MiB")
    await job.call(node, "instance_balloon_memory", [members, memory])


async def _new_disks(
    job: JobContext, config: Snapshot, node: Node, instance: Instance, wanted: Plan
) -> dict[int, Disk]:
    """
    Make the disks that an instance gets, and where its others are usable, make them so too.
    """
    if not wanted.new:
        return {}
    identities = await job.change("draw identities", partial(_draw, count=len(wanted.new)))
    place = wanted.place or _place(config, instance)
    made = {
        index: new_disk(
            uuid,
            each.wanted,
            index,
            template=each.template,
            driver=place.driver,
            directory=place.directory or disk_directory(config, each.template, instance.name),
            node=node.uuid,
        )
        for uuid, (index, each) in zip(identities, wanted.new.items(), strict=True)
    }
    await disk_making.make(job, config, node, instance.name, made)
    if instance.disks_active:
        owner = instance_dict(config, instance, [*config.disks_of(instance), *made.values()])
        for index, disk in made.items():
            members = disk_dict(config, disk, group_of(config, instance))
            await job.call(node, "blockdev_assemble", [members, owner, True, index])
    return made


def _place(config: Snapshot, instance: Instance) -> Place:
    """
    Where an instance's files are, if it has some.
    """
    for disk in config.disks_of(instance):
        if disk.dev_type in disk_making.FILE_BASED:
            driver, path = disk.logical_id
            return Place(str(driver), str(path).rpartition("/")[0])
    return Place("loop", "")


async def _destroy(
    job: JobContext, config: Snapshot, node: Node, instance: Instance, disks: Sequence[Disk]
) -> None:
    """
    Destroy disks; those that are gone leave the configuration even if the opcode fails later.
    """
    for disk in disks:
        members = disk_dict(config, disk, group_of(config, instance))

        async def undo(job: JobContext, disk: Disk = disk, members: dict[str, Any] = members) -> None:
            if await job.call(node, "blockdev_find", [members]) is None:
                await job.change(f"forget {disk.iv_name}", forget_disk(disk.uuid))

        job.on_failure(f"forget {disk.iv_name}", undo)
        job.log(f"* Destroying {disk.iv_name} of {disk.size} MiB")
        await job.call(node, "blockdev_shutdown", [members])
        await job.call(node, "blockdev_remove", [members])


def _draw(draft: Draft, *, count: int) -> list[str]:
    return [draft.new_uuid() for _ in range(count)]


def _change(draft: Draft, *, wanted: Plan, made: Mapping[int, Disk]) -> None:
    """
    All at once; what was not asked for stays as it is by now.
    """
    current = draft.config.instances[wanted.instance.uuid]
    disks = [made.get(index, each) for index, each in enumerate(wanted.disks)]
    for each in wanted.removed:
        draft.delete(draft.config.disks[each.uuid])
    uuids = []
    for index, disk in enumerate(disks):
        assert isinstance(disk, Disk)
        placed = msgspec.structs.replace(disk, iv_name=f"disk/{index}")
        if draft.config.disks.get(disk.uuid) != placed:
            draft.put(placed)
        uuids.append(disk.uuid)
    names = ("os", "hvparams", "beparams", "osparams", "osparams_private", "admin_state")
    members: dict[str, Any] = {name: getattr(wanted.instance, name) for name in names}
    if wanted.instance.nics != current.nics:
        members["nics"] = settle_nics(
            draft, wanted.instance, current.nics, conflicts_check=wanted.conflicts_check
        )
    changed = msgspec.structs.replace(current, disks=uuids, **members)
    if changed != current:
        draft.put(changed)
