"""
A definition's text files: bounded, checked line by line, so that nothing hostile gets further than a message.
"""

import os
import re
import stat
from pathlib import Path

from gnttwist.functions.registry import FunctionError

TEXT_LIMIT = 256 << 10
"""
Most bytes of a definition's text file; real ones have some hundred.
"""

ENTRIES_LIMIT = 1000
"""
Most variants or parameters of a definition; every one of them is sent with every diagnosis.
"""

VERSION_LIMIT = 200
"""
Most characters of C{os_version}.
"""

RESERVED_PARAMETERS = frozenset({"os-image", "os-install-package"})
"""
Names that mean something to the control plane itself (reference: guest OS interface, section 9.3), so that a
definition cannot have them.
"""

# A variant is part of the OS's full name, and thus of log files' names and of lists with commas.
_VARIANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
# Upper-cased and with an underscore for each hyphen it is part of an environment variable's name.
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


class InvalidDefinition(FunctionError):
    """
    The directory is there and is not a usable definition; the text says why.
    """


def versions(file: Path) -> tuple[int, ...]:
    """
    The interface versions that C{ganeti_api_version} declares, one a line.

    @raise InvalidDefinition: There is none, or something else.
    """
    found = []
    for number, line in _lines(file):
        # Python would take digits of other scripts, and numbers of any length.
        if not re.fullmatch("[0-9]{1,6}", line):
            raise InvalidDefinition(f"Can't read API versions from {file}: line {number}: {_shown(line)}")
        found.append(int(line))
    if not found:
        raise InvalidDefinition(f"{file} names no version")
    return tuple(found)


def variants(file: Path) -> tuple[str, ...]:
    """
    The names in C{variants.list}, one a line; blank lines and those that begin with C{#} do not count.

    @raise InvalidDefinition: A name is ill-formed or comes twice.
    """
    # Debian's debootstrap links it to a configuration file, which need not be there.
    if not file.exists():
        return ()
    found: dict[str, int] = {}
    for number, line in _lines(file):
        if line.startswith("#"):
            continue
        if not _VARIANT.fullmatch(line):
            raise InvalidDefinition(
                f"Line {number} of '{file}' is no variant's name (letters, digits, '.', '_', '-'): {_shown(line)}"
            )
        if line in found:
            raise InvalidDefinition(
                f"Lines {found[line]} and {number} of '{file}' name the same variant {line}"
            )
        found[line] = number
    return tuple(found)


def parameters(file: Path) -> tuple[tuple[str, str], ...]:
    """
    Names and descriptions in C{parameters.list}: one a line, the name ended by blanks.

    @raise InvalidDefinition: A name is ill-formed, reserved, or the same as another one as scripts are given it.
    """
    found: dict[str, tuple[int, str, str]] = {}
    for number, line in _lines(file):
        name, *rest = line.split(None, 1)
        if not _PARAMETER.fullmatch(name):
            raise InvalidDefinition(
                f"Line {number} of '{file}' begins with no parameter's name (letters, digits, '_', '-'): "
                f"{_shown(name)}"
            )
        if name.lower() in RESERVED_PARAMETERS:
            raise InvalidDefinition(f"Line {number} of '{file}': the parameter name {name} is reserved")
        variable = variable_of(name)
        if variable in found:
            other, first, _ = found[variable]
            raise InvalidDefinition(
                f"Lines {other} and {number} of '{file}': parameters {first} and {name} are the same to scripts "
                f"({variable})"
            )
        found[variable] = (number, name, rest[0] if rest else "")
    return tuple((name, description) for _, name, description in found.values())


def variable_of(parameter: str) -> str:
    """
    The environment variable that scripts find a parameter in.
    """
    return f"OSP_{parameter.upper().replace('-', '_')}"


def os_version(file: Path) -> str | None:
    """
    The text of C{os_version}, without blanks around it; C{None} where there is no such file.

    @raise InvalidDefinition: It is empty, long or of several lines.
    """
    if not file.exists():
        return None
    found = [line for _, line in _lines(file)]
    if len(found) != 1 or len(found[0]) > VERSION_LIMIT:
        raise InvalidDefinition(f"'{file}' is not one line of at most {VERSION_LIMIT} characters")
    return found[0]


def check_script(file: Path) -> None:
    """
    @raise InvalidDefinition: It is no executable file, or empty.
    """
    found = _regular(file)
    if not found.st_mode & stat.S_IXUSR:
        raise InvalidDefinition(f"File '{file.name}' under path '{file.parent}' is not executable")
    if not found.st_size:
        raise InvalidDefinition(f"File '{file.name}' under path '{file.parent}' is empty")
    if not os.access(file, os.R_OK | os.X_OK):
        raise InvalidDefinition(f"File '{file.name}' under path '{file.parent}' cannot be read and run")


def _lines(file: Path) -> list[tuple[int, str]]:
    """
    The lines that are not blank, with their numbers from 1.
    """
    # Devices and pipes, which have no end, are not opened.
    _regular(file)
    try:
        with file.open("rb") as opened:
            raw = opened.read(TEXT_LIMIT + 1)
    except OSError as reason:
        raise InvalidDefinition(f"Can't read '{file}': {reason.strerror}") from reason
    if len(raw) > TEXT_LIMIT:
        raise InvalidDefinition(f"'{file}' is larger than {TEXT_LIMIT >> 10} KiB")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as reason:
        raise InvalidDefinition(f"Can't read '{file}': it is not UTF-8 text") from reason
    stripped = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]
    found = [(number, line) for number, line in stripped if line]
    for number, line in found:
        if not all(each.isprintable() or each == "\t" for each in line):
            raise InvalidDefinition(f"Line {number} of '{file}' has control characters")
    if len(found) > ENTRIES_LIMIT:
        raise InvalidDefinition(f"'{file}' has more than {ENTRIES_LIMIT} lines")
    return found


def _regular(file: Path) -> os.stat_result:
    try:
        found = file.stat()
    except OSError as reason:
        raise InvalidDefinition(
            f"File '{file.name}' under path '{file.parent}' is missing: {reason.strerror}"
        ) from reason
    if not stat.S_ISREG(found.st_mode):
        raise InvalidDefinition(f"File '{file.name}' under path '{file.parent}' is not a regular file")
    return found


def _shown(text: str) -> str:
    return repr(text[:60])
