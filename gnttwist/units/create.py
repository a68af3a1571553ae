"""
C{OP_INSTANCE_CREATE}: make an instance, install it and start it.

Whatever fails or is cancelled on the way, what was made before is undone, last first: the guest is stopped, the
instance leaves the configuration, its disks are destroyed.
"""

from collections.abc import Sequence
from functools import partial

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.parameters import fill_hv, group_ipolicy
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Disk, Instance, Node
from gnttwist.model.opcode_instance import OpInstanceCreate
from gnttwist.units import disk_making, iallocation, os_check, placement, running
from gnttwist.units.addresses import draw_port, settle_nics
from gnttwist.units.changes import forget_instance, set_state
from gnttwist.units.create_request import Request, check, new_disk
from gnttwist.units.encode import instance_dict
from gnttwist.units.iallocation import BUILT_IN
from gnttwist.units.locking import SHARED_BGL, instance_lock, node_locks, resource_locks
from gnttwist.units.policy import violations
from gnttwist.units.values import refuse


async def create(job: JobContext, op: OpInstanceCreate) -> list[str]:
    """
    Check everything; then disks, configuration, installation, start.

    @return: The names of the instance's nodes.
    """
    request, node = await _decide(job, op)
    config = await job.config()
    if op.name_check or op.ip_check:
        job.log("The name is not looked up: name_check and ip_check have no effect in this version")
    if op.dry_run:
        return [node.name]
    identities = await job.change(
        "draw identities", partial(_draw, count=1 + len(request.disks) + len(request.nics))
    )
    instance, disks = _objects(request, node, identities)
    await disk_making.make(job, config, node, instance.name, dict(enumerate(disks)))
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
    What is asked for and where it goes, checked. Ends with locks on the instance and on that node.
    """
    config = await job.config()
    request = check(config, op)
    nodes = await _lock(job, op, request.name, placement.candidates(config, op, request))
    # Between the reading and the locks, anything may have changed.
    config = await job.config()
    request = check(config, op)
    locked = {each.uuid for each in nodes}
    nodes = [each for each in placement.candidates(config, op, request) if each.uuid in locked]
    allocator = placement.allocator(config, op)
    if allocator is not None and allocator not in BUILT_IN:
        name = await iallocation.place(
            job, config, allocator, request, [each.name for each in nodes], op.group_name
        )
        nodes = [each for each in nodes if each.name == name]
    if len(nodes) == 1:
        # What is checked does not depend on what it has free, so both are asked at the same time.
        [chosen] = nodes
        await job.gather(
            partial(_choose, config=config, nodes=nodes, request=request),
            partial(_check_node, op=op, config=config, request=request, node=chosen),
        )
    else:
        chosen = await _choose(job, config, nodes, request)
    others = locked - {chosen.uuid}
    if others:
        job.log(f"Chose node {chosen.name} of {len(locked)}")
        await job.release([name for uuid in sorted(others) for name in (f"node/{uuid}", f"node-res/{uuid}")])
    if len(nodes) > 1:
        await _check_node(job, op, config, request, chosen)
    return request, chosen


async def _choose(job: JobContext, config: Snapshot, nodes: Sequence[Node], request: Request) -> Node:
    """
    Where it goes, by what nodes have free.
    """
    found = await placement.survey(job, config, nodes, request.hypervisor, request.template)
    return placement.choose(config, found, request.name, placement.need(config, request))


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
    os_check.allowed(config, request.os)
    instance = request.instance(primary_node=node.uuid)
    # Only to see whether the addresses can be had; they are taken when the instance is recorded.
    wanted = msgspec.structs.replace(instance, nics=[each.nic() for each in request.nics])
    draft = Draft(config, 0.0, job.random("addresses"))
    nics = settle_nics(draft, wanted, conflicts_check=op.conflicts_check)
    await job.gather(
        partial(
            os_check.bridges_there,
            config=config,
            node=node,
            instance=msgspec.structs.replace(instance, nics=nics),
        ),
        partial(
            os_check.installable,
            config=config,
            node=node,
            instance=instance,
            secret=op.osparams_secret,
            force_variant=op.force_variant,
        ),
        partial(
            os_check.hypervisor_accepts,
            node=node,
            hypervisor=request.hypervisor,
            filled=fill_hv(config, instance),
        ),
    )


def _draw(draft: Draft, *, count: int) -> list[str]:
    return [draft.new_uuid() for _ in range(count)]


def _objects(request: Request, node: Node, identities: Sequence[str]) -> tuple[Instance, list[Disk]]:
    """
    The instance, its interfaces still without MAC addresses, and its disks.

    @param identities: Enough UUIDs.
    """
    own, *rest = identities
    disks = [
        new_disk(
            uuid,
            wanted,
            index,
            template=request.template,
            driver=request.driver,
            directory=request.directory,
            node=node.uuid,
        )
        for index, (uuid, wanted) in enumerate(zip(rest, request.disks, strict=False))
    ]
    nics = [wanted.nic(uuid) for uuid, wanted in zip(rest[len(disks) :], request.nics, strict=True)]
    instance = request.instance(own, node.uuid)
    return msgspec.structs.replace(instance, nics=nics, disks=[each.uuid for each in disks]), disks


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
    await job.change(
        "add the instance",
        partial(_add, instance=instance, disks=disks, conflicts_check=request.conflicts_check),
    )
    config = await job.config()
    return config, config.instances[instance.uuid]


def _add(draft: Draft, *, instance: Instance, disks: Sequence[Disk], conflicts_check: bool) -> None:
    """
    Add it with all that is drawn for it: MAC addresses, and the port that kvm's displays use.
    """
    if draft.config.instances.named(instance.name) is not None:
        raise refuse(f"Instance '{instance.name}' is already in the cluster", ECode.EXISTS)
    nics = settle_nics(draft, instance, conflicts_check=conflicts_check)
    port = draw_port(draft) if instance.hypervisor == "kvm" else None
    for disk in disks:
        draft.put(disk)
    draft.put(msgspec.structs.replace(instance, nics=nics, network_port=port))
