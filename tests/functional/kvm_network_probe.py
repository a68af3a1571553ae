"""
Guests with network interfaces in this network namespace; run by L{tests.functional.test_kvm_network} in its own.

Prints a JSON object of what was seen.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from gnttwist.functions.hypervisor.interface import AttachedDisk
from gnttwist.functions.hypervisor.kvm import testguest
from gnttwist.functions.hypervisor.kvm.hypervisor import KVMHypervisor
from gnttwist.functions.hypervisor.kvm.places import Places
from gnttwist.functions.registry import FunctionError
from gnttwist.paths import Paths
from tests.functions.context import Recorder, instance

MAC = "aa:00:00:00:00:01"
FROM_GUEST = 20.0
"""
Seconds for the guest's firmware to send its first packet: it takes 3 under TCG.
"""


def ip(*words: str) -> list[dict[str, Any]]:
    """
    What ip says.
    """
    done = subprocess.run(["ip", "-json", *words], capture_output=True, text=True, check=True)
    return msgspec.json.decode(done.stdout or "[]", type=list[dict[str, Any]])


def taps() -> list[str]:
    """
    The tap devices of the namespace.
    """
    return [
        each["ifname"]
        for each in ip("-details", "link")
        if each.get("linkinfo", {}).get("info_kind") == "tun"
    ]


class Node:
    """
    A node of one guest.
    """

    def __init__(self, root: Path) -> None:
        self.context = Recorder(Paths(root, root.name))
        self.places = Places(self.context.paths)
        self.kvm = KVMHypervisor()
        self.disk = root / "disk"
        self.disk.write_bytes(testguest.disk())
        self.pid = 0

    def start(self, nic: dict[str, Any], *, paused: bool = True, **hvparams: Any) -> None:
        """
        Start the guest with one interface.
        """
        wanted = instance(
            uuid="",
            name="inst1",
            hypervisor="kvm",
            beparams={"maxmem": 64, "vcpus": 1},
            hvparams={"kvm_flag": "disabled", **hvparams},
            nics=[{"mac": MAC, **nic}],
        )
        self.kvm.start(self.context, wanted, [AttachedDisk({"dev_type": "file"}, self.disk)], paused)
        self.pid = int(self.places.pid("inst1").read_text())

    def kill(self) -> None:
        """
        End it as if by accident.
        """
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def stop(self) -> None:
        """
        End it; it is this process's child.
        """
        with ThreadPoolExecutor(1) as waiting:
            gone = waiting.submit(os.waitpid, self.pid, 0)
            self.kvm.stop(self.context, "inst1", force=True, timeout=0)
            gone.result()

    def refused(self, nic: dict[str, Any], **hvparams: Any) -> str:
        """
        Why it is not started.
        """
        try:
            self.start(nic, **hvparams)
        except FunctionError as reason:
            return str(reason)
        self.kill()
        return ""


def heard(bridge: str) -> bool:
    """
    Whether a frame from the guest comes to the bridge.
    """
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as listening:
        listening.bind((bridge, 0))
        deadline = time.monotonic() + FROM_GUEST
        while (left := deadline - time.monotonic()) > 0 and select.select([listening], [], [], left)[0]:
            if listening.recv(2000)[6:12] == bytes.fromhex(MAC.replace(":", "")):
                return True
    return False


def main() -> None:
    """
    Try everything, one after the other.
    """
    root = Path(sys.argv[1])
    node = Node(root)
    seen: dict[str, Any] = {}
    subprocess.run(["ip", "link", "add", "br7", "mtu", "1400", "type", "bridge"], check=True)
    subprocess.run(["ip", "link", "set", "br7", "up"], check=True)

    node.start(
        {"nicparams": {"mode": "bridged", "link": "br7", "vlan": ""}}, paused=False, boot_order="network"
    )
    [tap] = taps()
    [link] = ip("link", "show", tap)
    seen["bridged"] = {"master": link.get("master"), "mtu": link["mtu"], "up": "UP" in link["flags"]}
    seen["mac begins"] = link["address"][:2]
    seen["file"] = (node.places.nic("inst1") / "0").read_text() == tap
    seen["heard"] = heard("br7")
    node.kill()
    seen["after a kill"] = taps()
    seen["info after a kill"] = node.kvm.names(node.context)

    node.start(
        {"nicparams": {"mode": "routed", "link": "", "vlan": ""}, "ip": "192.0.2.7"}, security_model="none"
    )
    [tap] = taps()
    seen["route"] = [each["dst"] for each in ip("route", "show", "dev", tap)]
    seen["proxy_arp"] = Path(f"/proc/sys/net/ipv4/conf/{tap}/proxy_arp").read_text().strip()
    node.stop()
    seen["after a stop"] = [taps(), node.places.nic("inst1").exists()]

    seen["no bridge"] = node.refused({"nicparams": {"mode": "bridged", "link": "br9"}})
    seen["no address"] = node.refused({"nicparams": {"mode": "routed", "link": ""}})
    seen["hostile"] = node.refused({"nicparams": {"mode": "bridged", "link": "../../etc"}})
    seen["bad mac"] = node.refused({"mac": "x,y", "nicparams": {"mode": "bridged", "link": "br7"}})
    seen["after refusals"] = [taps(), [each.name for each in node.places.base.rglob("*inst1*")]]

    script = root / "etc/ganeti/kvm-vif-bridge"
    script.parent.mkdir(parents=True)
    script.write_text(
        f'#!/bin/sh\necho "$INSTANCE $MODE $LINK $MAC" > {root}/told\nip link set "$INTERFACE" up\n'
    )
    script.chmod(0o755)
    node.start({"nicparams": {"mode": "bridged", "link": "br9"}}, vnc_bind_address="/run")
    seen["script"] = (root / "told").read_text()
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as viewer:
        viewer.connect("/run/inst1.vnc")
        seen["vnc"] = viewer.recv(4).decode()
    node.stop()
    script.write_text("#!/bin/sh\necho no such switch; exit 3\n")
    seen["script fails"] = node.refused({"nicparams": {"mode": "bridged", "link": "br9"}})
    seen["in the end"] = taps()
    print(json.dumps(seen))  # noqa: T201  # a program's output


if __name__ == "__main__":
    main()
