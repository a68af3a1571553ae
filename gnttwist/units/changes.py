"""
Edits of the configuration that units make, and how to make one that must not be left out.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.jobs.context import JobContext
from gnttwist.units.address_pool import release
from gnttwist.units.addresses import return_port


async def settle(job: JobContext, what: str, edit: Callable[[Draft], Any]) -> None:
    """
    Record what has just become so on a node. If the opcode is cancelled right here, it is recorded nevertheless.
    """

    async def undo(job: JobContext) -> None:
        await job.change(what, edit)

    job.on_failure(what, undo)
    await job.change(what, edit)
    job.undo_no_more(what)


def set_state(uuid: str, **members: Any) -> Callable[[Draft], None]:
    """
    Change members of an instance; one that is gone stays so.
    """

    def edit(draft: Draft) -> None:
        instance = draft.config.instances.get(uuid)
        if instance is not None:
            changed = msgspec.structs.replace(instance, **members)
            if changed != instance:
                draft.put(changed)

    return edit


def set_disk(uuid: str, **members: Any) -> Callable[[Draft], None]:
    """
    Change members of a disk; one that is gone stays so.
    """

    def edit(draft: Draft) -> None:
        disk = draft.config.disks.get(uuid)
        if disk is not None:
            changed = msgspec.structs.replace(disk, **members)
            if changed != disk:
                draft.put(changed)

    return edit


def forget_instance(uuid: str) -> Callable[[Draft], None]:
    """
    Remove an instance, with its disks, and give its network port and addresses back; one that is gone stays so.
    """

    def edit(draft: Draft) -> None:
        instance = draft.config.instances.get(uuid)
        if instance is None:
            return
        for disk in instance.disks:
            if disk in draft.config.disks:
                draft.delete(draft.config.disks[disk])
        for nic in instance.nics:
            release(draft, nic)
        draft.delete(instance)
        if instance.network_port is not None:
            return_port(draft, instance.network_port)

    return edit


def forget_disk(uuid: str) -> Callable[[Draft], None]:
    """
    Remove a disk from its instance and from the configuration; one that is gone stays so.
    """

    def edit(draft: Draft) -> None:
        disk = draft.config.disks.get(uuid)
        for instance in draft.config.instances:
            if uuid in instance.disks:
                draft.put(
                    msgspec.structs.replace(instance, disks=[each for each in instance.disks if each != uuid])
                )
        if disk is not None:
            draft.delete(disk)

    return edit
