"""
What OS scripts are told, in environment variables (reference: guest OS interface, section 9.3). Pure.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gnttwist.functions.osapi.definition import WITH_VARIANTS, Definition
from gnttwist.functions.osapi.lists import variable_of
from gnttwist.functions.registry import FunctionError
from gnttwist.functions.storage.interface import Found
from gnttwist.wire.call_types import DiskArgument, InstanceArgument, NicArgument

PATH = "/sbin:/bin:/usr/sbin:/usr/bin"

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Variables = Iterator[tuple[str, object]]


def core(definition: Definition, full_name: str, parameters: Mapping[str, Any], debug: int) -> dict[str, str]:
    """
    What every script is told.

    @param full_name: The OS as the instance has it, with its variant.
    @param parameters: The OS parameters, secret ones included.
    """
    variant = ""
    if definition.api_version >= WITH_VARIANTS and definition.variants:
        variant = full_name.partition("+")[2] or definition.variants[0]
    return _environment(
        [
            ("PATH", PATH),
            ("OS_API_VERSION", definition.api_version),
            ("OS_NAME", definition.name),
            ("OS_VARIANT", variant),
            ("DEBUG_LEVEL", debug),
            *((variable_of(name), _one_line(name, value)) for name, value in parameters.items()),
        ]
    )


def _one_line(parameter: str, value: Any) -> str:
    """
    @raise FunctionError: The value has several lines. Scripts write values into files of lines, and a value that
        brings lines of its own would write there what it likes.
    """
    text = str(value)
    if "\n" in text or "\r" in text:
        raise FunctionError(f"OS parameter {parameter}: a value has one line")
    return text


def of_instance(instance: InstanceArgument, disks: Sequence[tuple[DiskArgument, Found]]) -> dict[str, str]:
    """
    What scripts that work on an instance are told as well.

    @param disks: Its disks, in order, and where they are.
    """
    return _environment(
        [
            ("INSTANCE_NAME", instance.name),
            ("INSTANCE_OS", instance.os),
            ("INSTANCE_UUID", instance.uuid),
            ("INSTANCE_CTIME", instance.ctime),
            ("INSTANCE_MTIME", instance.mtime),
            ("INSTANCE_PRIMARY_NODE", instance.primary_node),
            ("INSTANCE_SECONDARY_NODES", " ".join(instance.secondary_nodes)),
            ("HYPERVISOR", instance.hypervisor),
            ("DISK_COUNT", len(disks)),
            ("NIC_COUNT", len(instance.nics)),
            *(
                each
                for index, (disk, found) in enumerate(disks)
                for each in _disk(index, disk, found, instance)
            ),
            *(each for index, nic in enumerate(instance.nics) for each in _nic(index, nic, instance)),
            *((f"INSTANCE_BE_{name}", value) for name, value in instance.beparams.items()),
            *((f"INSTANCE_HV_{name}", value) for name, value in instance.hvparams.items()),
        ]
    )


def _disk(index: int, disk: DiskArgument, found: Found, instance: InstanceArgument) -> Variables:
    prefix = f"DISK_{index}"
    yield f"{prefix}_PATH", found.path
    yield f"{prefix}_ACCESS", disk.mode
    yield f"{prefix}_SIZE", disk.size
    yield f"{prefix}_UUID", disk.uuid
    yield from _if_set(f"{prefix}_NAME", disk.name)
    yield from _if_set(f"{prefix}_FRONTEND_TYPE", instance.hvparams.get("disk_type"))
    yield f"{prefix}_BACKEND_TYPE", found.backend


def _nic(index: int, nic: NicArgument, instance: InstanceArgument) -> Variables:
    prefix = f"NIC_{index}"
    mode, link = nic.nicparams.get("mode"), nic.nicparams.get("link")
    yield f"{prefix}_MAC", nic.mac
    yield f"{prefix}_UUID", nic.uuid
    yield f"{prefix}_MODE", mode
    yield from _if_set(f"{prefix}_NAME", nic.name)
    yield from _if_set(f"{prefix}_IP", nic.ip)
    yield from _if_set(f"{prefix}_LINK", link)
    if mode == "bridged":
        yield f"{prefix}_BRIDGE", link
    yield from _if_set(f"{prefix}_FRONTEND_TYPE", instance.hvparams.get("nic_type"))
    network = nic.netinfo
    if network is not None:
        yield f"{prefix}_NETWORK_NAME", network.name
        yield f"{prefix}_NETWORK_UUID", network.uuid
        yield f"{prefix}_NETWORK_TAGS", " ".join(network.tags)
        yield from _if_set(f"{prefix}_NETWORK_SUBNET", network.network)
        yield from _if_set(f"{prefix}_NETWORK_GATEWAY", network.gateway)
        yield from _if_set(f"{prefix}_NETWORK_SUBNET6", network.network6)
        yield from _if_set(f"{prefix}_NETWORK_GATEWAY6", network.gateway6)
        yield from _if_set(f"{prefix}_NETWORK_MAC_PREFIX", network.mac_prefix)


def _if_set(name: str, value: object) -> Variables:
    if value:
        yield name, value


def _environment(variables: Sequence[tuple[str, object]]) -> dict[str, str]:
    """
    Names and values as a process can be given them; values are Python's text of them (C{True}, C{None}).
    """
    found = {}
    for name, value in variables:
        if not _VARIABLE.fullmatch(name):
            raise FunctionError(f"{name!r} cannot be the name of an environment variable")
        if "\0" in (text := str(value)):
            raise FunctionError(f"The value for {name} holds a null character")
        found[name] = text
    return found
