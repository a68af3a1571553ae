"""
The context that functions get in tests: a node in a directory of its own.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from attrs import define, field

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.paths import Paths

NODE = "node1.example.com"


@define
class Recorder:
    """
    A L{gnttwist.functions.registry.Context} that remembers feedback.
    """

    paths: Paths
    told: list[tuple[str, Any]] = field(factory=list)

    def feedback(self, type: str, payload: Any) -> None:
        """
        Remember it.
        """
        self.told.append((type, payload))


class NodeTestCase(SynchronousTestCase):
    """
    A test with a node's directories.
    """

    def setUp(self) -> None:
        above = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, above)
        root = Path(above) / NODE
        for each in (
            "var/lib/ganeti",
            "var/run/ganeti",
            "var/log/ganeti",
            "var/lock",
            "etc/ganeti",
            "srv/ganeti/os",
        ):
            (root / each).mkdir(parents=True)
        self.root = root
        self.context = Recorder(Paths(root, NODE))


def instance(**members: Any) -> dict[str, Any]:
    """
    An instance as calls carry it.
    """
    return {
        "name": "inst1.example.com",
        "uuid": "i1",
        "hypervisor": "fake",
        "os": "noop",
        "primary_node": "n1",
        "beparams": {"maxmem": 128, "minmem": 128, "vcpus": 2},
        "hvparams": {"migration_mode": "live"},
        "disks_info": [],
        "nics": [],
        **members,
    }


def disk(path: str = "/srv/ganeti/file-storage/inst1/d1.file.disk0", **members: Any) -> dict[str, Any]:
    """
    A file disk as calls carry it.
    """
    return {
        "dev_type": "file",
        "logical_id": ["loop", path],
        "size": 4,
        "uuid": "d1",
        "mode": "rw",
        "params": {},
        **members,
    }
