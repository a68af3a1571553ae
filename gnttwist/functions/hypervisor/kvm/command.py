"""
QEMU's command line for a guest (reference: KVM, sections 10.3 and 10.4), for QEMU 7.2 and newer. Pure.

It has two parts as in Ganeti: what is kept in the runtime file, and what is added each time. Sockets are named by
their full paths here; L{relative} makes them short enough for the kernel.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from gnttwist.functions.hypervisor.kvm.parameters import Parameters, extra
from gnttwist.functions.hypervisor.kvm.places import Places

Word = str | int
"""
A part of the command line. The memory size is a number in the runtime file.
"""

PCI_SLOTS = 32
"""
Slots of a PCI bus.
"""

DEFAULT_MACHINE = "pc"
"""
QEMU's own default on x86; newer types have no legacy PCI bus C{pci.0}, on which disks are put.
"""


@frozen
class Drive:
    """
    A guest's disk.

    @ivar id: QEMU's name for it.
    @ivar slot: Its PCI slot.
    @ivar path: Where it is on this machine.
    @ivar block: Whether that is a block device, and not a file.
    """

    id: str
    slot: int
    path: Path
    block: bool
    read_only: bool

    @property
    def hvinfo(self) -> dict[str, str]:
        """
        As the runtime file has it.
        """
        return {"driver": "virtio-blk-pci", "id": self.id, "bus": "pci.0", "addr": hex(self.slot)}


@frozen
class Guest:
    """
    What is to be started.

    @ivar program: QEMU.
    @ivar memory: MiB.
    @ivar accelerator: C{kvm} or C{tcg}.
    @ivar kernel: On this machine, or C{None} to boot from the first disk.
    """

    name: str
    uuid: str
    program: str
    memory: int
    vcpus: int
    parameters: Parameters
    accelerator: str
    drives: Sequence[Drive] = ()
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
    words += ["-display", "none"]
    if wanted.use_localtime:
        words += ["-rtc", "base=localtime"]
    if cpu := _cpu(guest):
        words += ["-cpu", cpu]
    if wanted.vga:
        words += ["-vga", wanted.vga]
    if guest.uuid:
        words += ["-uuid", guest.uuid]
    return words + extra(wanted)


def added(guest: Guest, places: Places, *, paused: bool, confined: Sequence[str]) -> list[Word]:
    """
    The part that is made each time: what connects the guest to this node.

    @param paused: Stop before the first instruction.
    @param confined: What L{confinement<gnttwist.functions.hypervisor.kvm.confinement>} adds.
    """
    words: list[Word] = ["-nic", "none"]
    words += ["-qmp", _listening(places.socket(guest.name, "qmp"))]
    words += ["-qmp", _listening(places.socket(guest.name, "kvmd"))]
    for index, drive in enumerate(guest.drives):
        boot = f",bootindex={index + 1}" if guest.kernel is None else ""
        words += ["-blockdev", _blockdev(drive, guest.parameters)]
        words += ["-device", _disk(drive, guest.parameters) + boot]
    if paused:
        words.append("-S")
    return [*words, *confined]


def relative(words: Sequence[Word], directory: Path) -> list[str]:
    """
    The command line as it is run in C{directory}, where the sockets are.
    """
    return [str(each).replace(f"unix:{directory}/", "unix:", 1) for each in words]


def without(words: Sequence[str], option: str) -> list[str]:
    """
    The command line without an option and its value.
    """
    position = words.index(option)
    return [*words[:position], *words[position + 2 :]]


def slots(reserved: int, count: int) -> list[int]:
    """
    The PCI slots of C{count} devices.

    @param reserved: How many of the first slots are left to QEMU.
    @raise ValueError: There are not enough.
    """
    if reserved + count > PCI_SLOTS:
        raise ValueError(f"{count} devices do not fit beside {reserved} reserved PCI slots")
    return list(range(reserved, reserved + count))


def runtime(
    words: Sequence[Word], hvparams: Mapping[str, Any], disks: Sequence[tuple[Mapping[str, Any], Drive]]
) -> list[Any]:
    """
    The content of the runtime file.

    @param words: What L{kept} made.
    @param disks: Each disk as the configuration has it, and its drive.
    """
    entries = [[{**disk, "hvinfo": drive.hvinfo}, str(drive.path), None] for disk, drive in disks]
    return [list(words), [], dict(hvparams), entries]


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
    return f"unix:{_escaped(path)},server=on,wait=off"


def _blockdev(drive: Drive, wanted: Parameters) -> str:
    options = {
        "driver": "raw",
        "node-name": drive.id,
        "read-only": _switch(drive.read_only),
        "discard": "unmap" if wanted.disk_discard == "unmap" else "ignore",
        "cache.direct": _switch(wanted.disk_cache == "none"),
        "cache.no-flush": "off",
        "file.driver": "host_device" if drive.block else "file",
        "file.filename": _escaped(drive.path),
        "file.aio": wanted.disk_aio,
    }
    return ",".join(f"{name}={value}" for name, value in options.items())


def _disk(drive: Drive, wanted: Parameters) -> str:
    write_cache = _switch(wanted.disk_cache != "writethrough")
    return f"virtio-blk-pci,id={drive.id},bus=pci.0,addr={hex(drive.slot)},drive={drive.id},write-cache={write_cache}"


def _switch(value: bool) -> str:
    return "on" if value else "off"


def _escaped(path: Path) -> str:
    """
    A path within a list of suboptions.
    """
    return str(path).replace(",", ",,")
