"""
A configuration with everything that confd's answers depend on, made from one that Ganeti 3.0.2 has written.
"""

import copy
import json
from importlib.resources import files
from typing import Any

ROLES = ("candidate", "candidate", "regular", "offline", "drained", "both")
"""
What becomes of the nodes after the first, which is the master; one is both offline and drained.
"""


def uuid(kind: int, number: int) -> str:
    """
    A UUID that says what it is of.
    """
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


def configuration() -> dict[str, Any]:
    """
    Seven nodes in two groups, two networks, and instances: plain, DRBD, on a file, without disks; one without
    a domain, two that share the beginning of their names, two that share an address; with addresses on several links.
    """
    found: dict[str, Any] = json.loads((files("tests") / "golden/config-3.0.json").read_text())
    groups = list(found["nodegroups"])
    master = found["cluster"]["master_node"]
    names = [master]
    for number, role in enumerate(ROLES, start=2):
        node = copy.deepcopy(found["nodes"][master])
        node.update(
            name=f"node{number}.example.com",
            uuid=uuid(1, number),
            primary_ip=f"10.99.0.{number}",
            secondary_ip=f"10.98.0.{number}",
            group=groups[number % 2],
            master_candidate=role == "candidate",
            offline=role in ("offline", "both"),
            drained=role in ("drained", "both"),
            serial_no=10 + number,
        )
        found["nodes"][node["uuid"]] = node
        names.append(node["uuid"])
    # Two nodes whose short name is the same.
    found["nodes"][names[5]]["name"] = "node2.example.net"
    network = copy.deepcopy(next(iter(found["networks"].values())))
    network.update(name="net2", uuid=uuid(3, 2), network="203.0.113.0/24", gateway="203.0.113.1")
    found["networks"][network["uuid"]] = network
    found["nodegroups"][groups[1]]["networks"][network["uuid"]] = {
        "link": "br2",
        "mode": "bridged",
        "vlan": "",
    }
    add = Instances(found)
    add("web1.example.com", names[0], [add.drbd(names[0], names[1], 0, 0)], ip="203.0.113.7", link="br2")
    add(
        "web2.example.com", names[1], [add.drbd(names[1], names[0], 1, 1), add.drbd(names[1], names[2], 2, 0)]
    )
    add("web2.example.net", names[2], [add.plain(names[2])], ip="10.99.0.90")
    add("moved.example.com", names[2], [add.drbd(names[1], names[2], 3, 1)], ip="10.99.0.91")
    add("bare", names[3], [], ip="10.99.0.92", link="br0")
    add("many.example.com", names[0], [add.plain(names[0]) for _ in range(12)], ip="10.99.0.12", link="br7")
    add("twin.example.com", names[1], [], ip="10.99.0.90")
    return found


class Instances:
    """
    Adds instances and their disks.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._like = next(each for each in config["instances"].values() if not each["disks"])
        self._number = 0

    def __call__(
        self, name: str, node: str, disks: list[str], *, ip: str | None = None, link: str | None = None
    ) -> None:
        """
        Add an instance with one network interface.
        """
        instance = copy.deepcopy(self._like)
        instance.update(
            name=name, uuid=self._next(4), primary_node=node, disks=disks, serial_no=100 + self._number
        )
        (nic,) = instance["nics"]
        nic.update(uuid=self._next(8), mac=f"aa:00:00:00:01:{self._number:02x}")
        nic["nicparams"] = {} if link is None else {"link": link}
        del nic["ip"]
        if ip is not None:
            nic["ip"] = ip
        self._config["instances"][instance["uuid"]] = instance

    def plain(self, node: str) -> str:
        """
        Add a logical volume.
        """
        return self._disk("plain", ["xenvg", f"{self._number}.disk"], [node])

    def drbd(self, first: str, second: str, first_minor: int, second_minor: int) -> str:
        """
        Add a mirrored disk.
        """
        nodes = [first, second]
        children = [
            {**self._config["disks"][uuid], "uuid": uuid} for uuid in (self.plain(first), self.plain(second))
        ]
        for each in children:
            del self._config["disks"][each["uuid"]]
        port = 11000 + self._number
        return self._disk("drbd", [*nodes, port, first_minor, second_minor, "5ec7e7"], nodes, children)

    def _disk(self, kind: str, where: list[Any], nodes: list[str], children: Any = ()) -> str:
        disk = copy.deepcopy(next(iter(self._config["disks"].values())))
        disk.update(
            uuid=self._next(5),
            dev_type=kind,
            logical_id=where,
            nodes=nodes,
            children=list(children),
            size=128,
        )
        self._config["disks"][disk["uuid"]] = disk
        return str(disk["uuid"])

    def _next(self, kind: int) -> str:
        self._number += 1
        return uuid(kind, self._number)
