"""
Reading options that hold several values: C{0:size=1g,mode=rw}, C{kvm:acpi=true}, C{memory=128m}.
"""

import re
from typing import Any

import click

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([mgt]?)(?:i?b)?", re.IGNORECASE)
_FACTORS = {"": 1, "m": 1, "g": 1024, "t": 1024 * 1024}


def size(text: str) -> int:
    """
    A size in MiB: C{512}, C{512m}, C{1.5g}, C{2T}.

    @raise click.BadParameter: It is none.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(f"{text!r} is not a size such as 512m or 2g")
    return round(float(found[1]) * _FACTORS[found[2].lower()])


def pairs(text: str) -> dict[str, Any]:
    """
    C{a=1,b,no_c} as names and values: without a value, true, and false with C{no_}.

    @raise click.BadParameter: A name is empty or comes twice.
    """
    found: dict[str, Any] = {}
    for each in text.split(",") if text else ():
        name, equals, value = each.partition("=")
        if not equals:
            name, given = (name[3:], "false") if name.startswith("no_") else (name, "true")
        else:
            given = value
        if not name or name in found:
            raise click.BadParameter(f"{text!r}: a name is {'given twice' if name else 'missing'}")
        found[name] = given
    return found


def typed(values: dict[str, Any]) -> dict[str, Any]:
    """
    Texts that mean a truth value or a whole number become one.
    """
    words = {"true": True, "yes": True, "false": False, "no": False, "none": None}
    return {
        name: words.get(value.lower(), int(value) if value.isascii() and value.isdigit() else value)
        if isinstance(value, str)
        else value
        for name, value in values.items()
    }


def hypervisor(text: str) -> tuple[str, dict[str, Any]]:
    """
    C{kvm:acpi=false,...} as the hypervisor's name and its parameters.
    """
    name, _, rest = text.partition(":")
    return name, typed(pairs(rest))


def backend(text: str) -> dict[str, Any]:
    """
    Backend parameters; sizes in MiB or C{default}, and C{memory} is both C{minmem} and C{maxmem}.
    """
    found = pairs(text)
    for name in ("memory", "minmem", "maxmem"):
        if name in found and found[name] != "default":
            found[name] = size(found[name])
    memory = found.pop("memory", None)
    if memory is not None:
        found = {"minmem": memory, "maxmem": memory, **found}
    return typed(found)


def numbered(texts: tuple[str, ...], what: str) -> list[dict[str, Any]]:
    """
    C{0:a=1} C{1:a=2} as a list, in order of the numbers.

    @raise click.BadParameter: The numbers are not 0, 1, 2, ...
    """
    found: dict[int, dict[str, Any]] = {}
    for each in texts:
        number, _, rest = each.partition(":")
        if not number.isascii() or not number.isdigit() or int(number) in found:
            raise click.BadParameter(f"--{what} {each}: begin with a number of its own, as in 0:...")
        found[int(number)] = pairs(rest)
    if sorted(found) != list(range(len(found))):
        raise click.BadParameter(f"--{what}: number them 0, 1, 2, ... without gaps")
    return [found[number] for number in sorted(found)]


def sized(members: dict[str, Any]) -> dict[str, Any]:
    """
    A disk's members, its size in MiB.
    """
    return {**members, "size": size(members["size"])} if "size" in members else members


ACTIONS = frozenset({"add", "attach", "detach", "modify", "remove"})
"""
What can be done to one disk or network interface.
"""


def item_change(text: str, what: str) -> list[Any]:
    """
    C{add:size=1g}, C{2:add,size=1g}, C{0:mode=ro}, C{data:remove} as action, which one, and members.

    @raise click.BadParameter: It is none of these.
    """
    which, _, rest = text.partition(":")
    found = sorted(ACTIONS.intersection(pairs(rest)))
    if which in ACTIONS - {"modify"}:
        found, which = [which, *found], "-1"
    if not which or len(found) > 1:
        raise click.BadParameter(
            f"--{what} {text}: say one thing to do and which, as in add:..., 0:remove or 1:name=value"
        )
    action = found[0] if found else "modify"
    given = {name: value for name, value in pairs(rest).items() if name != action}
    if action in ("remove", "detach") and given:
        raise click.BadParameter(f"--{what} {text}: nothing else can be said of what is {action}d")
    number = int(which) if which.lstrip("-").isdigit() and which.isascii() else which
    return [action, number, given]
