"""
Guests of the kvm hypervisor that are users of their own: started and stopped in a row and at once.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from attrs import define, field

from gnttwist.functions.hypervisor.interface import AttachedDisk
from gnttwist.functions.hypervisor.kvm import testguest
from gnttwist.functions.hypervisor.kvm.hypervisor import KVMHypervisor
from gnttwist.functions.hypervisor.kvm.places import Places
from gnttwist.paths import Paths

Row = tuple[str, str]

QEMU = "/usr/bin/qemu-system-x86_64"
NODE = "node1.example.com"
GUESTS = 200
AT_ONCE = 4
"""
Guests that are being started at the same instant.
"""


@define
class Node:
    """
    Where guests run; nothing is told to anybody.
    """

    paths: Paths
    kvm: KVMHypervisor = field(factory=KVMHypervisor)

    def feedback(self, type: str, payload: Any) -> None:
        """
        Nothing.
        """

    def start(self, name: str) -> None:
        """
        Start a guest that stands still.
        """
        disk = self.paths.root / f"{name}.disk"
        disk.write_bytes(testguest.disk())
        instance = {
            "name": name,
            "uuid": "",
            "os": "",
            "hypervisor": "kvm",
            "primary_node": "",
            "beparams": {"maxmem": 16, "vcpus": 1},
            "hvparams": {"kvm_flag": "disabled", "security_model": "pool", "use_chroot": True},
            "nics": [],
            "disks_info": [],
        }
        self.kvm.start(self, instance, [AttachedDisk({"dev_type": "file"}, disk)], True)

    def stop(self, name: str) -> None:
        """
        End a guest; it is this process's child, which a function process would not live to wait for.
        """
        pid = int(Places(self.paths).pid(name).read_text())
        with ThreadPoolExecutor(1) as waiting:
            gone = waiting.submit(os.waitpid, pid, 0)
            self.kvm.stop(self, name, force=True, timeout=0)
            gone.result()


@contextmanager
def node() -> Iterator[Node]:
    """
    A node with a pool of as many users as there are guests.
    """
    base = Path(tempfile.mkdtemp(prefix="gnt-"))
    base.chmod(0o755)
    made = Node(Paths(base / NODE, NODE))
    pool = made.paths.ssconf("uid_pool")
    pool.parent.mkdir(parents=True)
    pool.write_text(f"61000-{61000 + GUESTS - 1}\n")
    try:
        yield made
    finally:
        shutil.rmtree(base)


def timed(work: Callable[[], object]) -> float:
    """
    Seconds that something takes.
    """
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def rows() -> list[Row]:
    """
    Start and stop 200 guests of the pool.
    """
    if os.geteuid() != 0 or not os.access(QEMU, os.X_OK):
        return [("guests with users of their own", "needs root and QEMU")]
    names = [f"inst{number}" for number in range(GUESTS)]
    with node() as made:
        alone = [(timed(lambda: made.start("one")), timed(lambda: made.stop("one"))) for _ in range(20)]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            started = timed(lambda: list(threads.map(made.start, names)))
            stopped = timed(lambda: list(threads.map(made.stop, names)))
        left = len(os.listdir(made.paths.uid_pool_locks))
    return [
        ("guest of the pool, start, one at a time", f"{median(each for each, _ in alone) * 1000:.0f} ms"),
        ("guest of the pool, stop, one at a time", f"{median(each for _, each in alone) * 1000:.0f} ms"),
        (f"{GUESTS} guests of the pool, {AT_ONCE} at once, start", f"{started:.1f} s"),
        (f"{GUESTS} guests of the pool, {AT_ONCE} at once, stop", f"{stopped:.1f} s"),
        ("users of the pool that are taken afterwards", f"{left} of {GUESTS}"),
    ]
