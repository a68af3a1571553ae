"""
The values that a new cluster's parameters have: those of Ganeti 3.0 (reference: configuration, section 7.3).

Every parameter that exists is here, so these tables also say which names there are and which types their values have.
"""

from collections.abc import Mapping
from typing import Any, Final

HYPERVISOR_PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "kvm": {
        "acpi": True,
        "boot_order": "disk",
        "cdrom2_image_path": "",
        "cdrom_disk_type": "",
        "cdrom_image_path": "",
        "cpu_cores": 0,
        "cpu_mask": "all",
        "cpu_sockets": 0,
        "cpu_threads": 0,
        "cpu_type": "",
        "disk_aio": "threads",
        "disk_cache": "default",
        "disk_discard": "default",
        "disk_type": "paravirtual",
        "floppy_image_path": "",
        "initrd_path": "",
        "kernel_args": "ro",
        "kernel_path": "/boot/vmlinuz-3-kvmU",
        "keymap": "",
        "kvm_extra": "",
        "kvm_flag": "",
        "kvm_path": "/usr/bin/kvm",
        "kvm_pci_reservations": 12,
        "machine_version": "",
        "mem_path": "",
        "migration_bandwidth": 32,
        "migration_caps": "",
        "migration_downtime": 30,
        "migration_mode": "live",
        "migration_port": 8102,
        "nic_type": "paravirtual",
        "reboot_behavior": "reboot",
        "root_path": "/dev/vda1",
        "scsi_controller_type": "lsi",
        "security_domain": "",
        "security_model": "none",
        "serial_console": True,
        "serial_speed": 38400,
        "soundhw": "",
        "spice_bind": "",
        "spice_image_compression": "",
        "spice_ip_version": 0,
        "spice_jpeg_wan_compression": "",
        "spice_password_file": "",
        "spice_playback_compression": True,
        "spice_streaming_video": "",
        "spice_tls_ciphers": "HIGH:-DES:-3DES:-EXPORT:-DH",
        "spice_use_tls": False,
        "spice_use_vdagent": True,
        "spice_zlib_glz_wan_compression": "",
        "usb_devices": "",
        "usb_mouse": "",
        "use_chroot": False,
        "use_guest_agent": False,
        "use_localtime": False,
        "user_shutdown": False,
        "vga": "",
        "vhost_net": False,
        "virtio_net_queues": 1,
        "vnc_bind_address": "",
        "vnc_password_file": "",
        "vnc_tls": False,
        "vnc_x509_path": "",
        "vnc_x509_verify": False,
        "vnet_hdr": True,
    },
    "xen-pvm": {
        "blockdev_prefix": "sd",
        "bootloader_args": "",
        "bootloader_path": "",
        "cpu_cap": 0,
        "cpu_mask": "all",
        "cpu_weight": 256,
        "cpuid": "",
        "initrd_path": "",
        "kernel_args": "ro",
        "kernel_path": "/boot/vmlinuz-3-xenU",
        "migration_mode": "live",
        "migration_port": 8002,
        "reboot_behavior": "reboot",
        "root_path": "/dev/xvda1",
        "soundhw": "",
        "use_bootloader": False,
        "vif_script": "",
        "xen_cmd": "xm",
    },
    "xen-hvm": {
        "acpi": True,
        "blockdev_prefix": "hd",
        "boot_order": "cd",
        "cdrom_image_path": "",
        "cpu_cap": 0,
        "cpu_mask": "all",
        "cpu_weight": 256,
        "cpuid": "",
        "device_model": "/usr/lib/xen/bin/qemu-dm",
        "disk_type": "paravirtual",
        "kernel_path": "/usr/lib/xen/boot/hvmloader",
        "migration_mode": "non-live",
        "migration_port": 8002,
        "nic_type": "rtl8139",
        "pae": True,
        "pci_pass": "",
        "reboot_behavior": "reboot",
        "soundhw": "",
        "use_localtime": False,
        "vif_script": "",
        "vif_type": "ioemu",
        "viridian": False,
        "vnc_bind_address": "0.0.0.0",
        "vnc_password_file": "/etc/ganeti/vnc-cluster-password",
        "xen_cmd": "xm",
    },
    "chroot": {
        "init_script": "/ganeti-chroot",
    },
    "lxc": {
        "cpu_mask": "",
        "devices": "c 1:3 rw,c 1:5 rw,c 1:7 rw,c 1:8 rw,c 1:9 rw,c 1:10 rw,c 5:0 rw,c 5:1 rw,c 5:2 rw,c 136:* rw",
        "drop_capabilities": "mac_override,sys_boot,sys_module,sys_time,sys_admin",
        "extra_cgroups": "",
        "extra_config": "",
        "num_ttys": 6,
        "startup_timeout": 30,
    },
    "fake": {
        "migration_mode": "live",
    },
}
"""
By hypervisor.
"""

OWN_HYPERVISOR_PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {"kvm": {"use_namespaces": False}}
"""
By hypervisor, those that Ganeti does not have. A cluster has them only where they are set.
"""


def known_hypervisor_parameters(hypervisor: str) -> Mapping[str, Any]:
    """
    All parameters that a hypervisor has, with values of the right types; none for one that does not exist.
    """
    return {**HYPERVISOR_PARAMETERS.get(hypervisor, {}), **OWN_HYPERVISOR_PARAMETERS.get(hypervisor, {})}


GLOBAL_HYPERVISOR_PARAMETERS: Final = frozenset(
    {"migration_port", "migration_bandwidth", "migration_mode", "xen_cmd"}
)
"""
Parameters that only the cluster has: instances cannot differ in them.
"""

BACKEND_PARAMETERS: Final[Mapping[str, Any]] = {
    "minmem": 128,
    "maxmem": 128,
    "vcpus": 1,
    "auto_balance": True,
    "always_failover": False,
    "spindle_use": 1,
}
"""
Memory is in MiB.
"""

NIC_PARAMETERS: Final[Mapping[str, Any]] = {
    "mode": "bridged",
    "link": "br0",
    "vlan": "",
}
NODE_PARAMETERS: Final[Mapping[str, Any]] = {
    "oob_program": "",
    "spindle_count": 1,
    "exclusive_storage": False,
    "ovs": False,
    "ovs_name": "switch1",
    "ovs_link": "",
    "ssh_port": 22,
    "cpu_speed": 1.0,
}
DISK_PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "blockdev": {},
    "diskless": {},
    "drbd": {
        "c-delay-target": 1,
        "c-fill-target": 0,
        "c-max-rate": 61440,
        "c-min-rate": 4096,
        "c-plan-ahead": 20,
        "data-stripes": 1,
        "disk-barriers": "n",
        "disk-custom": "",
        "dynamic-resync": False,
        "meta-barriers": False,
        "meta-stripes": 1,
        "metavg": "xenvg",
        "net-custom": "",
        "protocol": "C",
        "resync-rate": 61440,
    },
    "ext": {
        "access": "kernelspace",
    },
    "file": {},
    "gluster": {
        "access": "kernelspace",
        "host": "127.0.0.1",
        "port": 24007,
        "volume": "gv0",
    },
    "plain": {
        "stripes": 1,
    },
    "rbd": {
        "access": "kernelspace",
        "pool": "rbd",
    },
    "sharedfile": {},
}
"""
By disk template; so these are all the templates that exist.
"""

OWN_DISK_PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "file": {"preallocate": False},
    "sharedfile": {"preallocate": False},
}
"""
By disk template, those that Ganeti does not have: whether a file's whole space is reserved when it is made. A cluster
has them only where they are set.
"""


def known_disk_parameters(template: str) -> Mapping[str, Any]:
    """
    All parameters that a disk template has, with values of the right types.
    """
    return {**DISK_PARAMETERS[template], **OWN_DISK_PARAMETERS.get(template, {})}


INSTANCE_POLICY: Final[Mapping[str, Any]] = {
    "minmax": [
        {
            "min": {
                "memory-size": 128,
                "cpu-count": 1,
                "disk-count": 1,
                "disk-size": 1024,
                "nic-count": 1,
                "spindle-use": 1,
            },
            "max": {
                "memory-size": 32768,
                "cpu-count": 8,
                "disk-count": 16,
                "disk-size": 1048576,
                "nic-count": 8,
                "spindle-use": 12,
            },
        }
    ],
    "std": {
        "memory-size": 128,
        "cpu-count": 1,
        "disk-count": 1,
        "disk-size": 1024,
        "nic-count": 1,
        "spindle-use": 1,
    },
    "vcpu-ratio": 4.0,
    "spindle-ratio": 32.0,
}
"""
What instances may be like; sizes are in MiB. A cluster's own also has C{disk-templates}.
"""

DATA_COLLECTORS: Final[Mapping[str, Mapping[str, Any]]] = {
    name: {"active": True, "interval": 5_000_000}
    for name in ("cpu-avg-load", "diskstats", "drbd", "inst-status-xen", "lv", "xen-cpu-avg-load")
}
"""
Intervals are in microseconds.
"""

COMPRESSION_TOOLS: Final = ("gzip", "gzip-fast", "gzip-slow")
