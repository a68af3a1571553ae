"""
OS definitions: directories of scripts on the node (reference: guest OS interface, section 9.1).
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from gnttwist.functions import arguments
from gnttwist.functions.osapi import lists
from gnttwist.functions.osapi.lists import InvalidDefinition
from gnttwist.functions.registry import Context, FunctionError

SUPPORTED = frozenset({10, 15, 20})
WITH_VARIANTS = 15
WITH_PARAMETERS = 20
"""
Versions of the interface: those that exist, and from which on there are variants, and parameters with a verify
script.
"""

# A plus separates the variant, and commas separate names in lists.
_DEFINITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


@frozen
class Definition:
    """
    A valid OS definition.

    @ivar path: Its directory on this machine.
    @ivar api_versions: What it declares.
    @ivar variants: Names; empty where it has none.
    @ivar parameters: Names and descriptions.
    @ivar create: The create script, or C{None} where there is only an untrusted one.
    @ivar trusted: Whether it has no script that asks to be run in a helper VM.
    @ivar os_version: The text of its C{os_version}: where two nodes' differ, an instance's data must not go from one
        to the other by its scripts.
    """

    name: str
    path: Path
    api_versions: tuple[int, ...]
    variants: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    create: Path | None = None
    trusted: bool = True
    os_version: str | None = None

    @property
    def api_version(self) -> int:
        """
        The version that is spoken with its scripts: the highest that both sides know.
        """
        return max(SUPPORTED.intersection(self.api_versions))

    def variant(self, full_name: str, *, force: bool = False) -> str:
        """
        The variant in C{NAME+VARIANT}; empty where the definition has none.

        @param force: Accept one that the definition does not list.
        @raise FunctionError: It is missing, unknown, or there are none.
        """
        _, plus, variant = full_name.partition("+")
        listed = ", ".join(self.variants)
        if not self.variants:
            if plus:
                raise FunctionError(f"OS '{self.name}' has no variants, so '{full_name}' is not one of them")
        elif not variant:
            raise FunctionError(f"OS '{self.name}' needs a variant; say {self.name}+ and one of {listed}")
        elif variant not in self.variants and not force:
            raise FunctionError(f"OS '{self.name}' has no variant '{variant}', only {listed}")
        return variant


def base_name(full_name: object) -> str:
    """
    The definition's name in C{NAME} or C{NAME+VARIANT}, safe as a file's name.
    """
    return arguments.name(full_name, "OS name").partition("+")[0]


def entries(context: Context) -> Iterator[tuple[str, Path]]:
    """
    All names and directories in search order; of a name that comes twice the first counts.
    """
    for directory in context.paths.os_directories:
        try:
            names = sorted(os.listdir(directory))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name in names:
            if not name.startswith(".") and (directory / name).is_dir():
                yield name, directory / name


def find(context: Context, full_name: object) -> Definition | None:
    """
    The definition of this name (with or without variant), if there is one.

    @raise InvalidDefinition: There is one that cannot be used.
    """
    name = base_name(full_name)
    for directory in context.paths.os_directories:
        if (directory / name).is_dir():
            return load(name, directory / name)
    return None


def require(context: Context, full_name: object) -> Definition:
    """
    The definition of this name.

    @raise FunctionError: There is none, or it cannot be used.
    """
    found = find(context, full_name)
    if found is None:
        looked = ", ".join(context.paths.canonical(each) for each in context.paths.os_directories)
        raise FunctionError(f"OS '{base_name(full_name)}' is not on this node; looked in {looked}")
    return found


def load(name: str, path: Path) -> Definition:
    """
    Read and check a definition.

    @raise InvalidDefinition: A file is missing or wrong, or no version is in common.
    """
    if not _DEFINITION.fullmatch(name):
        raise InvalidDefinition(
            f"'{printable(name)}' is no name for an OS: use letters, digits, '.', '_' and '-'"
        )
    versions = lists.versions(path / "ganeti_api_version")
    highest = max(versions)
    if not SUPPORTED.intersection(versions):
        raise InvalidDefinition(
            f"API version mismatch for path '{path}': it declares {_listed(versions)}, supported are "
            f"{_listed(SUPPORTED)}"
        )
    scripts = ["import", "export", "rename"] + (["verify"] if highest >= WITH_PARAMETERS else [])
    untrusted = (path / "create_untrusted").exists()
    if untrusted:
        scripts.append("create_untrusted")
    if create := (path / "create").exists() or not untrusted:
        scripts.append("create")
    if (path / "import_untrusted").exists():
        scripts.append("import_untrusted")
    for script in scripts:
        lists.check_script(path / script)
    return Definition(
        name=name,
        path=path,
        api_versions=versions,
        variants=lists.variants(path / "variants.list") if highest >= WITH_VARIANTS else (),
        parameters=lists.parameters(path / "parameters.list") if highest >= WITH_PARAMETERS else (),
        create=path / "create" if create else None,
        trusted=not untrusted,
        os_version=lists.os_version(path / "os_version") if highest >= WITH_PARAMETERS else None,
    )


def printable(name: str) -> str:
    """
    A file's name as text that can be shown and sent: names on disk can be any bytes.
    """
    return "".join(each if each.isprintable() else "?" for each in name)


def _listed(versions: frozenset[int] | tuple[int, ...]) -> str:
    return ", ".join(str(each) for each in sorted(versions))
