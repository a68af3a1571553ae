"""
What the cluster's guests inherit, as C{OP_CLUSTER_SET_PARAMS} changes it: parameters of hypervisors and of operating
systems. Pure.
"""

from collections.abc import Mapping
from typing import Any

from gnttwist.config.defaults import HYPERVISOR_PARAMETERS, known_hypervisor_parameters
from gnttwist.config.parameters import fill
from gnttwist.model.objects import Cluster, Parameters
from gnttwist.model.opcode_cluster_modify import OpClusterSetParams
from gnttwist.units.own_parameters import osparams
from gnttwist.units.values import DEFAULT, check_known, refuse, reset, typed

HYPERVISORS = frozenset({"fake", "kvm"})
"""
What this version can run.
"""


def hypervisors(
    cluster: Cluster, op: OpClusterSetParams
) -> tuple[dict[str, Parameters] | None, list[tuple[str, Parameters]]]:
    """
    The parameters of hypervisors, as the opcode changes them.

    @return: The new C{hvparams}, if there are any, and what of them to check on the nodes.
    """
    if op.enabled_hypervisors is not None:
        check_known(op.enabled_hypervisors, HYPERVISORS, "enabled_hypervisors")
    if op.hvparams is None and op.enabled_hypervisors is None:
        return None, []
    result = fill(cluster.hvparams)
    for hypervisor, given in (op.hvparams or {}).items():
        known = _parameters_of(hypervisor)
        result[hypervisor] = fill(
            HYPERVISOR_PARAMETERS[hypervisor],
            result.get(hypervisor, {}),
            reset(given, known),
            typed(given, known, f"hvparams of {hypervisor}"),
        )
    for hypervisor in op.enabled_hypervisors or ():
        result[hypervisor] = fill(HYPERVISOR_PARAMETERS[hypervisor], result.get(hypervisor, {}))
    changed = {*(op.hvparams or {}), *(op.enabled_hypervisors or ())} & HYPERVISORS
    return result, [(each, result[each]) for each in sorted(changed)]


def _parameters_of(hypervisor: str) -> Mapping[str, Any]:
    if hypervisor not in HYPERVISOR_PARAMETERS:
        raise refuse(
            f"hvparams: there is no hypervisor {hypervisor}; there are {', '.join(sorted(HYPERVISOR_PARAMETERS))}"
        )
    return known_hypervisor_parameters(hypervisor)


def os_hvp(
    before: Mapping[str, Mapping[str, Parameters]], given: Mapping[str, Mapping[str, Parameters | None]]
) -> dict[str, dict[str, Parameters]]:
    """
    The new C{os_hvp}: an operating system's own parameters of hypervisors; those without any are left out.

    @param given: Changes; C{None} for a hypervisor removes its.
    """
    result = fill(before)
    for os, by_hypervisor in given.items():
        own = result.setdefault(os, {})
        for hypervisor, values in by_hypervisor.items():
            if values is None:
                own.pop(hypervisor, None)
                continue
            new = typed(values, _parameters_of(hypervisor), f"os_hvp of {os} and {hypervisor}")
            rest = {name: value for name, value in own.get(hypervisor, {}).items() if name not in values}
            own[hypervisor] = {**rest, **new}
        result[os] = {hypervisor: values for hypervisor, values in own.items() if values}
        if not result[os]:
            del result[os]
    return result


def os_parameters(cluster: Cluster, op: OpClusterSetParams) -> dict[str, Any]:
    """
    The new C{osparams} and C{osparams_private_cluster}, where the opcode changes them.
    """
    members = {}
    for name in ("osparams", "osparams_private_cluster"):
        given: Mapping[str, Parameters] | None = getattr(op, name)
        if given is None:
            continue
        result = fill(getattr(cluster, name))
        for os, values in given.items():
            new = {each: value for each, value in values.items() if value not in (None, DEFAULT)}
            rest = {each: value for each, value in result.get(os, {}).items() if each not in values}
            result[os] = {**rest, **osparams(new, name)}
            if not result[os]:
                del result[os]
        members[name] = result
    return members


def changed_oses(cluster: Cluster, op: OpClusterSetParams) -> dict[str, Parameters]:
    """
    Operating systems whose parameters the opcode changes, with all that they have now.
    """
    changed = {*(op.osparams or {}), *(op.osparams_private_cluster or {})}
    return {
        os: fill(cluster.osparams.get(os, {}), cluster.osparams_private_cluster.get(os, {}))
        for os in sorted(changed)
    }
