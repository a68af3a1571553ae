"""
QEMU's command line for a guest (reference: KVM, sections 10.3 and 10.4), for QEMU 7.2 and newer. Pure.

It has two parts as in Ganeti: what is kept in the runtime file, and what is added each time. Sockets are named by
their full paths here; L{relative} makes them short enough for the kernel.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from gnttwist.functions.hypervisor.kvm.devices import (
    Drive,
    Interface,
    Medium,
    Word,
    controller,
    disk,
    display,
    escaped,
)
from gnttwist.functions.hypervisor.kvm.parameters import Parameters, extra
from gnttwist.functions.hypervisor.kvm.places import Places
from gnttwist.functions.hypervisor.kvm.taps import Tap

DEFAULT_MACHINE = "pc"
"""
QEMU's own default on x86; newer types have no legacy PCI bus C{pci.0}, on which disks are put.
"""


@frozen
class Guest:
    """
    What is to be started.

    @ivar program: QEMU.
    @ivar memory: MiB.
    @ivar accelerator: C{kvm} or C{tcg}.
    @ivar kernel: On this machine, or C{None} to boot as C{boot_order} says.
    @ivar port: For its display.
    """

    name: str
    uuid: str
    program: str
    memory: int
    vcpus: int
    parameters: Parameters
    accelerator: str
    drives: Sequence[Drive] = ()
    interfaces: Sequence[Interface] = ()
    media: Sequence[Medium] = ()
    port: int | None = None
    kernel: Path | None = None
    initrd: Path | None = None


def device_id(kind: str, uuid: str, index: int) -> str:
    """
    QEMU's name for a device, as Ganeti gives it: it names the same device on each node, within 31 characters.
    """
    return f"{kind}-{'-'.join(uuid.split('-')[:3])}" if uuid else f"{kind}-{index}"


def kept(guest: Guest, places: Places) -> list[Word]:
    """
    The part that does not change as long as the guest runs, migrated or not.
    """
    wanted = guest.parameters
    words: list[Word] = [guest.program, "-name", guest.name]
    words += ["-m", guest.memory, "-smp", _smp(guest), "-pidfile", str(places.pid(guest.name))]
    words += ["-no-user-config", "-nodefaults", "-device", "virtio-balloon"]
    if wanted.reboot_behavior == "exit":
        words.append("-no-reboot")
    acpi = "" if wanted.acpi else ",acpi=off"
    words += ["-machine", f"{wanted.machine_version or DEFAULT_MACHINE}{acpi},accel={guest.accelerator}"]
    if guest.kernel is not None:
        words += _kernel(guest, guest.kernel)
    words += ["-monitor", _listening(places.socket(guest.name, "monitor"))]
    words += [
        "-serial",
        _listening(places.socket(guest.name, "serial")) if wanted.serial_console else "none",
    ]
    if wanted.usb_mouse or wanted.vnc_bind_address:
        # A tablet tells where the pointer is, a mouse only how it moves, which a display's viewer cannot follow.
        words += ["-device", "piix3-usb-uhci", "-device", f"usb-{wanted.usb_mouse or 'tablet'}"]
    words += display(guest.name, wanted, guest.port)
    if wanted.use_localtime:
        words += ["-rtc", "base=localtime"]
    if cpu := _cpu(guest):
        words += ["-cpu", cpu]
    if wanted.vga:
        words += ["-vga", wanted.vga]
    if guest.uuid:
        words += ["-uuid", guest.uuid]
    if wanted.mem_path:
        words += ["-mem-path", wanted.mem_path, "-mem-prealloc"]
    if wanted.use_guest_agent:
        agent = escaped(places.socket(guest.name, "qga"))
        words += [
            "-chardev",
            f"socket,id=qga0,path={agent},server=on,wait=off",
            "-device",
            "virtio-serial,id=qga0",
        ]
        words += ["-device", "virtserialport,chardev=qga0,name=org.qemu.guest_agent.0"]
    words += controller(guest.drives, wanted)
    return words + extra(wanted)


def added(
    guest: Guest, places: Places, *, paused: bool, confined: Sequence[str], taps: Sequence[Tap] = ()
) -> list[Word]:
    """
    The part that is made each time: what connects the guest to this node.

    @param paused: Stop before the first instruction.
    @param confined: What L{confinement<gnttwist.functions.hypervisor.kvm.confinement>} adds.
    @param taps: One for each network interface.
    """
    words: list[Word] = []
    if guest.parameters.keymap:
        words += ["-k", guest.parameters.keymap]
    order = _boot_order(guest)
    for interface, tap in zip(guest.interfaces, taps, strict=True):
        words += interface.words(tap.queues, tap.vhost, order.get(interface.id))
    if not guest.interfaces:
        words += ["-nic", "none"]
    words += ["-qmp", _listening(places.socket(guest.name, "qmp"))]
    words += ["-qmp", _listening(places.socket(guest.name, "kvmd"))]
    for medium in guest.media:
        words += medium.words(order.get(f"{medium.kind}{medium.index}"))
    for drive in guest.drives:
        words += disk(drive, guest.parameters, order.get(drive.id))
    if paused:
        words.append("-S")
    return [*words, *confined]


def _boot_order(guest: Guest) -> dict[str, int]:
    """
    By devices' names, which is booted from first, then, ...; none with a kernel of its own. After those that
    C{boot_order} names come the disks.
    """
    if guest.kernel is not None:
        return {}
    disks = [each.id for each in guest.drives]
    first = {
        "disk": [],
        "cdrom": [f"cdrom{each.index}" for each in guest.media if each.kind == "cdrom"],
        "floppy": [f"floppy{each.index}" for each in guest.media if each.kind == "floppy"],
        "network": [each.id for each in guest.interfaces],
    }[guest.parameters.boot_order]
    return {name: index for index, name in enumerate([*first, *disks], 1)}


def relative(words: Sequence[Word], directory: Path) -> list[str]:
    """
    The command line as it is run in C{directory}, where the sockets are.
    """

    def shortened(word: str) -> str:
        return word.replace(f"unix:{directory}/", "unix:", 1).replace(f"path={directory}/", "path=", 1)

    return [shortened(str(each)) for each in words]


def without(words: Sequence[str], option: str) -> list[str]:
    """
    The command line without an option and its value.
    """
    position = words.index(option)
    return [*words[:position], *words[position + 2 :]]


def runtime(
    words: Sequence[Word],
    hvparams: Mapping[str, Any],
    disks: Sequence[tuple[Mapping[str, Any], Drive]],
    nics: Sequence[tuple[Mapping[str, Any], Interface]] = (),
) -> list[Any]:
    """
    The content of the runtime file.

    @param words: What L{kept} made.
    @param disks: Each disk as the configuration has it, and its drive; C{nics} likewise.
    """
    entries = [[{**disk, "hvinfo": drive.hvinfo}, str(drive.path), None] for disk, drive in disks]
    interfaces = [{**nic, "hvinfo": interface.hvinfo} for nic, interface in nics]
    return [list(words), interfaces, dict(hvparams), entries]


def _smp(guest: Guest) -> str:
    wanted = guest.parameters
    topology = (
        ("cores", wanted.cpu_cores),
        ("threads", wanted.cpu_threads),
        ("sockets", wanted.cpu_sockets),
    )
    return ",".join([str(guest.vcpus), *(f"{name}={count}" for name, count in topology if count)])


def _cpu(guest: Guest) -> str:
    wanted = guest.parameters.cpu_type
    if guest.accelerator != "kvm" and wanted.split(",")[0] == "host":
        # The host's own processor can only be had with KVM; "max" is all that can be had without.
        return "max" + wanted[len("host") :]
    return wanted


def _kernel(guest: Guest, kernel: Path) -> Iterator[Word]:
    wanted = guest.parameters
    yield from ("-kernel", str(kernel))
    if guest.initrd is not None:
        yield from ("-initrd", str(guest.initrd))
    parts = [f"root={wanted.root_path}" if wanted.root_path else "", wanted.kernel_args]
    if wanted.serial_console:
        parts.append(f"console=ttyS0,{wanted.serial_speed}")
    yield from ("-append", " ".join(filter(None, parts)))


def _listening(path: Path) -> str:
    return f"unix:{escaped(path)},server=on,wait=off"
