"""
The layers of docs/architecture.md: imports flow one way.
"""

import ast
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from twisted.trial.unittest import SynchronousTestCase

BASE = {"errors", "paths", "privileges", "model"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "paths": {"errors"},
    "privileges": {"errors", "paths"},
    "model": {"errors"},
    "wire": BASE,
    "net": BASE | {"wire"},
    "client": BASE | {"wire", "net", "jobs.calls"},
    "store": BASE,
    "config": BASE | {"wire", "net", "store"},
    "jobs": BASE | {"wire", "store", "config"},
    "query": BASE | {"wire", "store", "config", "jobs"},
    "units": {
        "errors",
        "model",
        "wire",
        "config.snapshot",
        "config.draft",
        "config.defaults",
        "config.parameters",
        "jobs.context",
        "jobs.limits",
    },
    # Within functions: the launcher, from which they are forked, must stay small.
    "functions": BASE | {"wire", "net.certificates"},
    "launcher": BASE | {"wire", "functions"},
    "noded": BASE | {"wire", "net", "launcher.protocol", "launcher.spool", "launcher.tree"},
    "confd": BASE | {"wire", "net", "config"},
    "rapi": BASE | {"wire", "net", "client"},
    "masterd": BASE | {"wire", "net", "client", "store", "config", "jobs", "query", "units"},
    "all": {
        "paths",
        "privileges",
        "noded.service",
        "noded.options",
        "confd.service",
        "masterd.service",
        "rapi.service",
    },
    "testing": BASE | {"wire", "net", "client", "store", "config", "jobs", "noded", "launcher"},
    "joining": BASE | {"wire", "net", "config"},
    "sandbox": BASE | {"wire", "net", "client", "store", "config"},
    "watcher": BASE | {"wire", "client"},
    "cli": BASE
    | {"wire", "net", "client", "store", "config", "sandbox", "watcher", "joining", "functions.leaving"},
}
NO_OUTSIDE_WORLD = {
    "model": {"twisted", "time", "os", "socket", "random", "threading"},
    "wire": {"twisted", "time", "os", "socket", "random", "threading"},
    "units": {"twisted", "time", "os", "socket", "datetime", "uuid", "secrets", "threading", "subprocess"},
    "launcher": {"twisted"},
    "functions": {"twisted"},
}


def modules(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    """
    Every module below C{folder}: its dotted name without C{gnttwist.}, and its text.
    """
    for each in folder.iterdir():
        if each.is_dir():
            yield from modules(each, f"{prefix}{each.name}.")
        elif each.name.endswith(".py"):
            yield f"{prefix}{each.name[:-3]}", each.read_text()


def imported(text: str) -> Iterator[str]:
    """
    Every module that C{text} imports, in full.
    """
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def covers(allowed: set[str], name: str) -> bool:
    """
    Whether C{name} is one of the allowed packages, or within one.
    """
    return any(name == each or name.startswith(each + ".") for each in allowed)


class ImportTests(SynchronousTestCase):
    """
    Tests for the direction of imports.
    """

    def test_layers(self) -> None:
        """
        No module imports from a package that its own may not use.
        """
        seen = 0
        wrong = []
        for name, text in modules(files("gnttwist")):
            package = name.split(".")[0]
            if package == "__init__":
                continue
            allowed = ALLOWED[package] | {package}
            for each in imported(text):
                if each.startswith("gnttwist."):
                    seen += 1
                    if not covers(allowed, each.removeprefix("gnttwist.")):
                        wrong.append(f"{name} imports {each}")
        self.assertGreater(seen, 20)
        self.assertEqual(wrong, [])

    def test_pure_packages(self) -> None:
        """
        Packages without I/O import nothing that does any.
        """
        wrong = [
            f"{name} imports {each}"
            for name, text in modules(files("gnttwist"))
            for each in imported(text)
            if each.split(".")[0] in NO_OUTSIDE_WORLD.get(name.split(".")[0], set())
        ]
        self.assertEqual(wrong, [])
