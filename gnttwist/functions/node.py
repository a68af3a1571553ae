"""
Facts about the node: what it has, whether it is well, and whom it takes for its master.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gnttwist.functions import arguments
from gnttwist.functions.facts import boot_id
from gnttwist.functions.hypervisor.table import hypervisor
from gnttwist.functions.registry import Context, FunctionError, function
from gnttwist.functions.storage.places import space
from gnttwist.functions.storage.table import TEMPLATES

NETWORK_DEVICES = Path("/sys/class/net")


@function("node_info")
def node_info(context: Context, storage_units: Any, hv_specs: Any) -> list[Any]:
    """
    The boot's id, the space of storage units and what hypervisors have to give (reference: node daemon RPC,
    section 4.3).

    @param storage_units: C{[type, name, parameters]} each.
    @param hv_specs: C{[hypervisor, parameters]} each.
    """
    return [
        boot_id(),
        None if storage_units is None else _units(context, storage_units),
        None if hv_specs is None else _hypervisors(context, hv_specs),
    ]


def _units(context: Context, asked: Any) -> list[dict[str, Any]]:
    units = arguments.shaped(list[tuple[str, str, list[Any]]], asked, "storage units")
    return [_unit(context, kind, name) for kind, name, _ in units]


def _hypervisors(context: Context, asked: Any) -> list[dict[str, Any]]:
    specs = arguments.shaped(list[tuple[str, dict[str, Any]]], asked, "hypervisor specifications")
    return [hypervisor(name).node_info(context, params) for name, params in specs]


def _unit(context: Context, kind: str, name: str) -> dict[str, Any]:
    """
    A storage unit; one of a kind that this node has no code for has no numbers.
    """
    total, free = space(context, name) if kind in TEMPLATES else (None, None)
    return {"type": kind, "name": name, "storage_size": total, "storage_free": free}


@function("master_node_name")
def master_node_name(context: Context) -> str:
    """
    The name of the node that this node takes for its master.
    """
    file = context.paths.ssconf("master_node")
    try:
        return file.read_text().rstrip("\n")
    except OSError as reason:
        raise FunctionError(
            f"This node does not know its master: {context.paths.canonical(file)}: {reason.strerror}"
        ) from reason


@function("bridges_exist")
def bridges_exist(context: Context, bridges_list: Any) -> None:
    """
    Check that all of the bridges are there.

    @raise FunctionError: Some are missing; the text names them.
    """
    missing = missing_bridges(arguments.names(bridges_list, "bridge name"))
    if missing:
        raise FunctionError(f"Missing bridges {', '.join(missing)}")


def missing_bridges(names: Sequence[str], devices: Path = NETWORK_DEVICES) -> list[str]:
    """
    Those names that are no bridge of this machine.

    @param devices: The kernel's directory of network devices.
    """
    return [each for each in names if not os.path.isdir(devices / each / "bridge")]
