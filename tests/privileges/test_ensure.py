"""
Tests for L{gnttwist.privileges.ensure}.
"""

import os
import tempfile
from pathlib import Path
from shutil import rmtree

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.paths import Paths
from gnttwist.privileges.accounts import GROUPS, USERS, Accounts
from gnttwist.privileges.ensure import ensure
from gnttwist.privileges.rules import RULES

ALONE = Accounts("this is a test")


class EnsureTests(SynchronousTestCase):
    """
    Tests for L{ensure}.
    """

    def setUp(self) -> None:
        top = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(rmtree, top)
        self.paths = Paths(top / "node1", "node1")
        for each in (self.paths.data, self.paths.run, self.paths.log, self.paths.etc):
            each.mkdir(parents=True)

    def test_makes(self) -> None:
        """
        Missing directories are made with their modes; a second look finds nothing.
        """
        ensure(self.paths, ALONE, repair=True)
        self.assertEqual((self.paths.run / "socket").stat().st_mode & 0o7777, 0o700)
        self.assertEqual(ensure(self.paths, ALONE, repair=False), [])

    def test_check(self) -> None:
        """
        A mere check tells of differences and changes nothing.
        """
        self.paths.hmac_key.touch(mode=0o666)
        self.paths.hmac_key.chmod(0o666)
        found = {each.path: each for each in ensure(self.paths, ALONE, repair=False)}
        self.assertEqual(found[self.paths.hmac_key].wrong, "has mode 0666, not 0440")
        self.assertEqual(found[self.paths.run / "socket"].wrong, "is missing")
        self.assertFalse(any(each.repaired for each in found.values()))
        self.assertEqual(self.paths.hmac_key.stat().st_mode & 0o777, 0o666)
        self.assertFalse((self.paths.run / "socket").exists())

    def test_repairs_modes(self) -> None:
        """
        A mode is set right; one that is narrower than needed stays where one user runs everything.
        """
        self.paths.server_pem.touch(mode=0o666)
        self.paths.server_pem.chmod(0o666)
        self.paths.client_pem.touch(mode=0o400)
        found = ensure(self.paths, ALONE, repair=True)
        self.assertTrue(all(each.repaired for each in found))
        self.assertEqual(self.paths.server_pem.stat().st_mode & 0o777, 0o440)
        self.assertEqual(self.paths.client_pem.stat().st_mode & 0o777, 0o400)

    def test_symbolic_link(self) -> None:
        """
        A symbolic link in a file's or a directory's place is reported, and what it means is not touched.
        """
        victim = self.paths.etc / "shadow"
        victim.touch(mode=0o600)
        self.paths.hmac_key.symlink_to(victim)
        elsewhere = self.paths.etc / "elsewhere"
        elsewhere.mkdir(mode=0o700)
        (self.paths.data / "noded").symlink_to(elsewhere)
        found = {each.path: each for each in ensure(self.paths, ALONE, repair=True)}
        self.assertEqual(found[self.paths.hmac_key].wrong, "is not a plain file")
        self.assertFalse(found[self.paths.data / "noded"].repaired)
        self.assertFalse(found[self.paths.spool].repaired)
        self.assertEqual(list(elsewhere.iterdir()), [])
        self.assertEqual(victim.stat().st_mode & 0o777, 0o600)
        self.assertEqual(elsewhere.stat().st_mode & 0o777, 0o700)

    def test_several_names(self) -> None:
        """
        A file that has another name, which may be somebody else's, is reported and not touched.
        """
        victim = self.paths.etc / "shadow"
        victim.touch(mode=0o600)
        os.link(victim, self.paths.hmac_key)
        found = {each.path: each for each in ensure(self.paths, ALONE, repair=True)}
        self.assertFalse(found[self.paths.hmac_key].repaired)
        self.assertIn("2 names", found[self.paths.hmac_key].wrong)
        self.assertEqual(victim.stat().st_mode & 0o777, 0o600)

    def test_no_plain_file(self) -> None:
        """
        A FIFO in a file's place is reported, and nobody waits for it.
        """
        os.mkfifo(self.paths.server_pem)
        found = {each.path: each for each in ensure(self.paths, ALONE, repair=True)}
        self.assertEqual(found[self.paths.server_pem].wrong, "is not a plain file")

    def test_owners(self) -> None:
        """
        As root, files are given to their roles; what two daemons replace may be either's.
        """
        if os.geteuid() != 0:
            self.skipTest("only root can give files away")
        roles = {role: 70000 + position for position, role in enumerate(GROUPS)}
        accounts = Accounts(None, {role: roles[role] for role in USERS}, roles)
        for name in ("hmac.key", "ssconf_node_list", "ssconf_master_node"):
            (self.paths.data / name).touch(mode=0o444)
        os.chown(self.paths.ssconf("node_list"), roles["masterd"], roles["masterd"])
        ensure(self.paths, accounts, repair=True)
        hmac = self.paths.hmac_key.stat()
        self.assertEqual((hmac.st_uid, hmac.st_gid), (roles["confd"], roles["masterd"]))
        self.assertEqual(self.paths.ssconf("node_list").stat().st_uid, roles["masterd"])
        self.assertEqual(self.paths.ssconf("master_node").stat().st_uid, 0)
        self.assertEqual((self.paths.data / "noded").stat().st_mode & 0o7777, 0o1770)
        self.assertEqual(ensure(self.paths, accounts, repair=False), [])

    def test_without_rights(self) -> None:
        """
        What cannot be changed is reported with the reason, and the rest goes on.
        """
        if os.geteuid() == 0:
            self.skipTest("root may change everything")
        others = Accounts(None, dict.fromkeys(USERS, 70000), dict.fromkeys(GROUPS, 70000))
        found = ensure(self.paths, others, repair=True)
        self.assertTrue(any("cannot be changed" in each.wrong for each in found))


class RuleTests(SynchronousTestCase):
    """
    Tests for L{RULES}.
    """

    def test_roles(self) -> None:
        """
        Every owner and group is a role or root, and no file may be written by everybody.
        """
        for rule in RULES:
            self.assertIn(rule.owner, (*USERS, "root"))
            self.assertIn(rule.group, (*GROUPS, "root"))
            if not rule.virtual:
                self.assertFalse(rule.mode & 0o002, rule)

    def test_secrets(self) -> None:
        """
        Nobody but its owner and its group reads what is secret.
        """
        names = ("server.pem", "client.pem", "hmac.key", "cluster-domain-secret", "config.data", "rapi.pem")
        secrets = [rule for rule in RULES if rule.files in names]
        self.assertEqual(len(secrets), len(names))
        for rule in secrets:
            self.assertFalse(rule.mode & 0o007, rule)
