"""
Values as users write them: sizes with units, parameter dictionaries of text. Pure.

Each refusal says which parameter is wrong and what it can be.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from gnttwist.errors import ECode, OpPrereqError

_SIZE = re.compile(r"(?P<number>[0-9]{1,15}(\.[0-9]{1,6})?)\s*(?P<unit>[a-z]*)", re.IGNORECASE)
_UNITS = {"": 1, "m": 1, "mb": 1, "mib": 1, "g": 1 << 10, "gb": 1 << 10, "gib": 1 << 10}
_UNITS |= {"t": 1 << 20, "tb": 1 << 20, "tib": 1 << 20}

DEFAULT = "default"
"""
The value that means: as the cluster has it.
"""


def refuse(text: str, code: str = ECode.INVAL) -> OpPrereqError:
    """
    The error for an opcode that cannot be carried out.
    """
    return OpPrereqError(text, code)


def size(value: object, what: str) -> int:
    """
    A size in MiB: a whole number, or text such as C{1.5g}, which Ganeti rounds up to a multiple of 4.

    @raise OpPrereqError: It is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or found["unit"].lower() not in _UNITS:
        raise refuse(
            f"{what}: {value!r:.60} is not a size; write MiB as a number, or text such as 512m, 10g or 1.5t"
        )
    exact = float(found["number"]) * _UNITS[found["unit"].lower()]
    return -int(-exact // 4) * 4


def typed(
    given: Mapping[str, Any], known: Mapping[str, Any], what: str, *, sizes: Collection[str] = ()
) -> dict[str, Any]:
    """
    A parameter dictionary with each value in the type that its parameter has; those that are as the cluster has them
    left out.

    @param known: All parameters that there are, with a value of the right type.
    @param what: What the dictionary is, C{hvparams}.
    @param sizes: Those that are sizes in MiB.
    @raise OpPrereqError: A parameter is unknown, or its value is of another type.
    """
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise refuse(
            f"{what}: there is no {', '.join(unknown)}; there are {', '.join(sorted(known)) or 'none'}"
        )
    return {
        name: size(value, f"{what} {name}") if name in sizes else _typed(value, known[name], f"{what} {name}")
        for name, value in given.items()
        if value is not None and value != DEFAULT
    }


def reset(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """
    Those that are to be as in a new cluster: above the cluster there is nothing to inherit from.
    """
    return {
        name: defaults[name] for name, value in given.items() if name in defaults and value in (DEFAULT, None)
    }


def check_known(given: Iterable[str], known: Iterable[str], what: str) -> None:
    """
    @raise OpPrereqError: Something is not among what there is, or nothing is given.
    """
    found = list(given)
    unknown = sorted(set(found) - set(known))
    if unknown or not found:
        raise refuse(
            f"{what}: {', '.join(unknown) or 'none at all'} cannot be used; there are {', '.join(sorted(known))}"
        )


def _typed(value: object, like: object, what: str) -> Any:
    match like, value:
        case (bool(), bool()) | (str(), str()):
            return value
        case (bool(), str()) if value.lower() in ("true", "false"):
            return value.lower() == "true"
        case (bool(), _):
            raise refuse(f"{what}: {value!r:.60} is neither true nor false")
        case (int(), int()) if not isinstance(value, bool):
            return value
        case (int(), str()) if re.fullmatch(r"-?[0-9]{1,15}", value):
            return int(value)
        case (int(), _):
            raise refuse(f"{what}: {value!r:.60} is not a whole number")
        case (float(), int() | float()) if not isinstance(value, bool):
            return float(value)
        case (float(), _):
            raise refuse(f"{what}: {value!r:.60} is not a number")
        # A text parameter that is empty means that there is none; some programs send false for that.
        case (str(), False):
            return ""
    raise refuse(f"{what}: {value!r:.60} is not text")
