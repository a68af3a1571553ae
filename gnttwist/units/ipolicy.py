"""
Changing instance policies: the cluster's, which is whole, and groups', which have what differs. Pure.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from gnttwist.config.defaults import DISK_PARAMETERS, INSTANCE_POLICY
from gnttwist.config.parameters import fill, group_ipolicy
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import NodeGroup, Parameters
from gnttwist.units.policy import specification, violations
from gnttwist.units.values import DEFAULT, refuse, typed

RATIOS = ("vcpu-ratio", "spindle-ratio")
_SPECIFICATION = INSTANCE_POLICY["std"]
_SIZES = frozenset({"memory-size", "disk-size"})


def changed(policy: Mapping[str, Any], given: Mapping[str, Any], *, of_group: bool) -> Parameters:
    """
    A policy with new values.

    @param given: Values by the policy's words; C{default} or nothing takes a group's own value away.
    @param of_group: Whether it is a group's, which can lack what it inherits.
    @raise OpPrereqError: A word or value is wrong, or the cluster's would not be whole.
    """
    result = fill(policy)
    for name, value in given.items():
        if name not in (*INSTANCE_POLICY, "disk-templates"):
            raise refuse(
                f"ipolicy: there is no {name}; there are {', '.join([*INSTANCE_POLICY, 'disk-templates'])}"
            )
        if not value or value in (DEFAULT, [DEFAULT]):
            if not of_group:
                raise refuse(f"ipolicy: the cluster's {name} cannot be taken away")
            result.pop(name, None)
        elif name == "minmax":
            result[name] = [_limits(each) for each in _list(name, value)]
        elif name == "std":
            if of_group:
                raise refuse("ipolicy: std is the cluster's alone")
            result[name] = {**result.get(name, {}), **_specification(value, "std")}
        elif name == "disk-templates":
            result[name] = [_template(each) for each in _list(name, value)]
        else:
            result[name] = _ratio(name, value)
    return result


def check(whole: Mapping[str, Any], enabled_templates: Collection[str], *, of_group: bool) -> None:
    """
    Whether a policy makes sense: with what it inherits filled in.

    @param of_group: The standard instance is the cluster's, and need not be allowed in a group.
    @raise OpPrereqError: It allows nothing, or its standard instance is not allowed.
    """
    standard = whole.get("std", {})
    for index, limits in enumerate(whole.get("minmax", [])):
        least, most = limits["min"], limits["max"]
        for name in _SPECIFICATION:
            if least[name] > most[name]:
                raise refuse(
                    f"ipolicy: of minmax {index} the smallest {name} {least[name]} is more than {most[name]}"
                )
    fits = any(
        all(each["min"][name] <= standard[name] <= each["max"][name] for name in standard)
        for each in whole.get("minmax", [])
    )
    if not (fits or of_group):
        raise refuse("ipolicy: the standard instance (std) is in none of the ranges (minmax)")
    allowed = whole.get("disk-templates", [])
    missing = sorted(set(allowed) - set(enabled_templates))
    if missing:
        raise refuse(
            f"ipolicy: disk templates {', '.join(missing)} are allowed and not enabled; enabled are "
            f"{', '.join(enabled_templates)}"
        )


def newly_violating(before: Snapshot, after: Snapshot, groups: Iterable[NodeGroup]) -> list[str]:
    """
    Names of the groups' instances that were as their policies want before a change, and are not after it.
    """
    found = []
    for group in groups:
        old, new = group_ipolicy(before, group), group_ipolicy(after, after.groups[group.uuid])
        for node in before.nodes:
            if node.group != group.uuid:
                continue
            for each in before.instances_on(node):
                wanted = specification(before, each)
                if violations(new, wanted) and not violations(old, wanted):
                    found.append(each.name)
    return sorted(found)


def _limits(value: Any) -> Parameters:
    if not isinstance(value, Mapping) or set(value) != {"min", "max"}:
        raise refuse("ipolicy: each of minmax has min and max")
    found = {name: _specification(value[name], name) for name in ("min", "max")}
    for name, each in found.items():
        if missing := sorted(set(_SPECIFICATION) - set(each)):
            raise refuse(f"ipolicy: {name} lacks {', '.join(missing)}")
    return found


def _specification(value: Any, what: str) -> Parameters:
    if not isinstance(value, Mapping):
        raise refuse(f"ipolicy: {what} is no dictionary of {', '.join(_SPECIFICATION)}")
    found = typed(value, _SPECIFICATION, f"ipolicy {what}", sizes=_SIZES)
    if negative := sorted(name for name, each in found.items() if each < 0):
        raise refuse(f"ipolicy {what}: {', '.join(negative)} cannot be negative")
    return found


def _list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise refuse(f"ipolicy: {name} is a list")
    return value


def _template(value: Any) -> str:
    if value not in DISK_PARAMETERS:
        raise refuse(
            f"ipolicy: {value!r:.40} is no disk template; there are {', '.join(sorted(DISK_PARAMETERS))}"
        )
    return str(value)


def _ratio(name: str, value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError) as reason:
        raise refuse(f"ipolicy: {name} {value!r:.40} is not a number") from reason
    if not 0 < found < float("inf"):
        raise refuse(f"ipolicy: {name} {value} is not more than zero")
    return found
