"""
Real guests' network interfaces, in a network namespace of their own. Needs root and QEMU.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

import gnttwist

QEMU = "/usr/bin/qemu-system-x86_64"
PREPARE = """
mount -t sysfs none /sys && mount -t tmpfs none /run && exec "$0" -m tests.functional.kvm_network_probe "$1"
"""
"""
So that what is seen there is the namespace's, and what is made there is nobody else's.
"""
ABOVE = Path(gnttwist.__file__).parent.parent


class NetworkTests(SynchronousTestCase):
    """
    Tests for taps, bridges, routes, scripts and displays.
    """

    timeout = 120
    if os.geteuid() != 0:
        skip = "needs root, for a network namespace"
    elif not os.access(QEMU, os.X_OK):
        skip = f"there is no {QEMU} (Debian package qemu-system-x86)"
    elif shutil.which("ip") is None or not os.path.exists("/dev/net/tun"):
        skip = "there is no ip (Debian package iproute2) or no /dev/net/tun"

    def test_interfaces(self) -> None:
        """
        A guest's interface is connected as its mode says, carries what the guest sends, and is gone with the guest
        however that ends; what cannot be connected is refused, and leaves nothing; an administrator's script is asked
        first.
        """
        root = Path(tempfile.mkdtemp(prefix="gnt-")) / f"node{os.getpid()}.example.com"
        root.mkdir()
        self.addCleanup(shutil.rmtree, root.parent)
        done = subprocess.run(
            ["unshare", "--net", "--mount", "--kill-child", "sh", "-c", PREPARE, sys.executable, str(root)],
            cwd=ABOVE,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        seen: dict[str, Any] = msgspec.json.decode(done.stdout)
        self.assertEqual(seen["bridged"], {"master": "br7", "mtu": 1400, "up": True})
        self.assertEqual((seen["mac begins"], seen["file"]), ("fe", True))
        self.assertTrue(seen["heard"], "the guest's firmware sent nothing")
        self.assertEqual((seen["after a kill"], seen["info after a kill"]), ([], []))
        self.assertEqual((seen["route"], seen["proxy_arp"]), (["192.0.2.7"], "1"))
        self.assertEqual(seen["after a stop"], [[], False])
        self.assertIn("no bridge br9", seen["no bridge"])
        self.assertIn("needs an IP address", seen["no address"])
        self.assertIn("no name of a device", seen["hostile"])
        self.assertIn("Invalid MAC", seen["bad mac"])
        self.assertEqual(seen["after refusals"], [[], []])
        self.assertEqual(seen["script"], "inst1 bridged br9 aa:00:00:00:00:01\n")
        self.assertEqual(seen["vnc"], "RFB ")
        self.assertIn("no such switch", seen["script fails"])
        self.assertEqual(seen["in the end"], [])
