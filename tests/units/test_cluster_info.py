"""
Tests for L{gnttwist.units.cluster_info}.
"""

import json
from importlib.resources import files

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.units.cluster_info import VCS_VERSION, cluster_info, config_value
from tests.query.sources import recorded_config

RECORDED = json.loads(files("tests.golden").joinpath("cluster-info-3.0.2.json").read_text())


class ClusterInfoTests(SynchronousTestCase):
    """
    Tests for L{cluster_info} and L{config_value}, with the configuration that Ganeti's own answer was recorded from.
    """

    def setUp(self) -> None:
        self.config = recorded_config()

    def test_as_recorded(self) -> None:
        """
        The answer is Ganeti's own, member by member, but for who made the software.
        """
        self.maxDiff = None
        self.assertEqual({**cluster_info(self.config), "vcs_version": ""}, {**RECORDED, "vcs_version": ""})
        self.assertEqual(cluster_info(self.config)["vcs_version"], VCS_VERSION)

    def test_values(self) -> None:
        """
        Single values are as recorded; an unknown one is null.
        """
        names = ["cluster_name", "master_node", "drain_flag", "watcher_pause", "ssh_key_type", "nosuch"]
        self.assertEqual(
            [config_value(self.config, False, None, name) for name in names],
            ["cluster.example.com", "node1.example.com", False, None, "rsa", None],
        )
