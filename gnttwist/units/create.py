"""
C{OP_INSTANCE_CREATE}: make an instance, install it and start it.

Whatever fails or is cancelled on the way, what was made before is undone, last first: the guest is stopped, the
instance leaves the configuration, its disks are destroyed.
"""

from collections.abc import Sequence
from functools import partial

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.parameters import fill_hv, fill_os, fill_os_private, group_ipolicy
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, FunctionFailed, NodeError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Disk, Instance, Nic, Node
from gnttwist.model.opcode_instance import OpInstanceCreate
from gnttwist.units import placement, running
from gnttwist.units.addresses import draw_mac, draw_port
from gnttwist.units.changes import forget_instance, set_state
from gnttwist.units.create_request import Request, check
from gnttwist.units.encode import disk_dict, instance_dict
from gnttwist.units.locking import SHARED_BGL, instance_lock, node_locks, resource_locks
from gnttwist.units.os_diagnose import on_node
from gnttwist.units.policy import violations
from gnttwist.units.values import refuse


async def create(job: JobContext, op: OpInstanceCreate) -> list[str]:
    """
    Check everything; then disks, configuration, installation, start.

    @return: The names of the instance's nodes.
    """
    request, node = await _decide(job, op)
    config = await job.config()
    await _check_node(job, op, config, request, node)
    if op.name_check or op.ip_check:
        job.log("The name is not looked up: name_check and ip_check have no effect in this version")
    if op.dry_run:
        return [node.name]
    identities = await job.change(
        "draw identities", partial(_draw, count=1 + len(request.disks) + len(request.nics))
    )
    instance, disks = _objects(request, node, identities)
    await _make_disks(job, config, node, instance, disks, request)
    config, instance = await _record(job, instance, disks, request)
    await job.release(list(node_locks([node], LockMode.EXCLUSIVE)))
    if request.install or request.start:
        await running.assemble(job, config, instance)
    if request.install:
        job.log(f"* Installing operating system {request.os}")
        members = instance_dict(config, instance, disks, osparams_secret=op.osparams_secret)
        await job.call(node, "instance_os_add", [members, False, op.debug_level or 0])
    if request.start:
        job.log(f"* Starting instance {request.name}")
        await running.start(job, op, config, instance)
        await job.change("mark up", set_state(instance.uuid, admin_state="up", disks_active=True))
    elif request.install:
        await running.deactivate(job, config, instance)
    return [node.name]


async def _decide(job: JobContext, op: OpInstanceCreate) -> tuple[Request, Node]:
    """
    What is asked for and where it goes. Ends with locks on the instance and on that node.
    """
    config = await job.config()
    request = check(config, op)
    nodes = await _lock(job, op, request.name, placement.candidates(config, op))
    # Between the reading and the locks, anything may have changed.
    config = await job.config()
    request = check(config, op)
    locked = {each.uuid for each in nodes}
    nodes = [each for each in placement.candidates(config, op) if each.uuid in locked]
    found = await placement.survey(job, config, nodes, request)
    chosen = placement.choose(found, request, request.specification(config).memory)
    others = locked - {chosen.uuid}
    if others:
        job.log(f"Chose node {chosen.name}, which has the most free memory of {len(nodes)}")
        await job.release([name for uuid in sorted(others) for name in (f"node/{uuid}", f"node-res/{uuid}")])
    return request, chosen


async def _lock(job: JobContext, op: OpInstanceCreate, name: str, nodes: Sequence[Node]) -> list[Node]:
    """
    Lock the instance and the nodes, or with C{opportunistic_locking} those that are free now.

    @return: The nodes that are locked.
    """
    instance = {**SHARED_BGL, instance_lock(name): LockMode.EXCLUSIVE}
    wanted = node_locks(nodes, LockMode.EXCLUSIVE)
    if not op.opportunistic_locking:
        await job.acquire({**instance, **wanted, **resource_locks(nodes, LockMode.EXCLUSIVE)})
        return list(nodes)
    await job.acquire(instance)
    granted = await job.acquire(wanted, opportunistic=True)
    free = [each for each in nodes if f"node/{each.uuid}" in granted]
    if not free:
        raise refuse("All nodes that could take the instance are locked by other jobs", ECode.TEMP_NORES)
    await job.acquire(resource_locks(free, LockMode.EXCLUSIVE))
    return free


async def _check_node(
    job: JobContext, op: OpInstanceCreate, config: Snapshot, request: Request, node: Node
) -> None:
    """
    Refuse what the node's group, the node itself or its operating systems do not allow.
    """
    group = config.groups[node.group]
    wrong = violations(group_ipolicy(config, group), request.specification(config))
    if wrong and not op.ignore_ipolicy:
        raise refuse(f"Instance {request.name} violates the policy of group {group.name}: {'; '.join(wrong)}")
    name = request.os.partition("+")[0]
    if name in config.cluster.blacklisted_os:
        raise refuse(f"os_type: {name!r} is blacklisted: not allowed for new instances", ECode.STATE)
    instance = request.instance(primary_node=node.uuid)
    parameters = {
        **fill_os(config, instance),
        **fill_os_private(config, instance),
        **(op.osparams_secret or {}),
    }
    try:
        known = {each.name: each for each in reversed(await on_node(job, node)) if each.valid}
        if name not in known:
            raise refuse(
                f"os_type: {name!r} is not on node {node.name}; it has {', '.join(sorted(known)) or 'none'}"
            )
        await job.call(node, "os_validate", [True, request.os, ["parameters"], parameters, op.force_variant])
        await job.call(node, "hypervisor_validate_params", [request.hypervisor, fill_hv(config, instance)])
    except FunctionFailed as reason:
        raise refuse(str(reason)) from reason
    except NodeError as reason:
        raise refuse(str(reason), ECode.ENVIRON) from reason


def _draw(draft: Draft, *, count: int) -> list[str]:
    return [draft.new_uuid() for _ in range(count)]


def _objects(request: Request, node: Node, identities: Sequence[str]) -> tuple[Instance, list[Disk]]:
    """
    The instance, its interfaces still without MAC addresses, and its disks.

    @param identities: Enough UUIDs.
    """
    own, *rest = identities
    disks = [
        Disk(
            uuid=uuid,
            dev_type=request.template,
            # Storage takes a file whose name has the disk's UUID for this disk's.
            logical_id=[request.driver, f"{request.directory}/{uuid}.{request.template}.disk{index}"],
            size=wanted.size,
            mode=wanted.mode,
            name=wanted.name,
            nodes=[node.uuid],
            iv_name=f"disk/{index}",
        )
        for index, (uuid, wanted) in enumerate(zip(rest, request.disks, strict=False))
    ]
    nics = [
        Nic(mac=wanted.mac or "", uuid=uuid, nicparams=dict(wanted.nicparams), ip=wanted.ip, name=wanted.name)
        for uuid, wanted in zip(rest[len(disks) :], request.nics, strict=True)
    ]
    instance = request.instance(own, node.uuid)
    return msgspec.structs.replace(instance, nics=nics, disks=[each.uuid for each in disks]), disks


async def _make_disks(
    job: JobContext, config: Snapshot, node: Node, instance: Instance, disks: Sequence[Disk], request: Request
) -> None:
    """
    Make the disks; each is destroyed again if the opcode fails later.
    """
    if not disks:
        return
    job.log(
        f"* Creating {len(disks)} disk(s) of {', '.join(f'{each.size} MiB' for each in disks)} on {node.name}"
    )

    async def remove_directory(job: JobContext) -> None:
        await job.call(node, "file_storage_dir_remove", [request.directory])

    job.on_failure("remove the directory of disks", remove_directory)
    for index, disk in enumerate(disks):
        members = disk_dict(config, disk, config.groups[node.group])

        async def remove(job: JobContext, members: dict[str, object] = members) -> None:
            await job.call(node, "blockdev_remove", [members])

        job.on_failure(f"remove disk {index}", remove)
        job.progress("creating disks", index, len(disks), "disks")
        info = f"originstname+{instance.name}"
        await job.call(node, "blockdev_create", [members, disk.size, instance.name, True, info, False])
    job.progress("creating disks", len(disks), len(disks), "disks")


async def _record(
    job: JobContext, instance: Instance, disks: Sequence[Disk], request: Request
) -> tuple[Snapshot, Instance]:
    """
    Add the instance to the configuration; it is removed again if the opcode fails later.
    """
    job.log("* Adding the instance to the configuration")

    async def undo(job: JobContext) -> None:
        await job.change("forget the instance", forget_instance(instance.uuid))

    job.on_failure("forget the instance", undo)
    await job.change("add the instance", partial(_add, instance=instance, disks=disks))
    config = await job.config()
    return config, config.instances[instance.uuid]


def _add(draft: Draft, *, instance: Instance, disks: Sequence[Disk]) -> None:
    """
    Add it with all that is drawn for it: MAC addresses, and the port that kvm's displays use.
    """
    if draft.config.instances.named(instance.name) is not None:
        raise refuse(f"Instance '{instance.name}' is already in the cluster", ECode.EXISTS)
    taken = {nic.mac for each in [*draft.config.instances, instance] for nic in each.nics}
    nics = []
    for nic in instance.nics:
        mac = nic.mac or draw_mac(draft, taken)
        taken.add(mac)
        nics.append(msgspec.structs.replace(nic, mac=mac))
    port = draw_port(draft) if instance.hypervisor == "kvm" else None
    for disk in disks:
        draft.put(disk)
    draft.put(msgspec.structs.replace(instance, nics=nics, network_port=port))
