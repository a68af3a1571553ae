"""
Whether a node has what an instance is to have: its operating system, its hypervisor's parameters, its bridges.
"""

from collections.abc import Mapping
from typing import Any

from gnttwist.config.parameters import fill_nic, fill_os, fill_os_private
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, FunctionFailed, NodeError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Instance, Node
from gnttwist.units.os_diagnose import on_node
from gnttwist.units.values import refuse


def allowed(config: Snapshot, os: str) -> None:
    """
    Check that the cluster lets instances have an OS from now on.

    @raise OpPrereqError: It is blacklisted.
    """
    name = os.partition("+")[0]
    if name in config.cluster.blacklisted_os or os in config.cluster.blacklisted_os:
        raise refuse(f"os_type: {os!r} is blacklisted: not allowed for new instances", ECode.STATE)


async def installable(
    job: JobContext,
    config: Snapshot,
    node: Node,
    instance: Instance,
    secret: Mapping[str, Any] | None,
    *,
    force_variant: bool,
) -> None:
    """
    Ask a node about an instance's OS, its variant and its parameters.

    @param instance: As it shall be; it need not be in the configuration.
    @raise OpPrereqError: It will not do, or the node does not answer.
    """
    parameters = {
        **fill_os(config, instance),
        **fill_os_private(config, instance),
        **(secret or {}),
    }
    try:
        # Not required: where it is missing, the refusal tells which there are.
        here = await job.call(
            node, "os_validate", [False, instance.os, ["parameters"], parameters, force_variant]
        )
        known = [] if here else [each.name for each in await on_node(job, node) if each.valid]
    except FunctionFailed as reason:
        raise refuse(str(reason)) from reason
    except NodeError as reason:
        raise refuse(str(reason), ECode.ENVIRON) from reason
    if not here:
        name = instance.os.partition("+")[0]
        listed = ", ".join(sorted(set(known))) or "none"
        raise refuse(f"os_type: {name!r} is not on node {node.name}; it has {listed}")


async def hypervisor_accepts(job: JobContext, node: Node, hypervisor: str, filled: Mapping[str, Any]) -> None:
    """
    Ask a node about hypervisor parameters.

    @param filled: All of them.
    @raise OpPrereqError: They will not do, or the node does not answer.
    """
    try:
        await job.call(node, "hypervisor_validate_params", [hypervisor, dict(filled)])
    except FunctionFailed as reason:
        raise refuse(str(reason)) from reason
    except NodeError as reason:
        raise refuse(str(reason), ECode.ENVIRON) from reason


async def bridges_there(job: JobContext, config: Snapshot, node: Node, instance: Instance) -> None:
    """
    Ask a node for the bridges that a guest's interfaces are to be on. Guests of the fake hypervisor need none.

    @param instance: As it shall be; it need not be in the configuration.
    @raise OpPrereqError: One is missing, or the node does not answer.
    """
    filled = [fill_nic(config, each) for each in instance.nics]
    bridges = sorted({str(each["link"]) for each in filled if each["mode"] == "bridged"})
    if not bridges or instance.hypervisor == "fake":
        return
    try:
        await job.call(node, "bridges_exist", [bridges])
    except FunctionFailed as reason:
        raise refuse(f"nics: {reason}", ECode.ENVIRON) from reason
    except NodeError as reason:
        raise refuse(str(reason), ECode.ENVIRON) from reason
