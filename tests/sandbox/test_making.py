"""
Tests for L{gnttwist.sandbox.making}.
"""

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.sandbox.making import os_definitions


class OsDefinitionTests(SynchronousTestCase):
    """
    Tests for L{os_definitions}.
    """

    def test_found(self) -> None:
        """
        The project's definitions are found, each with what makes it one.
        """
        found = {each.name: each for each in os_definitions()}
        self.assertEqual(set(found), {"noop", "tinylinux"})
        for each in found.values():
            self.assertTrue((each / "create").exists())
