"""
A guest's devices on QEMU's command line: disks, network interfaces, CD drives, displays (reference: KVM, sections
10.3 and 10.4). Pure.
"""

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from attrs import frozen

from gnttwist.functions.hypervisor.kvm.parameters import Parameters
from gnttwist.functions.registry import FunctionError

Word = str | int

PCI_SLOTS = 32
"""
Slots of a PCI bus.
"""

NIC_MODELS = {
    "paravirtual": "virtio-net-pci", "e1000": "e1000", "rtl8139": "rtl8139", "ne2k_pci": "ne2k_pci",
    "i82551": "i82551", "i82557b": "i82557b", "i82559er": "i82559er", "pcnet": "pcnet",
}  # fmt: skip
"""
C{nic_type} and what QEMU calls it.
"""

DISK_MODELS = {"paravirtual": "virtio-blk-pci", "ide": "ide-hd", "scsi-hd": "scsi-hd", "scsi": "scsi-hd"}

FIRST_DISPLAY = 5900
"""
The port of VNC's display 0.
"""

IDE_PLACES = 4
"""
Two on each of two buses.
"""


@frozen
class Drive:
    """
    A guest's disk.

    @ivar id: QEMU's name for it.
    @ivar slot: Its PCI slot, or which of its bus's places it has.
    @ivar path: Where it is on this machine.
    @ivar block: Whether that is a block device, and not a file.
    @ivar model: C{disk_type}.
    """

    id: str
    slot: int
    path: Path
    block: bool
    read_only: bool
    model: str = "paravirtual"

    @property
    def hvinfo(self) -> dict[str, Any]:
        """
        As the runtime file has it.
        """
        driver = DISK_MODELS[self.model]
        match driver:
            case "virtio-blk-pci":
                return {"driver": driver, "id": self.id, "bus": "pci.0", "addr": hex(self.slot)}
            case "ide-hd":
                return {
                    "driver": driver,
                    "id": self.id,
                    "bus": f"ide.{self.slot // 2}",
                    "unit": self.slot % 2,
                }
            case _:
                return {
                    "driver": driver,
                    "id": self.id,
                    "bus": "scsi.0",
                    "channel": 0,
                    "scsi-id": self.slot,
                    "lun": 0,
                }


@frozen
class Interface:
    """
    A guest's network interface.

    @ivar model: C{nic_type}.
    @ivar queues: How many of the guest's processors can send at once.
    """

    id: str
    slot: int
    mac: str
    model: str = "paravirtual"
    queues: int = 1

    @property
    def hvinfo(self) -> dict[str, Any]:
        """
        As the runtime file has it.
        """
        return {"driver": NIC_MODELS[self.model], "id": self.id, "bus": "pci.0", "addr": hex(self.slot)}

    def words(self, queues: Sequence[int], vhost: Sequence[int], bootindex: int | None) -> list[Word]:
        """
        Its options.

        @param queues: The tap's descriptors in QEMU; C{vhost} those of the kernel's help.
        @param bootindex: Which of the devices it is, counted in the order of booting.
        """
        host = f"tap,id={self.id},{_descriptors('fd', queues)}"
        if vhost:
            host += f",vhost=on,{_descriptors('vhostfd', vhost)}"
        device = _joined({**self.hvinfo, "netdev": self.id, "mac": self.mac})
        if self.queues > 1:
            # Two for each queue, for sending and receiving, and one for settings and one for control.
            device += f",mq=on,vectors={2 * self.queues + 2}"
        return ["-netdev", host, "-device", device + _boot(bootindex)]


@frozen
class Medium:
    """
    A CD or a floppy disk.

    @ivar kind: C{cdrom} or C{floppy}.
    """

    kind: str
    path: Path
    index: int = 0

    def words(self, bootindex: int | None) -> list[Word]:
        """
        Its options.
        """
        id = f"{self.kind}{self.index}"
        backend = {
            "driver": "raw",
            "node-name": id,
            "read-only": "on",
            "file.driver": "file",
            "file.filename": escaped(self.path),
        }
        if self.kind == "floppy":
            device = f"floppy,drive={id}"
        else:
            device = f"ide-cd,id=drive-{id},bus=ide.1,unit={self.index},drive={id}"
        return ["-blockdev", _joined(backend, first=""), "-device", device + _boot(bootindex)]


def disk(drive: Drive, wanted: Parameters, bootindex: int | None) -> list[Word]:
    """
    A disk's options.
    """
    backend = {
        "driver": "raw",
        "node-name": drive.id,
        "read-only": switch(drive.read_only),
        "discard": "unmap" if wanted.disk_discard == "unmap" else "ignore",
        "cache.direct": switch(wanted.disk_cache == "none"),
        "cache.no-flush": "off",
        "file.driver": "host_device" if drive.block else "file",
        "file.filename": escaped(drive.path),
        "file.aio": wanted.disk_aio,
    }
    members = {**drive.hvinfo, "drive": drive.id, "write-cache": switch(wanted.disk_cache != "writethrough")}
    return ["-blockdev", _joined(backend, first=""), "-device", _joined(members) + _boot(bootindex)]


def controller(drives: Sequence[Drive], wanted: Parameters) -> list[Word]:
    """
    The SCSI controller, where a disk needs one.
    """
    if not any(DISK_MODELS[each.model] == "scsi-hd" for each in drives):
        return []
    return ["-device", f"{wanted.scsi_controller_type},id=scsi"]


def display(name: str, wanted: Parameters, port: int | None) -> list[Word]:
    """
    The display: by VNC, or none.

    @param port: The instance's own.
    @raise FunctionError: It needs a port and has none, or the address is none.
    """
    bind = wanted.vnc_bind_address
    if not bind:
        return ["-display", "none"]
    words: list[Word] = []
    options = ""
    if wanted.vnc_tls:
        words += ["-object", _credentials(wanted)]
        options += ",tls-creds=vnctls0"
    if wanted.vnc_password_file:
        options += ",password=on"
    if bind.startswith("/"):
        return [*words, "-vnc", f"unix:{escaped(Path(bind) / f'{name}.vnc')}{options}"]
    if port is None or port < FIRST_DISPLAY:
        raise FunctionError(f"a display on {bind} needs a network port, and the instance has {port}")
    try:
        address = ip_address(bind)
    except ValueError as reason:
        raise FunctionError(f"vnc_bind_address={bind!r} is neither an IP address nor a directory") from reason
    shown = f"[{address}]" if address.version == 6 else f"{address}"
    return [*words, "-vnc", f"{shown}:{port - FIRST_DISPLAY}{options}"]


def slots(reserved: int, count: int) -> list[int]:
    """
    The PCI slots of C{count} devices.

    @param reserved: How many of the first slots are left to QEMU.
    @raise ValueError: There are not enough.
    """
    if reserved + count > PCI_SLOTS:
        raise ValueError(f"{count} devices do not fit beside {reserved} reserved PCI slots")
    return list(range(reserved, reserved + count))


def switch(value: bool) -> str:
    """
    A truth value as QEMU writes it.
    """
    return "on" if value else "off"


def escaped(path: Path) -> str:
    """
    A path within a list of suboptions.
    """
    return str(path).replace(",", ",,")


def _credentials(wanted: Parameters) -> str:
    if not wanted.vnc_x509_path:
        return "tls-creds-anon,id=vnctls0,endpoint=server"
    verify = "yes" if wanted.vnc_x509_verify else "no"
    return f"tls-creds-x509,id=vnctls0,endpoint=server,dir={escaped(Path(wanted.vnc_x509_path))},verify-peer={verify}"


def _descriptors(name: str, numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"{name}={numbers[0]}"
    return f"{name}s={':'.join(map(str, numbers))}"


def _joined(members: dict[str, Any], first: str = "driver") -> str:
    """
    Suboptions; the value of the one called C{first} stands in front without its name.
    """
    return ",".join(_named(first, members))


def _named(first: str, members: dict[str, Any]) -> Iterator[str]:
    if first:
        yield str(members[first])
    yield from (f"{name}={value}" for name, value in members.items() if name != first)


def _boot(index: int | None) -> str:
    return "" if index is None else f",bootindex={index}"
