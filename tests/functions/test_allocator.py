"""
Tests for L{gnttwist.functions.allocator}.
"""

from typing import Any

from gnttwist.functions.allocator import iallocator_runner
from gnttwist.functions.registry import FunctionError
from tests.functions.context import NodeTestCase


class AllocatorTests(NodeTestCase):
    """
    Tests for L{iallocator_runner}.
    """

    def program(self, text: str, name: str = "dice", mode: int = 0o755) -> None:
        """
        Put an allocator where they are looked for.
        """
        path = self.context.paths.iallocator_directories[0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(mode)

    def test_runs(self) -> None:
        """
        It gets the document as a file, and its options; what it prints is the answer, without its complaints.
        """
        self.program('cat "$1"; shift; echo " $@"; echo careful >&2')
        found = iallocator_runner(self.context, "dice", "{ä}", {"fast": None, "depth": "2"})
        self.assertEqual(found, "{ä} --fast --depth=2\n")

    def test_fails(self) -> None:
        """
        One that fails, is not there, may not run or is named like a path is an error in words.
        """
        self.program("echo out of luck >&2; exit 3")
        self.program("true", "paper", 0o644)
        for name, text in (
            ("dice", "status 3; output: out of luck"),
            ("coin", "no allocator coin in"),
            ("paper", "is not executable"),
            ("../dice", "../dice"),
            ("", ""),
        ):
            error = self.assertRaises(FunctionError, iallocator_runner, self.context, name, "{}", {})
            self.assertIn(text, str(error))

    def test_hostile(self) -> None:
        """
        Options cannot be anything else, and answers have a limit.
        """
        given: tuple[Any, ...] = ({"a b": None}, {"-x": "1"}, {"fast": "1\0"}, [], {"fast": 7})
        for options in given:
            self.assertRaises(FunctionError, iallocator_runner, self.context, "dice", "{}", options)
        self.program("exec head -c 20000000 /dev/zero")
        error = self.assertRaises(FunctionError, iallocator_runner, self.context, "dice", "{}", {})
        self.assertIn("prints more than", str(error))
