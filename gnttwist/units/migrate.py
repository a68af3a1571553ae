"""
C{OP_INSTANCE_MIGRATE}: a running guest goes to another node that sees its disks.

Until the hypervisors say that the guest is over there, all is undone. From then on nothing is: whatever fails, the
old node forgets the guest, the configuration gets the new one, and that one takes it as its own.
"""

from typing import Any

from gnttwist.config.parameters import fill_hv
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError, OpExecError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Instance, Node
from gnttwist.model.opcode_instance import OpInstanceFailover, OpInstanceMigrate
from gnttwist.units import running
from gnttwist.units.destination import moved, reserve, settle
from gnttwist.units.encode import instance_dict
from gnttwist.units.failover import failover
from gnttwist.units.migration_cleanup import clean_up
from gnttwist.units.values import refuse

ABLE = frozenset({"fake"})
"""
The hypervisors whose guests migrate in this version.
"""

POLL = 1.0
"""
Seconds between two questions how far a migration is.
"""

LONGEST = 3600.0
"""
Seconds that one may take: Ganeti's limit for the call that begins it.
"""


async def migrate(job: JobContext, op: OpInstanceMigrate) -> None:
    """
    Let the other node wait for the guest, send it, and record where it is.
    """
    if op.mode is not None and op.live is not None:
        raise refuse("mode, live: they say the same; give one of them")
    if op.cleanup:
        await clean_up(job, op)
        return
    config = await job.config()
    before = running.find(config, op.instance_name, op.instance_uuid)
    if why := _stays(before):
        if not op.allow_failover:
            raise refuse(f"OP_INSTANCE_MIGRATE: {why}; with allow_failover it is failed over", ECode.STATE)
        job.log(f"{why[0].upper()}{why[1:]}; failing over instead")
        await failover(job, _failover(op))
        return
    config, instance, nodes = await reserve(job, op)
    if why := _stays(instance):
        raise refuse(f"OP_INSTANCE_MIGRATE: {why}; try again", ECode.STATE)
    here = running.online(config, instance)
    memory = await _ready(job, config, here, instance)
    target = await settle(job, config, instance, nodes, op, memory)
    if op.dry_run:
        return
    await _send(job, config, instance, here, target, live=_live(config, instance, op))


def _stays(instance: Instance) -> str:
    """
    Why an instance cannot migrate, whatever its node says; empty where it can.
    """
    if instance.hypervisor not in ABLE:
        return f"guests of hypervisor {instance.hypervisor} are not migrated by this version"
    if instance.admin_state != "up":
        return f"instance {instance.name} is marked {instance.admin_state}"
    return ""


def _failover(op: OpInstanceMigrate) -> OpInstanceFailover:
    return OpInstanceFailover(
        instance_name=op.instance_name,
        instance_uuid=op.instance_uuid,
        target_node=op.target_node,
        target_node_uuid=op.target_node_uuid,
        iallocator=op.iallocator,
        ignore_ipolicy=op.ignore_ipolicy,
        dry_run=op.dry_run,
        reason=op.reason,
    )


def _live(config: Snapshot, instance: Instance, op: OpInstanceMigrate) -> bool:
    if op.live is not None:
        return op.live
    return (op.mode or fill_hv(config, instance).get("migration_mode")) == "live"


async def _ready(job: JobContext, config: Snapshot, here: Node, instance: Instance) -> int:
    """
    Check that a guest runs and could leave.

    @return: Its memory, in MiB.
    @raise OpPrereqError: It does not, or could not, or its node does not say.
    """
    try:
        guest = await job.call(
            here, "instance_info", [instance.name, instance.hypervisor, fill_hv(config, instance)]
        )
        if not guest or guest.get("state", running.RUNNING) != running.RUNNING:
            raise refuse(f"Instance {instance.name} does not run; fail it over or start it", ECode.STATE)
        await job.call(here, "instance_migratable", [_members(config, instance)])
    except NodeError as reason:
        raise refuse(f"Instance {instance.name} cannot be migrated: {reason}", ECode.STATE) from reason
    return int(guest["memory"])


def _members(config: Snapshot, instance: Instance) -> dict[str, Any]:
    return instance_dict(config, instance, config.disks_of(instance))


async def _send(
    job: JobContext, config: Snapshot, instance: Instance, here: Node, target: Node, *, live: bool
) -> None:
    members = _members(config, instance)
    info = await job.call(here, "migration_info", [members])

    async def refuse_it(job: JobContext) -> None:
        await job.call(target, "instance_finalize_migration_dst", [members, info, False])

    async def keep_it(job: JobContext) -> None:
        await job.call(here, "instance_finalize_migration_src", [members, False, live])

    async def finish(job: JobContext) -> None:
        try:
            await job.call(here, "instance_finalize_migration_src", [members, True, live])
        except NodeError as reason:
            job.log(f"Something of instance {instance.name} may be left on node {here.name}: {reason}")
        await job.change("where it is", moved(instance, target.uuid))
        await job.call(target, "instance_finalize_migration_dst", [members, info, True])

    job.on_failure("the target waits no more", refuse_it)
    job.log(f"* Preparing node {target.name} to accept instance {instance.name}")
    await job.call(target, "accept_instance", [members, info, target.secondary_ip])
    job.on_failure("it stays where it is", keep_it)
    job.log(f"* Migrating instance {instance.name} to node {target.name}")
    cluster = config.cluster.cluster_name
    await job.call(here, "instance_migrate", [cluster, members, target.secondary_ip, live])

    async def ended(job: JobContext) -> str | None:
        found = await job.call(here, "instance_get_migration_status", [members])
        return None if found["status"] == "active" else str(found["status"])

    outcome = await job.until(ended, interval=POLL, timeout=LONGEST)
    if outcome != "completed":
        raise OpExecError(f"Could not migrate instance {instance.name}: {outcome or 'it takes too long'}")
    job.on_failure("it is where it went", finish)
    job.undo_no_more("the target waits no more")
    job.undo_no_more("it stays where it is")
    await finish(job)
