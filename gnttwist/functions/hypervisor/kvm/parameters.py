"""
The parameters of the kvm hypervisor: Ganeti's names and defaults, and which of them this node can honour. Pure.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

import msgspec

from gnttwist.functions import arguments
from gnttwist.functions.registry import FunctionError


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One guest's parameters; the defaults are Ganeti's (3.0.2), but for C{kernel_path}: an empty one boots from the
    disk. C{use_namespaces} is gnttwist's own.
    """

    acpi: bool = True
    boot_order: str = "disk"
    cdrom2_image_path: str = ""
    cdrom_disk_type: str = ""
    cdrom_image_path: str = ""
    cpu_cores: int = 0
    cpu_mask: str = "all"
    cpu_sockets: int = 0
    cpu_threads: int = 0
    cpu_type: str = ""
    disk_aio: Literal["threads", "native", "io_uring"] = "threads"
    disk_cache: Literal["default", "none", "writethrough", "writeback"] = "default"
    disk_discard: Literal["default", "ignore", "unmap"] = "default"
    disk_type: str = "paravirtual"
    floppy_image_path: str = ""
    initrd_path: str = ""
    kernel_args: str = "ro"
    kernel_path: str = ""
    keymap: str = ""
    kvm_extra: str = ""
    kvm_flag: Literal["", "enabled", "disabled"] = ""
    kvm_path: str = "/usr/bin/kvm"
    kvm_pci_reservations: int = 12
    machine_version: str = ""
    mem_path: str = ""
    migration_bandwidth: int = 32
    migration_caps: str = ""
    migration_downtime: int = 30
    migration_mode: Literal["live", "non-live"] = "live"
    migration_port: int = 8102
    nic_type: str = "paravirtual"
    reboot_behavior: Literal["reboot", "exit"] = "reboot"
    root_path: str = "/dev/vda1"
    scsi_controller_type: str = "lsi"
    security_domain: str = ""
    security_model: str = "none"
    serial_console: bool = True
    serial_speed: int = 38400
    soundhw: str = ""
    spice_bind: str = ""
    spice_image_compression: str = ""
    spice_ip_version: int = 0
    spice_jpeg_wan_compression: str = ""
    spice_password_file: str = ""
    spice_playback_compression: bool = True
    spice_streaming_video: str = ""
    spice_tls_ciphers: str = "HIGH:-DES:-3DES:-EXPORT:-DH"
    spice_use_tls: bool = False
    spice_use_vdagent: bool = True
    spice_zlib_glz_wan_compression: str = ""
    usb_devices: str = ""
    usb_mouse: str = ""
    use_chroot: bool = False
    use_guest_agent: bool = False
    use_localtime: bool = False
    use_namespaces: bool = False
    user_shutdown: bool = False
    vga: str = ""
    vhost_net: bool = False
    virtio_net_queues: int = 1
    vnc_bind_address: str = ""
    vnc_password_file: str = ""
    vnc_tls: bool = False
    vnc_x509_path: str = ""
    vnc_x509_verify: bool = False
    vnet_hdr: bool = True


NOT_YET = ("soundhw", "spice_bind", "usb_devices", "user_shutdown")
"""
Parameters that this node cannot honour: with another value than the default a guest is refused, not started without
what was asked for. Those that only refine them (C{spice_use_tls}) need no mention.
"""

NIC_TYPES = ("paravirtual", "e1000", "rtl8139", "ne2k_pci", "i82551", "i82557b", "i82559er", "pcnet")
DISK_TYPES = ("paravirtual", "ide", "scsi", "scsi-hd")
SCSI_CONTROLLERS = ("lsi", "megasas", "virtio-scsi-pci")
BOOT_ORDERS = ("disk", "cdrom", "floppy", "network")

EXTRA_OPTIONS = frozenset(
    {"-cpu", "-device", "-global", "-no-hpet", "-overcommit", "-rtc", "-vga", "-watchdog-action"}
)
REACHING_OUT = ("chardev", "dev=", "fd=", "file", "path", "vfio")
"""
What C{kvm_extra} may hold, and parts of words that it may not hold even so. Whoever can call a function must not
reach beyond the guest, and most of QEMU's options open files or sockets.
"""

IMAGE_TREES = ("/boot", "/srv", "/usr/lib", "/usr/share")
"""
Where kernels, initial RAM disks, CDs and floppy disks may lie. The guest can read them, so not everywhere.
"""

SECRET_TREES = ("/etc/ganeti", "/var/lib/ganeti")
"""
Where passwords and certificates of displays may lie.
"""

DISPLAY_TREES = ("/run", "/var/run", "/var/lib")
MEMORY_TREES = ("/dev/hugepages", "/dev/shm", "/hugetlbfs", "/mnt")
"""
Where sockets of displays, and files of guests' memory, may lie.
"""

PROGRAM_TREES = ("/usr/bin", "/usr/libexec", "/usr/local/bin")
"""
Where QEMU may lie.
"""

_DEFAULTS = Parameters()


def parameters(hvparams: Mapping[str, Any]) -> Parameters:
    """
    Read and check a guest's parameters.

    @raise FunctionError: One is unknown, of the wrong type or value, or cannot be honoured.
    """
    found = arguments.shaped(Parameters, dict(hvparams), "hypervisor parameters")
    for name in NOT_YET:
        wanted, default = getattr(found, name), getattr(_DEFAULTS, name)
        if wanted != default:
            raise FunctionError(
                f"Hypervisor parameter {name}={wanted!r} is not supported by this node yet, only {default!r}"
            )
    _one_of(found, "boot_order", BOOT_ORDERS)
    _one_of(found, "nic_type", NIC_TYPES)
    _one_of(found, "disk_type", DISK_TYPES)
    _one_of(found, "scsi_controller_type", SCSI_CONTROLLERS)
    _one_of(found, "usb_mouse", ("", "mouse", "tablet"))
    for name in ("cpu_cores", "cpu_sockets", "cpu_threads", "serial_speed", "kvm_pci_reservations"):
        if getattr(found, name) < 0:
            raise FunctionError(f"Hypervisor parameter {name} is negative")
    for name in ("cpu_type", "kernel_args", "machine_version", "root_path", "vga"):
        arguments.text(getattr(found, name), name)
    for name in ("machine_version", "vga"):
        # A comma would begin a further suboption of the same option.
        if "," in getattr(found, name):
            raise FunctionError(f"Hypervisor parameter {name} holds a comma")
    if found.disk_aio == "native" and found.disk_cache != "none":
        # QEMU refuses it otherwise, in words about its own options.
        raise FunctionError("Hypervisor parameter disk_aio=native needs disk_cache=none")
    if found.initrd_path and not found.kernel_path:
        raise FunctionError("Hypervisor parameter initrd_path needs a kernel_path")
    for trees, names in _PATHS:
        for name in names:
            if path := getattr(found, name):
                _below(path, trees, name)
    if found.vnc_bind_address.startswith("/"):
        _below(found.vnc_bind_address, DISPLAY_TREES, "vnc_bind_address")
    _check_display(found)
    if not 1 <= found.virtio_net_queues <= 8:
        raise FunctionError("Hypervisor parameter virtio_net_queues is not between 1 and 8")
    affinity(found.cpu_mask)
    _program(found.kvm_path)
    extra(found)
    return found


_PATHS = (
    (
        IMAGE_TREES,
        ("kernel_path", "initrd_path", "cdrom_image_path", "cdrom2_image_path", "floppy_image_path"),
    ),
    (SECRET_TREES, ("vnc_password_file", "vnc_x509_path")),
    (MEMORY_TREES, ("mem_path",)),
)
"""
Which parameters are paths, and where they may lead.
"""


def _check_display(found: Parameters) -> None:
    if found.vnc_bind_address and found.use_namespaces and not found.vnc_bind_address.startswith("/"):
        raise FunctionError(
            "use_namespaces leaves no network for a display on an address: give a directory for its socket "
            "(vnc_bind_address)"
        )
    if found.vnc_x509_verify and not found.vnc_x509_path:
        raise FunctionError("Hypervisor parameter vnc_x509_verify needs a vnc_x509_path")
    if not re.fullmatch(r"[a-z0-9-]{0,20}", found.keymap):
        raise FunctionError(
            f"Hypervisor parameter keymap={found.keymap!r} is no keyboard layout such as en-us"
        )


def affinity(mask: str) -> list[set[int]] | None:
    """
    On which of the node's processors a guest may run (C{cpu_mask}): one set for all of its own, or one for each.

    @return: C{None} for no limit.
    @raise FunctionError: It is no mask.
    """
    if mask == "all":
        return None
    found = []
    for part in mask.split(":"):
        chosen: set[int] = set()
        for each in part.split(","):
            match = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", each)
            if match is None or int(match[1]) > int(match[2] or match[1]):
                raise FunctionError(
                    f"Hypervisor parameter cpu_mask={mask!r} is not 'all' nor numbers such as 0-3,5"
                )
            chosen |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
        found.append(chosen)
    return found


def _one_of(found: Parameters, name: str, known: Collection[str]) -> None:
    if getattr(found, name) not in known:
        raise FunctionError(
            f"Hypervisor parameter {name}={getattr(found, name)!r} is none of {', '.join(sorted(known))}"
        )


def extra(found: Parameters) -> list[str]:
    """
    The words of C{kvm_extra}.

    @raise FunctionError: It holds an option that is not allowed.
    """
    words = found.kvm_extra.split()
    for each in words:
        if each.startswith("-") and each not in EXTRA_OPTIONS:
            raise FunctionError(
                f"Hypervisor parameter kvm_extra must not hold {each}; allowed are {', '.join(sorted(EXTRA_OPTIONS))}"
            )
        if any(part in each for part in REACHING_OUT):
            raise FunctionError(f"Hypervisor parameter kvm_extra must not reach beyond the guest: {each}")
    if words and not words[0].startswith("-"):
        raise FunctionError("Hypervisor parameter kvm_extra does not begin with an option")
    return words


def _below(path: str, trees: tuple[str, ...], name: str) -> PurePosixPath:
    found = PurePosixPath(arguments.text(path, name))
    if ".." in found.parts or not any(found.is_relative_to(each) for each in trees):
        raise FunctionError(f"Hypervisor parameter {name}={path!r} is not below {', '.join(trees)}")
    return found


def _program(path: str) -> None:
    found = _below(path, PROGRAM_TREES, "kvm_path")
    if found.name not in ("kvm", "qemu-kvm") and not found.name.startswith("qemu-system-"):
        raise FunctionError(f"Hypervisor parameter kvm_path={path!r} does not name QEMU")
