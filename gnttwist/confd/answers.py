"""
What confd answers: pure look-ups in one version of the exported configuration.

The answers, their quirks included, are those of Ganeti's daemon (reference: confd, section 5.4, and its recorded
answers).
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from attrs import define, field

from gnttwist.errors import Rejected
from gnttwist.wire.confd import ARGUMENT, ERROR, MAX_REPLY, OK, PROTOCOL, UNKNOWN_ENTRY, Reply

LINK, IP, IPLIST, FIELDS = "0", "1", "2", "3"
"""
Members of a query that is an object.
"""

NAME, CLUSTER_IP, MASTER_IP = "0", "1", "2"
"""
What can be asked of the master.
"""

MASTER, CANDIDATE, OFFLINE, DRAINED, REGULAR = range(5)
"""
A node's roles.
"""

PREPARED = 1024
"""
Most answers kept for the same questions again; beyond, the oldest makes room. A cluster's monitoring asks few.
"""

ENVELOPE = 512
"""
Bytes of a datagram beside its message, which is text within JSON and may need escapes: see L{Answers.reply}.
"""


class Failure(Exception):
    """
    A question of a known type that has no answer.

    @ivar answer: The code, or a text.
    """

    def __init__(self, answer: int | str) -> None:
        super().__init__(answer)
        self.answer = answer


Query = str | Mapping[str, Any] | None
Answer = tuple[Any, int]
"""
An answer, and the serial number it goes with.
"""


@define(repr=False)
class Answers:
    """
    Answers from one C{config.data}.

    @ivar config: The decoded file.
    """

    config: Mapping[str, Any]
    _prepared: dict[tuple[int, str], bytes] = field(factory=dict, init=False)
    _nodes: dict[str, Mapping[str, Any]] = field(factory=dict, init=False)
    _instances: dict[str, Mapping[str, Any]] = field(factory=dict, init=False)
    _by_link: dict[str, dict[str, Mapping[str, Any]]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        for each in self.config["nodes"].values():
            self._nodes[each["name"]] = each
        default = self.config["cluster"]["nicparams"]["default"]
        for each in self.config["instances"].values():
            if each.get("name") is None:
                continue
            self._instances[each["name"]] = each
            for nic in each.get("nics", ()):
                if nic.get("ip"):
                    link = {**default, **nic.get("nicparams", {})}["link"]
                    self._by_link.setdefault(link, {})[nic["ip"]] = each

    @property
    def serial(self) -> int:
        """
        The cluster's serial number.
        """
        serial: int = self.config["cluster"]["serial_no"]
        return serial

    def reply(self, type: int, query: Query) -> bytes:
        """
        The encoded L{Reply} to a question.

        @raise Rejected: The type is unknown: it meets silence.
        """
        key = (type, query if isinstance(query, str) else msgspec.json.encode(query).decode())
        found = self._prepared.get(key)
        if found is None:
            found = self._compute(type, query)
            if len(self._prepared) >= PREPARED:
                del self._prepared[next(iter(self._prepared))]
            self._prepared[key] = found
        return found

    def _compute(self, type: int, query: Query) -> bytes:
        look = _TYPES.get(type)
        if look is None:
            raise Rejected(f"unknown type {type}")
        try:
            answer, serial = look(self, query)
        except Failure as failure:
            return msgspec.json.encode(Reply(PROTOCOL, ERROR, failure.answer, 0))
        reply = msgspec.json.encode(Reply(PROTOCOL, OK, answer, serial))
        # In the envelope the reply is a JSON string: measured as it is sent.
        if len(msgspec.json.encode(reply.decode())) + ENVELOPE > MAX_REPLY:
            text = f"the answer is longer than the {MAX_REPLY} bytes that a client reads"
            return msgspec.json.encode(Reply(PROTOCOL, ERROR, text, 0))
        return reply

    def ping(self, query: Query) -> Answer:
        """
        Type 0: the configuration's version.
        """
        return self.config["version"], 0

    def node_role(self, query: Query) -> Answer:
        """
        Type 1. The master is only known by its full name; by a short one it is the candidate that it is as well.
        """
        name = _text(query)
        node = self._node(name)
        if name == self._master["name"]:
            role = MASTER
        elif node["drained"]:
            role = DRAINED
        elif node["offline"]:
            role = OFFLINE
        elif node["master_candidate"]:
            role = CANDIDATE
        else:
            role = REGULAR
        return role, self.serial

    def node_of_instance_ip(self, query: Query) -> Answer:
        """
        Type 2: primary addresses of the nodes that run the instances with these addresses.
        """
        members = _members(query)
        link = members.get(LINK) or self._default_link
        match members:
            case {"2": list(addresses)}:
                return [self._node_of_ip(link, each) for each in addresses], self.serial
            case {"1": str(address)}:
                status, answer, _ = self._node_of_ip(link, address)
                if status != OK:
                    raise Failure(answer)
                return answer, self.serial
            case _:
                raise Failure(ARGUMENT)

    def _node_of_ip(self, link: str, address: object) -> list[Any]:
        instance = self._by_link.get(link, {}).get(address) if isinstance(address, str) else None
        if instance is None:
            return [ERROR, UNKNOWN_ENTRY, 0]
        return [OK, self.config["nodes"][instance["primary_node"]]["primary_ip"], self.serial]

    def master(self, query: Query) -> Answer:
        """
        Type 3: the master's name, or the fields that are asked for.
        """
        if query is None:
            return self._master["name"], self.serial
        values = {
            NAME: self._master["name"],
            CLUSTER_IP: self.config["cluster"]["master_ip"],
            MASTER_IP: self._master["primary_ip"],
        }
        fields = _members(query).get(FIELDS) or []
        if not isinstance(fields, list) or any(str(each) not in values for each in fields):
            raise Failure(ARGUMENT)
        return [values[str(each)] for each in fields], self.serial

    def node_ips(self, query: Query) -> Answer:
        """
        Type 4: all nodes' primary addresses.
        """
        return [each["primary_ip"] for each in self.config["nodes"].values()], self.serial

    def candidate_ips(self, query: Query) -> Answer:
        """
        Type 5: the master candidates' primary addresses.
        """
        nodes = self.config["nodes"].values()
        return [each["primary_ip"] for each in nodes if each["master_candidate"]], self.serial

    def instance_ips(self, query: Query) -> Answer:
        """
        Type 6: the addresses of instances on a link.
        """
        if isinstance(query, Mapping):
            raise Failure(ARGUMENT)
        return sorted(self._by_link.get(query or self._default_link, {})), self.serial

    def node_drbd(self, query: Query) -> Answer:
        """
        Type 7: a node's DRBD minors: C{[node, minor, instance, disk, role, peer]} each.
        """
        node = self._node(_text(query))
        rows = []
        for instance in self._instances.values():
            for index, uuid in enumerate(instance.get("disks", ())):
                disk = self.config["disks"][uuid]
                if disk["dev_type"] != "drbd":
                    continue
                first, second, _, first_minor, second_minor = disk["logical_id"][:5]
                for here, minor, peer in ((first, first_minor, second), (second, second_minor, first)):
                    if here == node["uuid"]:
                        role = "primary" if here == instance["primary_node"] else "secondary"
                        other = self.config["nodes"][peer]["name"]
                        rows.append([node["name"], minor, instance["name"], f"disk/{index}", role, other])
        return rows, node["serial_no"]

    def node_instances(self, query: Query) -> Answer:
        """
        Type 8: a node's instances, whole: those it is primary of, then those it is secondary of.
        """
        node = self._node(_text(query))
        primary, secondary = [], []
        for each in self.config["instances"].values():
            if each.get("primary_node") == node["uuid"]:
                primary.append(each)
            elif any(node["uuid"] in self._secondaries(uuid, each) for uuid in each.get("disks", ())):
                secondary.append(each)
        return [primary, secondary], node["serial_no"]

    def _secondaries(self, uuid: str, instance: Mapping[str, Any]) -> set[str]:
        disk = self.config["disks"][uuid]
        if disk["dev_type"] != "drbd":
            return set()
        return set(disk["logical_id"][:2]) - {instance["primary_node"]}

    def instance_disks(self, query: Query) -> Answer:
        """
        Type 9: an instance's disks, whole.
        """
        name = _text(query)
        instance = self.config["instances"].get(name) or _by_name(self._instances, name, "Instance")
        disks = [self.config["disks"][uuid] for uuid in instance.get("disks", ())]
        return disks, instance["serial_no"]

    def pointer(self, query: Query) -> Answer:
        """
        Type 10: the value at a JSON pointer into the configuration.
        """
        path = _text(query)
        if path and not path.startswith("/"):
            raise Failure(ARGUMENT)
        value: Any = self.config
        for part in path.split("/")[1:]:
            step = part.replace("~1", "/").replace("~0", "~")
            if isinstance(value, Mapping) and step in value:
                value = value[step]
            elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
                value = value[int(step)]
            else:
                raise Failure(ARGUMENT)
        return value, self.serial

    def collectors(self, query: Query) -> Answer:
        """
        Type 11: data collectors; one for Xen is not active where no Xen hypervisor is enabled.
        """
        cluster = self.config["cluster"]
        xen = any(each.startswith("xen") for each in cluster["enabled_hypervisors"])
        answer = {name: dict(each) for name, each in cluster["data_collectors"].items()}
        if "inst-status-xen" in answer and not xen:
            answer["inst-status-xen"]["active"] = False
        return answer, self.serial

    @property
    def _master(self) -> Mapping[str, Any]:
        node: Mapping[str, Any] = self.config["nodes"][self.config["cluster"]["master_node"]]
        return node

    @property
    def _default_link(self) -> str:
        link: str = self.config["cluster"]["nicparams"]["default"]["link"]
        return link

    def _node(self, name: str) -> Mapping[str, Any]:
        return self.config["nodes"].get(name) or _by_name(self._nodes, name, "Node")


def _text(query: Query) -> str:
    if not isinstance(query, str):
        raise Failure(ARGUMENT)
    return query


def _members(query: Query) -> dict[str, Any]:
    if not isinstance(query, Mapping):
        raise Failure(ARGUMENT)
    return {name: value for name, value in query.items() if value is not None}


def _by_name(table: Mapping[str, Mapping[str, Any]], name: str, word: str) -> Mapping[str, Any]:
    """
    Look up by name, or by its beginning up to a dot.
    """
    if name in table:
        return table[name]
    found = [each for each in table if name and each.startswith(name + ".")]
    if len(found) == 1:
        return table[found[0]]
    code, what = ("ECodeInval", "has multiple matches") if found else ("ECodeNoEnt", "not found")
    raise Failure(
        "Failure: prerequisites not met for this operation:\n"
        f"error type: {code}, error details:\n{word} name {name} {what}"
    )


_TYPES: dict[int, Callable[[Answers, Query], Answer]] = {
    0: Answers.ping,
    1: Answers.node_role,
    2: Answers.node_of_instance_ip,
    3: Answers.master,
    4: Answers.node_ips,
    5: Answers.candidate_ips,
    6: Answers.instance_ips,
    7: Answers.node_drbd,
    8: Answers.node_instances,
    9: Answers.instance_disks,
    10: Answers.pointer,
    11: Answers.collectors,
}
