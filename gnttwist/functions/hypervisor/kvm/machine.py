"""
What of this machine a guest is made of: QEMU, images of kernels, and disks.
"""

import os
import re
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from gnttwist.functions import arguments
from gnttwist.functions.hypervisor.interface import AttachedDisk
from gnttwist.functions.hypervisor.kvm.command import Guest, device_id
from gnttwist.functions.hypervisor.kvm.devices import (
    DISK_MODELS,
    IDE_PLACES,
    Drive,
    Interface,
    Medium,
    slots,
)
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


def password(context: Context, path: str) -> str:
    """
    The password of displays: the first line of a file.

    @raise FunctionError: There is none. The text does not have it.
    """
    try:
        with context.paths.real(path).open(encoding="utf-8") as file:
            found = file.readline(1000).rstrip("\n")
    except (OSError, UnicodeDecodeError) as reason:
        raise FunctionError(f"vnc_password_file {path} cannot be read: {type(reason).__name__}") from reason
    if not found:
        raise FunctionError(f"vnc_password_file {path} is empty")
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
    media = _media(context, parameters)
    if kernel is None and not disks and not media and parameters.boot_order != "network":
        raise FunctionError("the guest has neither a disk nor a kernel (kernel_path) to boot from")
    if parameters.boot_order in ("cdrom", "floppy") and not any(
        each.kind == parameters.boot_order for each in media
    ):
        raise FunctionError(f"boot_order={parameters.boot_order} and there is no image for it")
    if parameters.boot_order == "network" and not instance.nics:
        raise FunctionError("boot_order=network, and the instance has no network interface")
    drives, interfaces = _placed(disks, instance, parameters, media)
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
        drives=drives,
        interfaces=interfaces,
        media=media,
        port=instance.network_port,
        kernel=kernel,
        initrd=image(context, "initrd_path", parameters.initrd_path),
    )


def _placed(
    disks: Sequence[AttachedDisk], instance: InstanceArgument, parameters: Parameters, media: Sequence[Medium]
) -> tuple[list[Drive], list[Interface]]:
    """
    Disks and network interfaces, each with its place: on the PCI bus disks come first, as in Ganeti.
    """
    on_pci = DISK_MODELS[parameters.disk_type] == "virtio-blk-pci"
    try:
        places = slots(parameters.kvm_pci_reservations, len(disks) * on_pci + len(instance.nics))
    except ValueError as reason:
        raise FunctionError(str(reason)) from reason
    if parameters.disk_type == "ide":
        free = IDE_PLACES - sum(each.kind == "cdrom" for each in media)
        if len(disks) > free:
            raise FunctionError(f"{len(disks)} disks of type ide: there are {free} places beside CDs")
    own = places[: len(disks)] if on_pci else list(range(len(disks)))
    drives = [_drive(index, each, own[index], parameters.disk_type) for index, each in enumerate(disks)]
    rest = places[len(disks) :] if on_pci else places
    interfaces = [
        Interface(
            id=device_id("nic", _uuid(nic.uuid, "NIC"), index),
            slot=rest[index],
            mac=_mac(nic.mac),
            model=parameters.nic_type,
            queues=parameters.virtio_net_queues if parameters.nic_type == "paravirtual" else 1,
        )
        for index, nic in enumerate(instance.nics)
    ]
    return drives, interfaces


def _media(context: Context, parameters: Parameters) -> list[Medium]:
    found = []
    for index, name in enumerate(("cdrom_image_path", "cdrom2_image_path")):
        if (path := image(context, name, getattr(parameters, name))) is not None:
            found.append(Medium("cdrom", path, index))
    if (path := image(context, "floppy_image_path", parameters.floppy_image_path)) is not None:
        found.append(Medium("floppy", path))
    return found


def _mac(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", text):
        raise FunctionError(f"Invalid MAC address: {text!r:.40}")
    return text


def _drive(index: int, attached: AttachedDisk, slot: int, model: str) -> Drive:
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
        model=model,
    )


def _uuid(value: str, what: str) -> str:
    """
    A UUID, or nothing; on the command line a comma in it would begin another option.
    """
    return arguments.name(value, f"{what} UUID") if value else ""
