"""
OS definitions: directories of scripts on the node (reference: guest OS interface, section 9.1).
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from gnttwist.functions import arguments
from gnttwist.functions.registry import Context, FunctionError

SUPPORTED = frozenset({10, 15, 20})
WITH_VARIANTS = 15
WITH_PARAMETERS = 20
"""
Versions of the interface: those that exist, and from which on there are variants, and parameters with a verify
script.
"""

TEXT_LIMIT = 1 << 20
"""
Most bytes of a definition's text files; real ones have some hundred.
"""


class InvalidDefinition(FunctionError):
    """
    The directory is there and is not a usable definition; the text says why.
    """


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
    """

    name: str
    path: Path
    api_versions: tuple[int, ...]
    variants: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    create: Path | None = None
    trusted: bool = True

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
    versions = _versions(path)
    highest = max(versions)
    if not SUPPORTED.intersection(versions):
        raise InvalidDefinition(
            f"API version mismatch for path '{path}': it declares {_listed(versions)}, supported are "
            f"{_listed(SUPPORTED)}"
        )
    scripts = ["import", "export", "rename"] + (["verify"] if highest >= WITH_PARAMETERS else [])
    for script in scripts:
        _check_script(path / script)
    untrusted = (path / "create_untrusted").exists()
    if untrusted:
        _check_script(path / "create_untrusted")
    create = path / "create"
    if create.exists() or not untrusted:
        _check_script(create)
    return Definition(
        name=name,
        path=path,
        api_versions=versions,
        variants=_variants(path) if highest >= WITH_VARIANTS else (),
        parameters=_parameters(path) if highest >= WITH_PARAMETERS else (),
        create=create if create.exists() else None,
        trusted=not untrusted,
    )


def _versions(path: Path) -> tuple[int, ...]:
    file = path / "ganeti_api_version"
    lines = [line.strip() for line in _text(file).splitlines()]
    try:
        versions = tuple(int(line) for line in lines if line)
    except ValueError as reason:
        raise InvalidDefinition(f"Can't read API versions from {file}: {reason}") from reason
    if not versions:
        raise InvalidDefinition(f"{file} names no version")
    return versions


def _variants(path: Path) -> tuple[str, ...]:
    file = path / "variants.list"
    if not file.exists():
        return ()
    lines = (line.strip() for line in _text(file).splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _parameters(path: Path) -> tuple[tuple[str, str], ...]:
    lines = (line.split(None, 1) for line in _text(path / "parameters.list").splitlines())
    return tuple((line[0], line[1].strip() if len(line) > 1 else "") for line in lines if line)


def _text(file: Path) -> str:
    _check_regular(file)
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(TEXT_LIMIT)
    except (OSError, UnicodeDecodeError) as reason:
        raise InvalidDefinition(f"Can't read '{file}': {reason}") from reason


def _check_regular(file: Path) -> os.stat_result:
    try:
        found = file.stat()
    except OSError as reason:
        raise InvalidDefinition(
            f"File '{file.name}' under path '{file.parent}' is missing: {reason.strerror}"
        ) from reason
    if not stat.S_ISREG(found.st_mode):
        raise InvalidDefinition(f"File '{file.name}' under path '{file.parent}' is not a regular file")
    return found


def _check_script(file: Path) -> None:
    if not _check_regular(file).st_mode & stat.S_IXUSR:
        raise InvalidDefinition(f"File '{file.name}' under path '{file.parent}' is not executable")


def _listed(versions: frozenset[int] | tuple[int, ...]) -> str:
    return ", ".join(str(each) for each in sorted(versions))
