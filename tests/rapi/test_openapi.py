"""
Tests for L{gnttwist.rapi.openapi} and L{gnttwist.rapi.page}.
"""

import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import gnttwist
from gnttwist.rapi.openapi import describe
from gnttwist.rapi.page import render
from gnttwist.rapi.table import ROUTES


def references(value: Any) -> set[str]:
    """
    Every reference in a description.
    """
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(references(each) for each in value))
    return set()


class DescriptionTests(SynchronousTestCase):
    """
    Tests for the description.
    """

    def setUp(self) -> None:
        """
        Make it, as clients read it.
        """
        self.description = json.loads(json.dumps(describe(ROUTES)))

    def test_complete(self) -> None:
        """
        Every route is an operation, with a name of its own.
        """
        operations = [each for path in self.description["paths"].values() for each in path.values()]
        self.assertEqual(len(operations), len(ROUTES))
        self.assertEqual(len({each["operationId"] for each in operations}), len(ROUTES))

    def test_references(self) -> None:
        """
        What is referred to is there.
        """
        there = {f"#/components/schemas/{each}" for each in self.description["components"]["schemas"]}
        self.assertEqual(references(self.description) - there, set())

    def test_bodies(self) -> None:
        """
        A body has its opcode's parameters, by the names that it has there, without those that are fixed.
        """
        paths = self.description["paths"]
        body = paths["/2/instances"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        self.assertIn("name", body["properties"])
        self.assertIn("os", body["properties"])
        self.assertIn("__version__", body["required"])
        self.assertEqual({"OP_ID", "dry_run", "os_type", "instance_name"} & body["properties"].keys(), set())


class PageTests(SynchronousTestCase):
    """
    Tests for the documentation.
    """

    def test_current(self) -> None:
        """
        The page is the one that is made from the table.
        """
        page = Path(gnttwist.__file__).parent.parent / "docs/rapi.md"
        self.assertEqual(page.read_text(), render())
