"""
What of this machine a guest is made of: QEMU, images of kernels, and disks.
"""

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from gnttwist.functions import arguments
from gnttwist.functions.hypervisor.interface import AttachedDisk
from gnttwist.functions.hypervisor.kvm.command import Drive, Guest, device_id, slots
from gnttwist.functions.hypervisor.kvm.parameters import Parameters
from gnttwist.functions.registry import Context, FunctionError
from gnttwist.wire.call_types import InstanceArgument

PACKAGE = "qemu-system-x86"
"""
What has QEMU on Debian and Ubuntu.
"""


def program(path: str) -> str:
    """
    The QEMU to run for the parameter C{kvm_path}.

    @raise FunctionError: It is not there.
    """
    if not shutil.which(path):
        raise FunctionError(
            f"QEMU is not installed: there is no {path} (Debian and Ubuntu: package {PACKAGE})"
        )
    if os.path.basename(path) == "kvm":
        # On some systems that is a script which insists on KVM. What it runs lies beside it.
        beside = os.path.join(os.path.dirname(path), "qemu-system-x86_64")
        if shutil.which(beside):
            return beside
    return path


def image(context: Context, name: str, path: str) -> Path | None:
    """
    A kernel or an initial RAM disk on this machine; C{None} where the parameter is empty.

    @param name: The parameter's name.
    @raise FunctionError: It is not there.
    """
    if not path:
        return None
    # What comes with the node's data lies below its root, what comes with the system does not.
    found = context.paths.real(path) if path.startswith("/srv/") else Path(path)
    if not found.is_file():
        raise FunctionError(f"Hypervisor parameter {name}: there is no file {path}")
    return found


def guest(
    context: Context,
    instance: InstanceArgument,
    parameters: Parameters,
    qemu: str,
    accelerator: str,
    disks: Sequence[AttachedDisk],
) -> Guest:
    """
    What is to be started for an instance.

    @raise FunctionError: Something about it is wrong or not there.
    """
    kernel = image(context, "kernel_path", parameters.kernel_path)
    if kernel is None and not disks:
        raise FunctionError("the guest has neither a disk nor a kernel (kernel_path) to boot from")
    vcpus = arguments.shaped(int, instance.beparams.get("vcpus"), "number of processors (vcpus)")
    if vcpus <= 0:
        raise FunctionError(f"Invalid number of processors (vcpus): {vcpus}")
    return Guest(
        name=instance.name,
        uuid=_uuid(instance.uuid, "instance"),
        program=qemu,
        memory=arguments.size(instance.beparams.get("maxmem"), "memory size (maxmem)"),
        vcpus=vcpus,
        parameters=parameters,
        accelerator=accelerator,
        drives=_drives(disks, parameters.kvm_pci_reservations),
        kernel=kernel,
        initrd=image(context, "initrd_path", parameters.initrd_path),
    )


def _drives(disks: Sequence[AttachedDisk], reserved: int) -> list[Drive]:
    try:
        places = slots(reserved, len(disks))
    except ValueError as reason:
        raise FunctionError(str(reason)) from reason
    return [_drive(index, each, places[index]) for index, each in enumerate(disks)]


def _drive(index: int, attached: AttachedDisk, slot: int) -> Drive:
    disk = arguments.disk(attached.disk)
    try:
        block = stat.S_ISBLK(attached.path.stat().st_mode)
    except OSError as reason:
        raise FunctionError(f"disk {index} cannot be used: {reason.strerror}") from reason
    return Drive(
        id=device_id("disk", _uuid(disk.uuid, "disk"), index),
        slot=slot,
        path=attached.path,
        block=block,
        read_only=disk.mode == "ro",
    )


def _uuid(value: str, what: str) -> str:
    """
    A UUID, or nothing; on the command line a comma in it would begin another option.
    """
    return arguments.name(value, f"{what} UUID") if value else ""
