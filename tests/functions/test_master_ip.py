"""
Tests for L{gnttwist.functions.master_ip}.
"""

import os
import subprocess
import sys
from typing import Any

from twisted.trial.unittest import SkipTest

from gnttwist.functions.master_ip import node_activate_master_ip, node_deactivate_master_ip
from gnttwist.functions.registry import FunctionError
from tests.functions.context import NodeTestCase

PARAMETERS: dict[str, Any] = {"ip": "192.0.2.77", "netmask": 32, "netdev": "lo", "ip_family": 2}

SCRIPT = """\
#!/bin/sh
echo "$1 $MASTER_IP $MASTER_NETMASK $MASTER_NETDEV $CLUSTER_IP_VERSION" >> "${0%/*}/said"
test "$MASTER_IP" != 192.0.2.99 || { echo no; exit 3; }
"""

IN_NAMESPACE = """\
import subprocess
from pathlib import Path
from gnttwist.functions.master_ip import node_activate_master_ip as up, node_deactivate_master_ip as down
from gnttwist.paths import Paths
from tests.functions.context import Recorder

def there():
    found = subprocess.run(["ip", "-o", "address", "show", "dev", "lo"], capture_output=True, text=True, check=True)
    return "192.0.2.77/32" in found.stdout

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
try:
    # As machines have it that share addresses: then any address can be bound.
    Path("/proc/sys/net/ipv4/ip_nonlocal_bind").write_text("1")
except OSError:
    pass
context = Recorder(Paths(Path("/nowhere/node1"), "node1"))
parameters = {"ip": "192.0.2.77", "netmask": 32, "netdev": "lo"}
states = []
for function in (up, up, down, down):
    function(context, parameters, False)
    states.append(there())
assert states == [True, True, False, False], states
"""


class MasterAddressTests(NodeTestCase):
    """
    Tests for C{node_activate_master_ip} and C{node_deactivate_master_ip}.
    """

    def test_real(self) -> None:
        """
        The address comes and goes, and neither twice, in a network of its own.
        """
        if (
            os.geteuid() != 0
            or subprocess.run(["unshare", "-n", "ip", "link"], capture_output=True).returncode
        ):
            raise SkipTest("networks of one's own cannot be made here")
        ran = subprocess.run(
            ["unshare", "-n", sys.executable, "-c", IN_NAMESPACE],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))

    def test_script(self) -> None:
        """
        The administrator's program gets the parameters as Ganeti gives them; that it fails is told with its output.
        """
        directory = self.root / "etc/ganeti/scripts"
        directory.mkdir()
        script = directory / "master-ip-setup"
        script.write_text(SCRIPT)
        self.assertRaises(FunctionError, node_activate_master_ip, self.context, PARAMETERS, True)
        script.chmod(0o755)
        node_activate_master_ip(self.context, PARAMETERS, True)
        node_deactivate_master_ip(self.context, PARAMETERS, True)
        self.assertEqual(
            (directory / "said").read_text().splitlines(),
            ["start 192.0.2.77 32 lo 4", "stop 192.0.2.77 32 lo 4"],
        )
        error = self.assertRaises(
            FunctionError, node_activate_master_ip, self.context, {**PARAMETERS, "ip": "192.0.2.99"}, True
        )
        self.assertIn("status 3; output: no", str(error))

    def test_refused(self) -> None:
        """
        What is no address, and addresses of nodes, are left alone.
        """
        (self.root / "var/lib/ganeti/ssconf_node_primary_ips").write_text(
            "node1 192.0.2.1\nnode2 192.0.2.2\n"
        )
        for wrong in (
            {"ip": "here"},
            {"ip": "192.0.2.2"},
            {"ip": "0.0.0.0"},
            {"netmask": 33},
            {"netmask": "x"},
            {"netdev": "-x"},
            {"netdev": "eth0 up"},
        ):
            for function in (node_activate_master_ip, node_deactivate_master_ip):
                self.assertRaises(FunctionError, function, self.context, {**PARAMETERS, **wrong}, False)
