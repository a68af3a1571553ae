"""
What confd answers: pure look-ups in one version of the exported configuration.

The answers, their quirks included, are those of Ganeti's daemon (reference: confd, section 5.4, its recorded answers,
and C{tests.interop.test_confd}, which compares the two). Types from 1001 on are our own.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from attrs import define, field

from gnttwist.confd.haskell import show, show_query
from gnttwist.wire.confd import ARGUMENT, ERROR, OK, UNKNOWN_ENTRY, Fields, Query, Signed

Value = TypeVar("Value")
Object = Mapping[str, Any]

MASTER, CANDIDATE, OFFLINE, DRAINED, REGULAR = range(5)
"""
A node's roles.
"""

FIELDS = {0: 0, 1: 1, 2: 2, "0": 0, "1": 1, "2": 2}
"""
What can be asked of the master: its name, the cluster's address, its own.
"""


class Failure(Exception):
    """
    A question of a known type that has no answer.

    @ivar answer: The code, or a text.
    """

    def __init__(self, answer: int | str) -> None:
        super().__init__(answer)
        self.answer = answer


class NoSuch(Failure):
    """
    No object has the name, or several begin with it. The answer is Haskell's form of the error.

    @ivar text: The error in words.
    """

    def __init__(self, text: str) -> None:
        super().__init__(f"OpPrereqError {show(text)} ECodeNoEnt")
        self.text = text


Answer = tuple[Any, int]
"""
An answer, and the serial number it goes with.
"""


@define(repr=False)
class Lookups:
    """
    Answers from one C{config.data}.

    @ivar config: The decoded file.
    """

    config: Mapping[str, Any]
    _nodes: dict[str, Object] = field(factory=dict, init=False)
    _instances: dict[str, Object] = field(factory=dict, init=False)
    _by_link: dict[str, dict[str, Object]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        # The orders are those in which Ganeti's daemon lists: nodes backwards.
        for _, each in sorted(self.config["nodes"].items(), reverse=True):
            self._nodes[each["name"]] = each
        default = self.config["cluster"]["nicparams"]["default"]
        for _, each in sorted(self.config["instances"].items()):
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

    def check(self) -> None:
        """
        Look at what all questions rest on.

        @raise KeyError: It is not there.
        """
        if not isinstance(self.serial, int) or not isinstance(self.config["version"], int):
            raise TypeError("a number is none")
        for each in (0, 3, 4, 5, 6):
            self.answer(each, None)

    def answer(self, type: int, query: Query) -> Answer:
        """
        The answer to a question.

        @raise Failure: It has none.
        @raise Signed: The type is unknown, or the question is not one: it meets silence.
        """
        look = _TYPES.get(type)
        if look is None:
            raise Signed(f"unknown type {type}")
        if isinstance(query, Fields) and any(each not in FIELDS for each in query.fields or ()):
            raise Signed("an unknown field")
        return look(self, query)

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
        try:
            node = self._node(name)
        except NoSuch as reason:
            raise Failure(
                "Failure: prerequisites not met for this operation:\n"
                f"error type: ECodeNoEnt, error details:\n{reason.text}"
            ) from reason
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
        if not isinstance(query, Fields):
            raise Failure(ARGUMENT)
        link = self._default_link if query.link is None else "".join(query.link)
        if query.ip is None:
            return [self._node_of_ip(link, "".join(each)) for each in query.ips or ()], self.serial
        status, answer, _ = self._node_of_ip(link, "".join(query.ip))
        if status != OK:
            raise Failure(answer)
        return answer, self.serial

    def _node_of_ip(self, link: str, address: str) -> list[Any]:
        instance = self._by_link.get(link, {}).get(address)
        if instance is None:
            return [ERROR, UNKNOWN_ENTRY, 0]
        return [OK, self.config["nodes"][instance["primary_node"]]["primary_ip"], self.serial]

    def master(self, query: Query) -> Answer:
        """
        Type 3: the master's name, or the fields that are asked for.
        """
        if query is None:
            return self._master["name"], self.serial
        if not isinstance(query, Fields):
            raise Failure(ARGUMENT)
        values = (self._master["name"], self.config["cluster"]["master_ip"], self._master["primary_ip"])
        return [values[FIELDS[each]] for each in query.fields or ()], self.serial

    def node_ips(self, query: Query) -> Answer:
        """
        Type 4: all nodes' primary addresses.
        """
        return [each["primary_ip"] for each in self._nodes.values()], self.serial

    def candidate_ips(self, query: Query) -> Answer:
        """
        Type 5: the master candidates' primary addresses.
        """
        nodes = self._nodes.values()
        return [each["primary_ip"] for each in nodes if each["master_candidate"]], self.serial

    def instance_ips(self, query: Query) -> Answer:
        """
        Type 6: the addresses of instances on a link.
        """
        if isinstance(query, Fields):
            raise Failure("Invalid query type")
        link = self._default_link if query is None else query
        return sorted(self._by_link.get(link, {})), self.serial

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
        node = _prefixed("Node not found in the configuration: ", lambda: self._node(_text(query)))
        primary, secondary = [], []
        for _, each in sorted(self.config["instances"].items()):
            if each.get("primary_node") == node["uuid"]:
                primary.append(each)
            elif any(node["uuid"] in self._secondaries(uuid, each) for uuid in each.get("disks", ())):
                secondary.append(each)
        return [primary, secondary], node["serial_no"]

    def _secondaries(self, uuid: str, instance: Object) -> set[str]:
        disk = self.config["disks"][uuid]
        if disk["dev_type"] != "drbd":
            return set()
        return set(disk["logical_id"][:2]) - {instance["primary_node"]}

    def instance_disks(self, query: Query) -> Answer:
        """
        Type 9: an instance's disks, whole.
        """
        instance = _prefixed(
            "Instance not found in the configuration: ", lambda: self._instance(_text(query))
        )
        disks = [self.config["disks"][uuid] for uuid in instance.get("disks", ())]
        return disks, instance["serial_no"]

    def pointer(self, query: Query) -> Answer:
        """
        Type 10: the value at a JSON pointer into the configuration. The whole of it cannot be had.
        """
        path = _text(query)
        if not path.startswith("/"):
            raise Failure(ARGUMENT)
        value: Any = self.config
        for part in path.split("/")[1:]:
            step = part.replace("~1", "/").replace("~0", "~")
            if isinstance(value, Mapping) and step in value:
                value = value[step]
            elif isinstance(value, list) and step.isascii() and step.isdigit() and _index(step) < len(value):
                value = value[_index(step)]
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

    def offline_nodes(self, query: Query) -> Answer:
        """
        Type 1001: names of the nodes that are offline.
        """
        return sorted(name for name, node in self._nodes.items() if node["offline"]), self.serial

    def instance_names(self, query: Query) -> Answer:
        """
        Type 1002: names of all instances.
        """
        return sorted(self._instances), self.serial

    def primary_nodes(self, query: Query) -> Answer:
        """
        Type 1003: each instance's primary node, by names; of one instance, the node's name.
        """
        nodes = self.config["nodes"]
        if query is None:
            found = {name: nodes[each["primary_node"]]["name"] for name, each in self._instances.items()}
            return dict(sorted(found.items())), self.serial
        instance = _prefixed(
            "Instance not found in the configuration: ", lambda: self._instance(_text(query))
        )
        return nodes[instance["primary_node"]]["name"], self.serial

    @property
    def _master(self) -> Object:
        node: Object = self.config["nodes"][self.config["cluster"]["master_node"]]
        return node

    @property
    def _default_link(self) -> str:
        link: str = self.config["cluster"]["nicparams"]["default"]["link"]
        return link

    def _node(self, name: str) -> Object:
        return self.config["nodes"].get(name) or _by_name(self._nodes, name, "Node")

    def _instance(self, name: str) -> Object:
        return self.config["instances"].get(name) or _by_name(self._instances, name, "Instance")


def _index(digits: str) -> int:
    # Longer than any list's; Python reads long numbers slowly.
    return int(digits[:20])


def _text(query: Query) -> str:
    if not isinstance(query, str):
        raise Failure(f"Invalid query type {show_query(query)}")
    return query


def _prefixed(words: str, look: Callable[[], Value]) -> Value:
    try:
        return look()
    except NoSuch as reason:
        raise Failure(f"{words}{reason.answer}") from reason


def _by_name(table: Mapping[str, Object], name: str, word: str) -> Object:
    """
    Look up by name, or by its beginning up to a dot.
    """
    if name in table:
        return table[name]
    found = [each for each in table if name and each.startswith(name + ".")]
    if len(found) == 1:
        return table[found[0]]
    raise NoSuch(f"{word} name {name} {'has multiple matches' if found else 'not found'}")


_TYPES: dict[int, Callable[[Lookups, Query], Answer]] = {
    0: Lookups.ping,
    1: Lookups.node_role,
    2: Lookups.node_of_instance_ip,
    3: Lookups.master,
    4: Lookups.node_ips,
    5: Lookups.candidate_ips,
    6: Lookups.instance_ips,
    7: Lookups.node_drbd,
    8: Lookups.node_instances,
    9: Lookups.instance_disks,
    10: Lookups.pointer,
    11: Lookups.collectors,
    1001: Lookups.offline_nodes,
    1002: Lookups.instance_names,
    1003: Lookups.primary_nodes,
}
