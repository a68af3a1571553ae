"""
The parameters that an instance has of its own, as users give them. Pure.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from gnttwist.config.defaults import (
    BACKEND_PARAMETERS,
    GLOBAL_HYPERVISOR_PARAMETERS,
    known_hypervisor_parameters,
)
from gnttwist.config.parameters import fill
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import Parameters
from gnttwist.units.values import DEFAULT, refuse, typed

_MEMORY = frozenset({"minmem", "maxmem"})


def hvparams(hypervisor: str, given: Mapping[str, Any]) -> Parameters:
    """
    Hypervisor parameters.

    @raise OpPrereqError: One does not exist, is of another type, or is the cluster's alone.
    """
    everywhere = sorted(GLOBAL_HYPERVISOR_PARAMETERS & set(given))
    if everywhere:
        raise refuse(f"hvparams: {', '.join(everywhere)} can be set for the whole cluster only")
    return typed(given, known_hypervisor_parameters(hypervisor), "hvparams")


def beparams(config: Snapshot, given: Mapping[str, Any]) -> Parameters:
    """
    Backend parameters; memory sizes in MiB or as text.

    @raise OpPrereqError: One does not exist or is of another type, or with the cluster's they make no sense.
    """
    own = typed(with_memory(given), BACKEND_PARAMETERS, "beparams", sizes=_MEMORY)
    filled = fill(config.cluster.beparams.get("default", {}), own)
    for name in ("minmem", "maxmem", "vcpus"):
        if filled.get(name, 1) < 1:
            raise refuse(f"beparams {name}: {filled[name]} is not more than zero")
    if filled.get("minmem", 0) > filled.get("maxmem", 0):
        raise refuse(
            f"beparams: minmem ({filled['minmem']} MiB) is more than maxmem ({filled['maxmem']} MiB)"
        )
    return own


def with_memory(given: Mapping[str, Any]) -> Parameters:
    """
    Backend parameters with C{memory}, Ganeti's older name for both, as C{minmem} and C{maxmem}.
    """
    wanted = dict(given)
    if "memory" not in wanted:
        return wanted
    memory = wanted.pop("memory")
    return {"minmem": memory, "maxmem": memory, **wanted}


def osparams(given: Mapping[str, Any], what: str) -> Parameters:
    """
    OS parameters: names and text; scripts see them as environment variables, where a line is a line.

    @param what: Which of the dictionaries of OS parameters it is. Values are not told: they may be secret.
    @raise OpPrereqError: A name or a value cannot be an environment variable's.
    """
    for name, value in given.items():
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", name):
            raise refuse(f"{what}: {name!r:.60} is not a parameter name: letters, digits, '-' and '_'")
        if isinstance(value, str) and ("\n" in value or "\0" in value):
            raise refuse(f"{what} {name}: the value has a line break or a null character in it")
        if isinstance(value, list | dict):
            raise refuse(f"{what} {name}: the value is not text")
    return {name: value if isinstance(value, str) else str(value) for name, value in given.items()}


def updated(
    own: Mapping[str, Any], given: Mapping[str, Any], check: Callable[[Mapping[str, Any]], Parameters]
) -> Parameters:
    """
    Own parameters after a change: those that are given as C{default} or null are inherited again.

    @param check: Checks the others, and gives them their types.
    @raise OpPrereqError: C{check} does.
    """
    inherited = {name for name, value in given.items() if value is None or value == DEFAULT}
    kept = {name: value for name, value in own.items() if name not in inherited}
    return {**kept, **check({name: value for name, value in given.items() if name not in inherited})}


def unlike(own: Mapping[str, Any], inherited: Mapping[str, Any]) -> Parameters:
    """
    Those parameters whose values are not as inherited ones.
    """
    return {name: value for name, value in own.items() if name not in inherited or inherited[name] != value}
