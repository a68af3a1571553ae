"""
The rule sets in conf/firewall, loaded in a network namespace of their own. Needs root, and nft or iptables.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from twisted.trial.unittest import SynchronousTestCase

import gnttwist

ABOVE = Path(gnttwist.__file__).parent.parent
RULES = ABOVE / "conf" / "firewall"
USER, OTHER = 4000, 5000
EVERYTHING = {
    "guest's user, IPv4": True,
    "guest's user, IPv6": True,
    "another user": True,
    "answers": True,
    "guest itself": True,
}
CONFINED = {**EVERYTHING, "guest's user, IPv4": False, "guest's user, IPv6": False}


class FirewallTests(SynchronousTestCase):
    """
    Tests that a guest's user cannot send, and its guest can.
    """

    if os.geteuid() != 0:
        skip = "needs root, for a network namespace"
    elif shutil.which("ip") is None or shutil.which("unshare") is None:
        skip = "there is no ip (Debian package iproute2) or no unshare (util-linux)"

    def tried(self, user: int, *load: str) -> dict[str, bool]:
        """
        What arrives, after loading rules.
        """
        done = subprocess.run(
            [
                "unshare",
                "--net",
                sys.executable,
                "-m",
                "tests.functional.firewall_probe",
                str(user),
                " ; ".join(load),
            ],
            cwd=ABOVE,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return msgspec.json.decode(done.stdout, type=dict[str, bool])

    def need(self, program: str, package: str) -> None:
        """
        Skip where a program is not installed.
        """
        if shutil.which(program) is None:
            self.skipTest(f"there is no {program} (Debian package {package})")

    def test_without(self) -> None:
        """
        Without rules everything arrives: the test can fail.
        """
        self.assertEqual(self.tried(USER, "true"), EVERYTHING)

    def test_nftables(self) -> None:
        """
        With the nftables rules a guest's user sends nothing, its guest does, and other users are untouched; loading
        them twice is as good as once.
        """
        self.need("nft", "nftables")
        load = f"nft -f {RULES / 'guests.nft'}"
        self.assertEqual(self.tried(USER, load, load), CONFINED)
        self.assertEqual(self.tried(OTHER, load), EVERYTHING)

    def test_iptables(self) -> None:
        """
        The iptables rules do the same.
        """
        self.need("iptables-restore", "iptables")
        rules = RULES / "guests.iptables"
        load = (f"iptables-restore --noflush {rules}", f"ip6tables-restore --noflush {rules}")
        self.assertEqual(self.tried(USER, *load), CONFINED)
        self.assertEqual(self.tried(OTHER, *load), EVERYTHING)
