"""
The fields of instances that are about network interfaces.
"""

from collections.abc import Callable
from typing import Any

from gnttwist.query.fields.definition import Field
from gnttwist.query.fields.instance_row import FilledNic, InstanceRow

MOST_NICS = 8
"""
How many interfaces have fields of their own: Ganeti's limit for an instance.
"""


def _bridge(nic: FilledNic) -> Any:
    return nic.params.get("link") if nic.params.get("mode") == "bridged" else None


def _vlan(nic: FilledNic) -> Any:
    return nic.params.get("vlan") if nic.params.get("mode") == "openvswitch" else None


_EACH: tuple[tuple[str, str, str, str, str, Callable[[FilledNic], Any]], ...] = (
    ("bridge", "NicBridge", "bridges", "NIC_bridges", "Bridge", _bridge),
    ("ip", "NicIP", "ips", "NIC_IPs", "IP address", lambda nic: nic.nic.ip),
    ("link", "NicLink", "links", "NIC_links", "Link", lambda nic: nic.params.get("link")),
    ("mac", "NicMAC", "macs", "NIC_MACs", "MAC address", lambda nic: nic.nic.mac),
    ("mode", "NicMode", "modes", "NIC_modes", "Mode", lambda nic: nic.params.get("mode")),
    ("name", "NicName", "names", "NIC_Names", "Name", lambda nic: nic.nic.name),
    ("network", "NicNetwork", "networks", "NIC_networks", "UUID of the network", lambda nic: nic.nic.network),
    (
        "network.name",
        "NicNetworkName",
        "networks.names",
        "NIC_networks_names",
        "Name of the network",
        lambda nic: None if nic.network is None else nic.network.name,
    ),
    ("uuid", "NicUUID", "uuids", "NIC_UUIDs", "UUID", lambda nic: nic.nic.uuid),
    ("vlan", "NicVLAN", "vlans", "NIC_VLANs", "VLAN", _vlan),
)
"""
Of one interface: name and title of its field, of the field with all interfaces' values, what it is, and the value.
"""

_OLD_NAMES = {
    "bridge": "bridge",
    "ip": "ip",
    "mac": "mac",
    "nic_link": "link",
    "nic_mode": "mode",
    "nic_network": "network",
}
"""
Names that fields of the first interface had before there were more.
"""


def _own_parameters(row: InstanceRow) -> list[dict[str, Any]]:
    return [each.nicparams for each in row.instance.nics]


def _nth(index: int, get: Callable[[FilledNic], Any]) -> Callable[[InstanceRow], Any]:
    return lambda row: get(row.nics[index]) if index < len(row.nics) else None


def _list(get: Callable[[FilledNic], Any]) -> Callable[[InstanceRow], Any]:
    return lambda row: [get(each) for each in row.nics]


def nic_fields() -> list[Field[InstanceRow]]:
    """
    All of them.
    """
    result = [
        Field[InstanceRow](
            "nic.count", "NICs", "number", "Number of network interfaces", lambda row: len(row.nics)
        ),
        Field(
            "custom_nicparams",
            "CustomNicParameters",
            "other",
            "Interfaces' own parameters",
            _own_parameters,
        ),
    ]
    for name, title, plural, list_title, doc, get in _EACH:
        result.append(Field(f"nic.{plural}", list_title, "other", f"{doc} of each interface", _list(get)))
        for index in range(MOST_NICS):
            names = [f"nic.{name}/{index}"]
            if index == 0:
                names += [old for old, new in _OLD_NAMES.items() if new == name]
            result.extend(
                Field(each, f"{title}/{index}", "text", f"{doc} of interface {index}", _nth(index, get))
                for each in names
            )
    return result
