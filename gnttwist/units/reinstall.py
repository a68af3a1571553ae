"""
C{OP_INSTANCE_REINSTALL}.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from gnttwist.errors import ECode
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Instance, Parameters
from gnttwist.model.opcode_instance import OpInstanceReinstall
from gnttwist.units import os_check, running
from gnttwist.units.changes import set_state
from gnttwist.units.encode import instance_dict
from gnttwist.units.own_parameters import osparams, updated
from gnttwist.units.target import locked
from gnttwist.units.values import refuse


async def reinstall(job: JobContext, op: OpInstanceReinstall) -> None:
    """
    Run the create script of the instance's OS, or of another one, on its disks.

    If it fails, the configuration says again what it said before; what is on the disks then, nobody knows.
    """
    config, instance = await locked(job, op.instance_name, op.instance_uuid)
    node = running.online(config, instance)
    if not instance.disks:
        raise refuse(f"Instance {instance.name} has no disks to install on")
    await running.stopped(job, config, instance, "reinstalled", states=("down",))
    wanted = _wanted(instance, op)
    if wanted.os != instance.os:
        os_check.allowed(config, wanted.os)
    secret = osparams(op.osparams_secret or {}, "osparams_secret")
    await os_check.installable(job, config, node, wanted, secret, force_variant=op.force_variant)
    if op.dry_run:
        return
    before = {name: getattr(instance, name) for name in ("os", "osparams", "osparams_private")}

    async def undo(job: JobContext) -> None:
        await job.change("as before", set_state(instance.uuid, **before))

    job.on_failure("as before", undo)
    after = {name: getattr(wanted, name) for name in before}
    await job.change("its operating system", set_state(instance.uuid, **after))
    config = await job.config()
    await running.assemble_for_once(job, config, wanted)
    job.log(f"* Installing operating system {wanted.os}")
    members = instance_dict(config, wanted, config.disks_of(wanted), osparams_secret=secret)
    await job.call(node, "instance_os_add", [members, True, op.debug_level or 0])
    if not instance.disks_active:
        await running.deactivate(job, config, wanted)


def _wanted(instance: Instance, op: OpInstanceReinstall) -> Instance:
    wanted = msgspec.structs.replace(
        instance,
        os=op.os_type or instance.os,
        osparams=_merged(instance.osparams, op.osparams, "osparams"),
        osparams_private=_merged(instance.osparams_private, op.osparams_private, "osparams_private"),
    )
    if not wanted.os:
        raise refuse(f"os_type: instance {instance.name} has no operating system; name one", ECode.INVAL)
    return wanted


def _merged(own: Parameters, given: Mapping[str, Any] | None, what: str) -> Parameters:
    return updated(own, given or {}, lambda kept: osparams(kept, what))
