"""
Tests for L{gnttwist.privileges.page} and L{gnttwist.privileges.daemons}.
"""

from importlib.resources import files
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.privileges.daemons import DAEMONS, may
from gnttwist.privileges.page import render
from gnttwist.privileges.rules import RULES


class PageTests(SynchronousTestCase):
    """
    Tests for the documentation's tables.
    """

    def test_current(self) -> None:
        """
        The page is what the tables give: C{python -m gnttwist.privileges.page > docs/privileges.md}.
        """
        page = Path(str(files("gnttwist"))).parent / "docs/privileges.md"
        self.assertEqual(page.read_text(), render())

    def test_secrets(self) -> None:
        """
        The store is masterd's alone, confd sees its key and the configuration, and nobody else's logs are written.
        """
        rights = {
            (rule.below, rule.files): {
                role: may(role, rule) for role in ("masterd", "confd", "rapi", "noded")
            }
            for rule in RULES
        }
        nobody = {"confd": "", "rapi": "", "noded": ""}
        self.assertEqual(rights["", "store.sqlite*"], {"masterd": "rw", **nobody})
        self.assertEqual(rights["", "config.data"], {**nobody, "masterd": "rw", "confd": "r"})
        self.assertEqual(rights["rapi", "users"]["confd"], "")
        self.assertEqual(rights["noded/spool", None]["confd"], "")

    def test_root(self) -> None:
        """
        Only the launcher is root, and it listens on no network.
        """
        self.assertEqual(
            [(each.name, each.ports) for each in DAEMONS if each.privileged], [("gnt-launcher", ())]
        )
