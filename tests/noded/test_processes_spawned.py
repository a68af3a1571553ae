"""
Tests for L{gnttwist.noded.spawned}.
"""

import os

from twisted.internet import reactor  # noqa: TID251 - real processes

from gnttwist.noded.spawned import SpawnedProcesses
from tests.noded.process_conformance import KNOWN, PYTHONPATH, TABLE, ProcessConformance


class SpawnedProcessesTests(ProcessConformance):
    """
    Processes of C{reactor.spawnProcess} do what all do.
    """

    def setUp(self) -> None:
        super().setUp()
        log = os.open(os.devnull, os.O_WRONLY)
        self.addCleanup(os.close, log)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": PYTHONPATH}
        self.processes = SpawnedProcesses(reactor, self.paths, environment, KNOWN, TABLE, log)


del ProcessConformance
