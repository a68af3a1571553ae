"""
Tests for L{gnttwist.functions.hypervisor.kvm.command}, C{parameters} and C{places}.
"""

from pathlib import Path
from typing import Any

import msgspec
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.functions.hypervisor.kvm import command
from gnttwist.functions.hypervisor.kvm.command import Guest
from gnttwist.functions.hypervisor.kvm.devices import Drive, Word, slots
from gnttwist.functions.hypervisor.kvm.parameters import NOT_YET, affinity, parameters
from gnttwist.functions.hypervisor.kvm.places import SOCKETS, Places
from gnttwist.functions.registry import FunctionError
from gnttwist.paths import Paths

PLACES = Places(Paths(Path("/"), "node1.example.com"))
BASE = "/var/run/ganeti/kvm-hypervisor"
DRIVE = Drive(
    id="disk-7c079136-2573-4112",
    slot=12,
    path=Path("/var/run/ganeti/instance-disks/inst1:0"),
    block=False,
    read_only=False,
)
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
CONFINED = ["-sandbox", SANDBOX]


def guest(hvparams: dict[str, Any] | None = None, **members: Any) -> Guest:
    """
    A guest with some parameters.
    """
    plain = Guest(
        name="inst1",
        uuid="8ff76b53-63a0-4ec5-ac44-804a7d75e260",
        program="/usr/bin/qemu-system-x86_64",
        memory=128,
        vcpus=2,
        parameters=parameters(hvparams or {}),
        accelerator="tcg",
        drives=[DRIVE],
    )
    return evolve(plain, **members)


def value(words: list[Word], option: str) -> Word:
    """
    What follows an option.
    """
    return words[words.index(option) + 1]


class KeptTests(SynchronousTestCase):
    """
    Tests for L{command.kept}.
    """

    def test_plain(self) -> None:
        """
        A guest with default parameters has exactly this command line, its memory a number.
        """
        self.assertEqual(
            command.kept(guest(), PLACES),
            [
                *("/usr/bin/qemu-system-x86_64", "-name", "inst1", "-m", 128, "-smp", "2"),
                *("-pidfile", f"{BASE}/pid/inst1", "-no-user-config", "-nodefaults"),
                *("-device", "virtio-balloon", "-machine", "pc,accel=tcg"),
                *("-monitor", f"unix:{BASE}/ctrl/inst1.monitor,server=on,wait=off"),
                *("-serial", f"unix:{BASE}/ctrl/inst1.serial,server=on,wait=off"),
                *("-display", "none", "-uuid", "8ff76b53-63a0-4ec5-ac44-804a7d75e260"),
            ],
        )

    def test_all_parameters(self) -> None:
        """
        Each parameter has its option.
        """
        words = command.kept(
            guest(
                {
                    "acpi": False,
                    "cpu_cores": 2,
                    "cpu_threads": 1,
                    "cpu_sockets": 1,
                    "cpu_type": "host,-vmx",
                    "machine_version": "pc-i440fx-7.2",
                    "reboot_behavior": "exit",
                    "serial_console": False,
                    "use_localtime": True,
                    "vga": "std",
                    "kvm_extra": "-device virtio-rng-pci -global PIIX4_PM.disable_s3=1",
                },
                accelerator="kvm",
            ),
            PLACES,
        )
        self.assertEqual(
            words[5:],
            [
                *("-smp", "2,cores=2,threads=1,sockets=1", "-pidfile", f"{BASE}/pid/inst1"),
                *("-no-user-config", "-nodefaults", "-device", "virtio-balloon", "-no-reboot"),
                *("-machine", "pc-i440fx-7.2,acpi=off,accel=kvm"),
                *("-monitor", f"unix:{BASE}/ctrl/inst1.monitor,server=on,wait=off"),
                *("-serial", "none", "-display", "none", "-rtc", "base=localtime"),
                *("-cpu", "host,-vmx", "-vga", "std", "-uuid", "8ff76b53-63a0-4ec5-ac44-804a7d75e260"),
                *("-device", "virtio-rng-pci", "-global", "PIIX4_PM.disable_s3=1"),
            ],
        )

    def test_kernel(self) -> None:
        """
        A kernel of the node's gets its root, its arguments and the console.
        """
        words = command.kept(
            guest(
                {"kernel_path": "/boot/k", "initrd_path": "/boot/i", "kernel_args": "ro quiet"},
                kernel=Path("/boot/k"),
                initrd=Path("/boot/i"),
            ),
            PLACES,
        )
        begin = words.index("-kernel")
        self.assertEqual(
            words[begin : begin + 6],
            [
                *("-kernel", "/boot/k", "-initrd", "/boot/i"),
                *("-append", "root=/dev/vda1 ro quiet console=ttyS0,38400"),
            ],
        )

    def test_host_processor_without_kvm(self) -> None:
        """
        Without KVM the host's own processor becomes all that QEMU can do, its suboptions kept.
        """
        words = command.kept(guest({"cpu_type": "host,-vmx"}), PLACES)
        self.assertEqual(value(words, "-cpu"), "max,-vmx")


class AddedTests(SynchronousTestCase):
    """
    Tests for L{command.added}.
    """

    def test_plain(self) -> None:
        """
        A guest gets no network, two machine monitors, and its disk, from which it boots.
        """
        self.assertEqual(
            command.added(guest(), PLACES, paused=False, confined=CONFINED),
            [
                *("-nic", "none"),
                *("-qmp", f"unix:{BASE}/ctrl/inst1.qmp,server=on,wait=off"),
                *("-qmp", f"unix:{BASE}/ctrl/inst1.kvmd,server=on,wait=off"),
                "-blockdev",
                "driver=raw,node-name=disk-7c079136-2573-4112,read-only=off,discard=ignore,cache.direct=off,"
                "cache.no-flush=off,file.driver=file,file.filename=/var/run/ganeti/instance-disks/inst1:0,"
                "file.aio=threads",
                "-device",
                "virtio-blk-pci,id=disk-7c079136-2573-4112,bus=pci.0,addr=0xc,drive=disk-7c079136-2573-4112,"
                "write-cache=on,bootindex=1",
                *("-sandbox", SANDBOX),
            ],
        )

    def test_disk_parameters(self) -> None:
        """
        A read-only block device with its own caching, and a comma in its path.
        """
        drive = evolve(DRIVE, block=True, read_only=True, path=Path("/dev/a,b"))
        words = command.added(
            guest({"disk_cache": "none", "disk_aio": "native", "disk_discard": "unmap"}, drives=[drive]),
            PLACES,
            paused=False,
            confined=CONFINED,
        )
        self.assertEqual(
            value(words, "-blockdev"),
            "driver=raw,node-name=disk-7c079136-2573-4112,read-only=on,discard=unmap,cache.direct=on,"
            "cache.no-flush=off,file.driver=host_device,file.filename=/dev/a,,b,file.aio=native",
        )

    def test_write_through(self) -> None:
        """
        With C{writethrough} the guest is told of no write cache.
        """
        words = command.added(guest({"disk_cache": "writethrough"}), PLACES, paused=False, confined=CONFINED)
        self.assertIn("write-cache=off", str(value(words, "-device")))

    def test_paused(self) -> None:
        """
        Only a paused start stops before the first instruction.
        """
        self.assertIn("-S", command.added(guest(), PLACES, paused=True, confined=CONFINED))
        self.assertNotIn("-S", command.added(guest(), PLACES, paused=False, confined=CONFINED))

    def test_sandbox_last(self) -> None:
        """
        What QEMU denies itself comes last, where nothing can allow it again.
        """
        self.assertEqual(
            command.added(guest(), PLACES, paused=True, confined=CONFINED)[-2:], ["-sandbox", SANDBOX]
        )


class PartsTests(SynchronousTestCase):
    """
    Tests for the smaller functions.
    """

    def test_relative(self) -> None:
        """
        However deep the root, each socket is named by its file name alone; other words are the same, as text.
        """
        places = Places(Paths(Path("/" + "x" * 300) / "n", "n"))
        words: list[Word] = [
            "-m",
            128,
            "-append",
            "unix:/elsewhere/x",
            "-pidfile",
            str(places.pid("i")),
        ]
        words += ["-qmp", f"unix:{places.socket('i', 'qmp')},server=on,wait=off"]
        self.assertEqual(
            command.relative(words, places.sockets),
            [
                *("-m", "128", "-append", "unix:/elsewhere/x", "-pidfile", str(places.pid("i"))),
                *("-qmp", "unix:i.qmp,server=on,wait=off"),
            ],
        )

    def test_device_id(self) -> None:
        """
        A device is named after the first three groups of its UUID, or its index.
        """
        self.assertEqual(
            command.device_id("disk", "7c079136-2573-4112-82d0-0d3d2aa90d8f", 0), "disk-7c079136-2573-4112"
        )
        self.assertEqual(command.device_id("disk", "", 3), "disk-3")

    def test_slots(self) -> None:
        """
        Devices follow the reserved slots, up to the bus's end.
        """
        self.assertEqual(slots(12, 2), [12, 13])
        self.assertEqual(len(slots(16, 16)), 16)
        self.assertRaises(ValueError, slots, 17, 16)

    def test_runtime(self) -> None:
        """
        The runtime file is Ganeti's: four members, each disk with where it is plugged in.
        """
        disk = {"dev_type": "file", "uuid": "7c079136-2573-4112-82d0-0d3d2aa90d8f"}
        content = command.runtime(["/usr/bin/kvm", "-m", 128], {"acpi": True}, [(disk, DRIVE)])
        self.assertEqual(
            msgspec.json.decode(msgspec.json.encode(content)),
            [
                ["/usr/bin/kvm", "-m", 128],
                [],
                {"acpi": True},
                [
                    [
                        {
                            **disk,
                            "hvinfo": {
                                "driver": "virtio-blk-pci",
                                "id": "disk-7c079136-2573-4112",
                                "bus": "pci.0",
                                "addr": "0xc",
                            },
                        },
                        "/var/run/ganeti/instance-disks/inst1:0",
                        None,
                    ]
                ],
            ],
        )

    def test_long_name(self) -> None:
        """
        A name that fits into no socket's address is refused, and one that just fits is not.
        """
        longest = max(len(each) for each in SOCKETS) + 1
        PLACES.check("x" * (107 - longest))
        self.assertRaises(FunctionError, PLACES.check, "x" * (108 - longest))


class ParametersTests(SynchronousTestCase):
    """
    Tests for L{parameters}.
    """

    def refused(self, **hvparams: Any) -> str:
        """
        Why these are refused.
        """
        return str(self.assertRaises(FunctionError, parameters, hvparams))

    def test_ganeti_defaults(self) -> None:
        """
        Ganeti's whole set of defaults is accepted, with an empty kernel.
        """
        parameters(msgspec.to_builtins(parameters({})))

    def test_unknown(self) -> None:
        """
        An unknown parameter is named.
        """
        self.assertIn("no_such", self.refused(no_such=1))

    def test_wrong_type(self) -> None:
        """
        A value of the wrong type is refused with the parameter's name.
        """
        self.assertIn("acpi", self.refused(acpi="yes"))

    def test_not_yet(self) -> None:
        """
        What cannot be honoured is refused by name instead of ignored.
        """
        defaults = parameters({})
        for name in NOT_YET:
            other = True if getattr(defaults, name) is False else "/somewhere"
            self.assertIn(name, self.refused(**{name: other}))

    def test_words(self) -> None:
        """
        Words that QEMU does not know, or that would reach elsewhere, are refused by the parameter's name.
        """
        for name, value in (
            ("boot_order", "tape"),
            ("nic_type", "token-ring"),
            ("disk_type", "mtd"),
            ("scsi_controller_type", "x,y"),
            ("usb_mouse", "rat"),
            ("cpu_mask", "0-x"),
            ("cpu_mask", "3-1"),
            ("virtio_net_queues", 0),
            ("virtio_net_queues", 9),
            ("keymap", "../x"),
            ("cdrom_image_path", "/etc/shadow"),
            ("cdrom_image_path", "/srv/../etc/shadow"),
            ("vnc_password_file", "/root/secret"),
            ("vnc_bind_address", "/root"),
            ("mem_path", "/root"),
            ("vnc_x509_verify", True),
        ):
            self.assertIn(name, self.refused(**{name: value}))
        self.assertIn("use_namespaces", self.refused(use_namespaces=True, vnc_bind_address="127.0.0.1"))

    def test_affinity(self) -> None:
        """
        Masks of processors are read as Ganeti writes them.
        """
        self.assertIsNone(affinity("all"))
        self.assertEqual(affinity("0-2,5"), [{0, 1, 2, 5}])
        self.assertEqual(affinity("0:1-2"), [{0}, {1, 2}])

    def test_native_aio(self) -> None:
        """
        The kernel's asynchronous I/O needs a disk without the host's cache.
        """
        self.assertIn("disk_cache", self.refused(disk_aio="native"))
        parameters({"disk_aio": "native", "disk_cache": "none"})

    def test_programs(self) -> None:
        """
        Only QEMU, and only where programs are installed, can be run.
        """
        for path in ("/bin/sh", "/usr/bin/python3", "/usr/bin/../../tmp/kvm", "/tmp/kvm", "kvm"):
            self.assertIn("kvm_path", self.refused(kvm_path=path))
        for path in ("/usr/bin/kvm", "/usr/libexec/qemu-kvm", "/usr/local/bin/qemu-system-x86_64"):
            parameters({"kvm_path": path})

    def test_images(self) -> None:
        """
        A guest cannot be given any file of the node's as its kernel or RAM disk.
        """
        self.assertIn("kernel_path", self.refused(kernel_path="/etc/shadow"))
        self.assertIn("kernel_path", self.refused(kernel_path="/boot/../etc/shadow"))
        self.assertIn("initrd_path", self.refused(kernel_path="/boot/k", initrd_path="/root/x"))
        self.assertIn("initrd_path", self.refused(initrd_path="/boot/i"))

    def test_extra(self) -> None:
        """
        Options that open files or start programs are refused, and suboptions of others that do.
        """
        for words in (
            "-chardev stdio,id=x",
            "-drive media=cdrom",
            "--daemonize",
            "x",
            "-device virtio-rng-pci,romfile=/etc/shadow",
            "-device vfio-pci,host=0",
        ):
            self.assertIn("kvm_extra", self.refused(kvm_extra=words))

    def test_suboptions(self) -> None:
        """
        A comma cannot smuggle a suboption in.
        """
        self.assertIn("comma", self.refused(machine_version="pc,dumpdtb=/etc/x"))
        self.assertIn("comma", self.refused(vga="std,x"))

    @given(st.dictionaries(st.text(max_size=20), st.none() | st.integers() | st.text() | st.booleans()))
    def test_garbage(self, hvparams: dict[str, Any]) -> None:
        """
        Whatever comes is accepted, or refused in words.
        """
        try:
            parameters(hvparams)
        except FunctionError as reason:
            self.assertTrue(str(reason))
