"""
The fields of instances that are about their parameters.
"""

from collections.abc import Callable, Iterator
from typing import Any

from gnttwist.query.fields.definition import Field, Kind
from gnttwist.query.fields.instance_row import InstanceRow

_HYPERVISOR: dict[Kind, str] = {
    "bool": """
        acpi pae serial_console spice_playback_compression spice_use_tls spice_use_vdagent use_bootloader use_chroot
        use_guest_agent use_localtime user_shutdown vhost_net viridian vnc_tls vnc_x509_verify vnet_hdr
        """,
    "number": """
        cpu_cap cpu_cores cpu_sockets cpu_threads cpu_weight kvm_pci_reservations migration_downtime num_ttys
        serial_speed spice_ip_version startup_timeout virtio_net_queues
        """,
    "other": """
        blockdev_prefix boot_order bootloader_args bootloader_path cdrom2_image_path cdrom_disk_type cdrom_image_path
        cpu_mask cpu_type cpuid device_model devices disk_aio disk_cache disk_discard disk_type drop_capabilities
        extra_cgroups extra_config floppy_image_path init_script initrd_path kernel_args kernel_path keymap kvm_extra
        kvm_flag kvm_path machine_version mem_path migration_caps nic_type pci_pass reboot_behavior root_path
        scsi_controller_type security_domain security_model soundhw spice_bind spice_image_compression
        spice_jpeg_wan_compression spice_password_file spice_streaming_video spice_tls_ciphers
        spice_zlib_glz_wan_compression usb_devices usb_mouse vga vif_script vif_type vnc_bind_address
        vnc_password_file vnc_x509_path
        """,
}
"""
Hypervisor parameters that instances can have, by kind; those that only clusters have (migration) are not among them.
"""

_HYPERVISOR_TITLES = {
    "acpi": "ACPI",
    "boot_order": "Boot_order",
    "cdrom_image_path": "CDROM_image_path",
    "cpu_type": "cpu_type",
    "disk_type": "Disk_type",
    "initrd_path": "Initrd_path",
    "kernel_path": "Kernel_path",
    "nic_type": "NIC_type",
    "pae": "PAE",
    "pci_pass": "pci_pass",
    "vnc_bind_address": "VNC_bind_address",
}
"""
Those whose title is not the field's name.
"""

_BACKEND: tuple[tuple[str, str, Kind, str, str], ...] = (
    (
        "be/always_failover",
        "be/always_failover",
        "bool",
        "always_failover",
        "Whether it is moved by failover only",
    ),
    (
        "be/auto_balance",
        "Auto_balance",
        "bool",
        "auto_balance",
        "Whether it counts when nodes' memory is checked",
    ),
    ("be/maxmem", "ConfigMaxMem", "unit", "maxmem", "Memory at most"),
    ("be/memory", "ConfigMaxMem", "unit", "maxmem", "Memory at most"),
    ("be/minmem", "ConfigMinMem", "unit", "minmem", "Memory at least"),
    ("be/spindle_use", "be/spindle_use", "number", "spindle_use", "Load on spindles"),
    ("be/vcpus", "ConfigVCPUs", "number", "vcpus", "Number of virtual processors"),
    ("vcpus", "ConfigVCPUs", "number", "vcpus", "Number of virtual processors"),
)
"""
Name, title, kind, backend parameter and description.
"""


def parameter_fields() -> list[Field[InstanceRow]]:
    """
    All of them.
    """
    return [
        *_hypervisor_fields(),
        *(Field(name, title, kind, doc, _backend(member)) for name, title, kind, member, doc in _BACKEND),
        *_dictionaries(),
    ]


def _hypervisor_fields() -> Iterator[Field[InstanceRow]]:
    for kind, names in _HYPERVISOR.items():
        for name in names.split():
            title = _HYPERVISOR_TITLES.get(name, f"hv/{name}")
            doc = f"The hypervisor parameter {name}, where the hypervisor has it"
            yield Field(f"hv/{name}", title, kind, doc, _hypervisor(name))


def _hypervisor(name: str) -> Callable[[InstanceRow], Any]:
    return lambda row: row.hvparams.get(name)


def _backend(name: str) -> Callable[[InstanceRow], Any]:
    return lambda row: row.beparams.get(name)


def _dictionaries() -> list[Field[InstanceRow]]:
    return [
        Field(
            "hvparams",
            "HypervisorParameters",
            "other",
            "Hypervisor parameters, with those that it inherits",
            lambda row: row.hvparams,
        ),
        Field(
            "custom_hvparams",
            "CustomHypervisorParameters",
            "other",
            "Hypervisor parameters of its own",
            lambda row: row.instance.hvparams,
        ),
        Field(
            "beparams",
            "BackendParameters",
            "other",
            "Backend parameters, with those that it inherits",
            lambda row: row.beparams,
        ),
        Field(
            "custom_beparams",
            "CustomBackendParameters",
            "other",
            "Backend parameters of its own",
            lambda row: row.instance.beparams,
        ),
        Field(
            "osparams",
            "OpSysParameters",
            "other",
            "OS parameters, with those that it inherits",
            lambda row: row.osparams,
        ),
        Field(
            "custom_osparams",
            "CustomOpSysParameters",
            "other",
            "OS parameters of its own",
            lambda row: row.instance.osparams,
        ),
    ]
