"""
Steps that several units take with an instance: look whether it runs, make its disks usable, stop it.
"""

from collections.abc import Collection, Mapping
from typing import Any

from gnttwist.config.parameters import fill_be, fill_hv
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Instance, Node
from gnttwist.model.opcode import Opcode
from gnttwist.units.encode import disk_dict, group_of, instance_dict
from gnttwist.units.values import refuse
from gnttwist.wire.calls import FUNCTIONS

RUNNING = 0
"""
The state of a guest at work; others have ended and are only not cleaned up yet.
"""

UP: Mapping[str, Any] = {"admin_state": "up", "admin_state_source": "admin", "disks_active": True}
"""
What is recorded of an instance that was started.
"""

STOPPING = 60.0
"""
Seconds that stopping may take over the time that the guest is given: Ganeti's margin for slow nodes.
"""


def find(config: Snapshot, name: str, uuid: str | None) -> Instance:
    """
    The instance that an opcode means.

    @raise OpPrereqError: There is none, or its name and UUID are of two.
    """
    found = config.instances.find(uuid or name)
    if uuid is not None and name and config.instances.find(name).uuid != found.uuid:
        raise refuse(f"instance_uuid: {uuid} is not the instance {name}")
    return found


def online(config: Snapshot, instance: Instance) -> Node:
    """
    An instance's primary node.

    @raise OpPrereqError: It is marked offline.
    """
    node = config.nodes[instance.primary_node]
    if node.offline:
        raise refuse(f"Primary node {node.name} of instance {instance.name} is offline", ECode.STATE)
    return node


def startable(instance: Instance) -> None:
    """
    Check that an instance may be started.

    @raise OpPrereqError: It is marked offline.
    """
    if instance.admin_state == "offline":
        raise refuse(
            f"Instance {instance.name} is marked offline; mark it online before starting it", ECode.STATE
        )


def patience(timeout: int, what: str) -> int:
    """
    The time that a guest is given to shut down, in seconds.

    @raise OpPrereqError: It is longer than nodes wait.
    """
    longest = int(FUNCTIONS["instance_shutdown"].limit)
    if timeout > longest:
        raise refuse(f"{what}: {timeout} is more than the {longest} seconds that nodes wait for a guest")
    return timeout


def reason_of(op: Opcode) -> list[list[Any]]:
    """
    The reason trail, as calls carry it.
    """
    return [list(each) for each in op.reason]


async def runs(job: JobContext, config: Snapshot, instance: Instance) -> bool:
    """
    Whether an instance's guest is at work.

    @raise NodeError: The node does not say.
    """
    node = config.nodes[instance.primary_node]
    info = await job.call(
        node, "instance_info", [instance.name, instance.hypervisor, fill_hv(config, instance)]
    )
    return bool(info) and info.get("state", RUNNING) == RUNNING


async def stopped(
    job: JobContext,
    config: Snapshot,
    instance: Instance,
    what: str,
    *,
    states: Collection[str] = ("down", "offline"),
) -> None:
    """
    Check that an instance is down and should be.

    @param what: What is to be done with it, as a past participle.
    @param states: What it may be marked as.
    @raise OpPrereqError: It is not, or its node does not say.
    """
    if instance.admin_state == "up":
        raise refuse(
            f"Instance {instance.name} is marked up; it cannot be {what} until it is stopped", ECode.STATE
        )
    if instance.admin_state not in states:
        raise refuse(
            f"Instance {instance.name} is marked {instance.admin_state}; it cannot be {what} unless it is marked "
            f"{' or '.join(states)}",
            ECode.STATE,
        )
    node = config.nodes[instance.primary_node]
    if node.offline:
        return
    try:
        at_work = await runs(job, config, instance)
    except NodeError as reason:
        raise refuse(
            f"Whether instance {instance.name} runs is not known: {reason}", ECode.ENVIRON
        ) from reason
    if at_work:
        raise refuse(f"Instance {instance.name} runs; it cannot be {what} until it is stopped", ECode.STATE)


async def free_memory(
    job: JobContext, config: Snapshot, instance: Instance, beparams: Mapping[str, Any] | None = None
) -> None:
    """
    Check that an instance's node has the memory to start it.

    @raise OpPrereqError: It has not.
    """
    suffices(config, instance, await memory_free(job, config, instance), beparams)


def suffices(
    config: Snapshot, instance: Instance, free: int, beparams: Mapping[str, Any] | None = None
) -> None:
    """
    Check that memory suffices to start an instance.

    @param free: What its node has, in MiB.
    @raise OpPrereqError: It does not.
    """
    node = config.nodes[instance.primary_node]
    needed = (fill_be(config, instance) | dict(beparams or {}))["maxmem"]
    if free < needed:
        raise refuse(
            f"Not enough memory on node {node.name} to start instance {instance.name}: "
            f"needed {needed} MiB, free {free} MiB",
            ECode.NORES,
        )


async def memory_free(job: JobContext, config: Snapshot, instance: Instance) -> int:
    """
    The memory that an instance's node has free, in MiB.

    @raise NodeError: It does not say.
    """
    node = config.nodes[instance.primary_node]
    specification = [instance.hypervisor, config.cluster.hvparams.get(instance.hypervisor, {})]
    _, _, [hypervisor] = await job.call(node, "node_info", [None, [specification]])
    return int(hypervisor["memory_free"])


async def assemble(job: JobContext, config: Snapshot, instance: Instance) -> list[str]:
    """
    Make an instance's disks usable on its primary node.

    @return: Where each is there.
    """
    node = config.nodes[instance.primary_node]
    disks = config.disks_of(instance)
    owner = instance_dict(config, instance, disks)
    places = []
    for index, disk in enumerate(owner["disks_info"]):
        path, _, _ = await job.call(node, "blockdev_assemble", [disk, owner, True, index])
        places.append(path)
    return places


async def assemble_for_once(job: JobContext, config: Snapshot, instance: Instance) -> list[str]:
    """
    The same, and if the opcode fails later, make them unusable again unless they should be usable.
    """
    if not instance.disks_active:

        async def undo(job: JobContext) -> None:
            await deactivate(job, config, instance)

        job.on_failure(f"deactivate disks of {instance.name}", undo)
    return await assemble(job, config, instance)


async def deactivate(job: JobContext, config: Snapshot, instance: Instance) -> None:
    """
    Undo L{assemble}. A disk that stays in use is told, and hurts nobody.
    """
    node = config.nodes[instance.primary_node]
    for index, disk in enumerate(config.disks_of(instance)):
        try:
            await job.call(node, "blockdev_shutdown", [disk_dict(config, disk, group_of(config, instance))])
        except NodeError as reason:
            job.log(f"Could not deactivate disk {index} on node {node.name}: {reason}")


async def start(
    job: JobContext,
    op: Opcode,
    config: Snapshot,
    instance: Instance,
    *,
    paused: bool = False,
    hvparams: Mapping[str, Any] | None = None,
    beparams: Mapping[str, Any] | None = None,
) -> None:
    """
    Start a guest whose disks are usable. If the opcode fails later, it is stopped again.
    """
    disks = config.disks_of(instance)
    members = instance_dict(config, instance, disks, hvparams=hvparams, beparams=beparams)
    reason = reason_of(op)

    async def undo(job: JobContext) -> None:
        await stop(job, config, instance, timeout=0, reason=reason)

    job.on_failure(f"stop {instance.name}", undo)
    await job.call(config.nodes[instance.primary_node], "instance_start", [members, paused, reason])


def restart_on_failure(job: JobContext, op: Opcode, config: Snapshot, instance: Instance) -> None:
    """
    See to it that a guest which is stopped for a while runs again if the opcode fails meanwhile.
    """
    members = instance_dict(config, instance, config.disks_of(instance))

    async def undo(job: JobContext) -> None:
        if not await runs(job, config, instance):
            job.log(f"Starting instance {instance.name} again")
            await assemble(job, config, instance)
            node = config.nodes[instance.primary_node]
            await job.call(node, "instance_start", [members, False, reason_of(op)])

    job.on_failure(f"start {instance.name} again", undo)


async def stop(
    job: JobContext, config: Snapshot, instance: Instance, *, timeout: int, reason: list[list[Any]]
) -> None:
    """
    Stop a guest: ask it, and after C{timeout} seconds end it. One that does not run is fine, and is cleaned up if it
    ended by itself.

    @raise NodeError: It may still run.
    """
    node = config.nodes[instance.primary_node]
    members = instance_dict(config, instance, config.disks_of(instance))
    await job.call(node, "instance_shutdown", [members, timeout, reason], limit=timeout + STOPPING)
