"""
Tests for L{gnttwist.functions.hypervisor.kvm.devices} and C{interfaces}.
"""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.functions.hypervisor.kvm import command
from gnttwist.functions.hypervisor.kvm.command import Guest
from gnttwist.functions.hypervisor.kvm.devices import Drive, Interface, Medium, controller, disk, display
from gnttwist.functions.hypervisor.kvm.interfaces import environment, vlans
from gnttwist.functions.hypervisor.kvm.parameters import parameters
from gnttwist.functions.hypervisor.kvm.places import Places
from gnttwist.functions.hypervisor.kvm.taps import Tap
from gnttwist.functions.registry import FunctionError
from gnttwist.paths import Paths
from gnttwist.wire.call_types import NetworkArgument, NicArgument

PLACES = Places(Paths(Path("/"), "node1.example.com"))
MAC = "aa:00:00:00:00:01"


def guest(order: str = "disk", **members: Any) -> Guest:
    """
    A guest that boots in some order.
    """
    return Guest("inst1", "", "qemu", 64, 1, parameters({"boot_order": order}), "tcg", **members)


def after(words: list[Any], option: str) -> list[str]:
    """
    The values of an option that may come repeatedly.
    """
    return [str(words[index + 1]) for index, each in enumerate(words) if each == option]


class DeviceTests(SynchronousTestCase):
    """
    Tests for single devices.
    """

    def test_interface(self) -> None:
        """
        A network interface is its tap's descriptor on one side, and a PCI device on the other.
        """
        words = Interface("nic-1", 13, MAC).words([7], [], None)
        self.assertEqual(
            words,
            [
                "-netdev",
                "tap,id=nic-1,fd=7",
                "-device",
                f"virtio-net-pci,id=nic-1,bus=pci.0,addr=0xd,netdev=nic-1,mac={MAC}",
            ],
        )

    def test_queues(self) -> None:
        """
        Several queues have a descriptor each, and vectors for all of them.
        """
        netdev, device = Interface("n", 1, MAC, queues=2).words([7, 8], [9, 10], 1)[1::2]
        self.assertEqual(netdev, "tap,id=n,fds=7:8,vhost=on,vhostfds=9:10")
        self.assertTrue(str(device).endswith(",mq=on,vectors=6,bootindex=1"))

    def test_models(self) -> None:
        """
        Disks of other types are on their own buses.
        """
        wanted = parameters({"disk_type": "ide"})
        ide = Drive("d", 3, Path("/d"), block=False, read_only=False, model="ide")
        self.assertIn("ide-hd,id=d,bus=ide.1,unit=1,drive=d", str(disk(ide, wanted, None)[3]))
        self.assertEqual(controller([ide], wanted), [])
        scsi = Drive("d", 3, Path("/d"), block=False, read_only=False, model="scsi")
        self.assertIn("scsi-hd,id=d,bus=scsi.0,channel=0,scsi-id=3,lun=0", str(disk(scsi, wanted, None)[3]))
        self.assertEqual(controller([scsi], wanted), ["-device", "lsi,id=scsi"])

    def test_display(self) -> None:
        """
        A display is on its instance's port, or a socket; its password is never on the command line.
        """

        def shown(port: int | None = 11000, **hvparams: Any) -> list[Any]:
            return display("inst1", parameters(hvparams), port)

        self.assertEqual(shown(), ["-display", "none"])
        self.assertEqual(shown(vnc_bind_address="127.0.0.1"), ["-vnc", "127.0.0.1:5100"])
        self.assertEqual(shown(vnc_bind_address="::1"), ["-vnc", "[::1]:5100"])
        self.assertEqual(shown(None, vnc_bind_address="/run/vnc"), ["-vnc", "unix:/run/vnc/inst1.vnc"])
        self.assertEqual(
            shown(vnc_bind_address="127.0.0.1", vnc_password_file="/etc/ganeti/vnc", vnc_tls=True),
            [
                "-object",
                "tls-creds-anon,id=vnctls0,endpoint=server",
                "-vnc",
                "127.0.0.1:5100,tls-creds=vnctls0,password=on",
            ],
        )
        self.assertRaises(FunctionError, shown, None, vnc_bind_address="127.0.0.1")
        self.assertRaises(FunctionError, shown, vnc_bind_address="somewhere")

    def test_boot_order(self) -> None:
        """
        What is to boot first has the lowest number, and disks come behind it; with a kernel nothing has one.
        """
        drive = Drive("disk-1", 12, Path("/d"), block=False, read_only=False)
        devices: dict[str, Any] = {
            "drives": [drive],
            "interfaces": [Interface("nic-1", 13, MAC)],
            "media": [Medium("cdrom", Path("/srv/cd.iso"))],
        }

        def indexes(order: str, **members: Any) -> dict[str, str]:
            words = command.added(
                guest(order, **devices, **members), PLACES, paused=False, confined=[], taps=[Tap("tap0", [7])]
            )
            found = [each for each in after(words, "-device") if "bootindex=" in each]
            return {each.split("bootindex=")[1]: each.split(",")[0] for each in found}

        self.assertEqual(indexes("disk"), {"1": "virtio-blk-pci"})
        self.assertEqual(indexes("cdrom"), {"1": "ide-cd", "2": "virtio-blk-pci"})
        self.assertEqual(indexes("network"), {"1": "virtio-net-pci", "2": "virtio-blk-pci"})
        self.assertEqual(indexes("cdrom", kernel=Path("/boot/k")), {})


class InterfaceTests(SynchronousTestCase):
    """
    Tests for what connecting interfaces is made of.
    """

    def test_environment(self) -> None:
        """
        Scripts are told what Ganeti tells them.
        """
        nic = NicArgument(
            mac=MAC,
            uuid="u",
            ip="192.0.2.7",
            nicparams={"mode": "bridged", "link": "br0", "vlan": ""},
            netinfo=NetworkArgument(name="net", uuid="n", network="192.0.2.0/24", tags=["a", "b"]),
        )
        self.assertEqual(
            dict(environment("inst1", "x y", 2, nic, "tap3")),
            {
                "INSTANCE": "inst1",
                "MAC": MAC,
                "MODE": "bridged",
                "INTERFACE": "tap3",
                "INTERFACE_INDEX": "2",
                "INTERFACE_UUID": "u",
                "TAGS": "x y",
                "IP": "192.0.2.7",
                "LINK": "br0",
                "BRIDGE": "br0",
                "NETWORK_NAME": "net",
                "NETWORK_UUID": "n",
                "NETWORK_TAGS": "a b",
                "NETWORK_SUBNET": "192.0.2.0/24",
            },
        )

    def test_vlans(self) -> None:
        """
        Ganeti's notation is read: an untagged one first, tagged ones behind colons.
        """
        untagged = ("pvid", "untagged")
        self.assertEqual(list(vlans("100")), [("100", untagged)])
        self.assertEqual(list(vlans(".100:200")), [("100", untagged), ("200", ())])
        self.assertEqual(list(vlans(":200:300")), [("200", ()), ("300", ())])

    @given(st.text(alphabet=".:0123456789x-", max_size=12))
    def test_any_vlan(self, text: str) -> None:
        """
        Whatever is given, only numbers that can be VLANs come out.
        """
        try:
            found = list(vlans(text))
        except FunctionError:
            return
        self.assertTrue(all(1 <= int(number) <= 4094 for number, _ in found))
