"""
Tests for L{gnttwist.paths}.
"""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.paths import BadRoot, Paths

ROOT = Paths(Path("/srv/lab/node1.example.com"), "node1.example.com")


class FromRootTests(SynchronousTestCase):
    """
    Tests for L{Paths.from_root}.
    """

    def test_option(self) -> None:
        """
        A given root names the node by its last component, whatever the environment says.
        """
        found = Paths.from_root(
            "/srv/lab/node1.example.com/", {"GANETI_HOSTNAME": "other", "GANETI_ROOTDIR": "/x/other"}
        )
        self.assertEqual(found, ROOT)

    def test_environment(self) -> None:
        """
        Ganeti's two variables do the same.
        """
        environ = {"GANETI_ROOTDIR": "/srv/lab/node1.example.com", "GANETI_HOSTNAME": "node1.example.com"}
        self.assertEqual(Paths.from_root(None, environ), ROOT)

    def test_mismatch(self) -> None:
        """
        A root that does not end in the host name is refused, naming both.
        """
        environ = {"GANETI_ROOTDIR": "/srv/lab/node1", "GANETI_HOSTNAME": "node2"}
        error = self.assertRaises(BadRoot, Paths.from_root, None, environ)
        self.assertIn("/srv/lab/node1", str(error))
        self.assertIn("node2", str(error))

    def test_none(self) -> None:
        """
        Without a root, the paths are the system's own.
        """
        found = Paths.from_root(None, {"GANETI_HOSTNAME": "here.example.com"})
        self.assertEqual(found.config_export, Path("/var/lib/ganeti/config.data"))


class TranslationTests(SynchronousTestCase):
    """
    Tests for L{Paths.real} and L{Paths.canonical}.
    """

    def test_round_trip(self) -> None:
        """
        A canonical path comes back from its real one.
        """
        real = ROOT.real("/srv/ganeti/file-storage/a")
        self.assertEqual(real, Path("/srv/lab/node1.example.com/srv/ganeti/file-storage/a"))
        self.assertEqual(ROOT.canonical(real), "/srv/ganeti/file-storage/a")

    def test_climbing(self) -> None:
        """
        Relative paths and paths that climb are refused.
        """
        for each in ("etc/passwd", "/srv/../../etc/passwd", ""):
            self.assertRaises(BadRoot, ROOT.real, each)

    def test_outside(self) -> None:
        """
        A path that is not below the root has no canonical form.
        """
        self.assertRaises(BadRoot, ROOT.canonical, "/srv/lab/node2.example.com/x")

    def test_ganeti_names(self) -> None:
        """
        Pid and log files have the names that Ganeti's tools look for.
        """
        self.assertEqual(ROOT.pid("gnt-noded").name, "ganeti-noded.pid")
        self.assertEqual(ROOT.pid("gnt-masterd").name, "ganeti-luxid.pid")
        self.assertEqual(ROOT.daemon_log("gnt-confd").name, "conf-daemon.log")
