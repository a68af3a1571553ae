"""
Tests for L{gnttwist.confd.answers}.
"""

import json
from importlib.resources import files
from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.confd.answers import PREPARED, PREPARED_BYTES, Answers
from gnttwist.confd.loading import Unusable, build, decode, patched
from gnttwist.confd.lookups import Lookups
from gnttwist.errors import Rejected
from gnttwist.wire.confd import Query
from tests.confd.rich import configuration

GOLDEN = files("tests") / "golden"


def config() -> dict[str, Any]:
    """
    The configuration that Ganeti 3.0.2's confd was asked about.
    """
    found: dict[str, Any] = json.loads((GOLDEN / "config-3.0.json").read_text())
    return found


def asked(query: Any) -> Query:
    """
    A query as the daemon decodes it.

    @raise msgspec.ValidationError: It is none; the daemon is silent.
    """
    return msgspec.convert(query, Query)  # type: ignore[no-any-return]  # a union is no class


def answers_from(config: dict[str, Any]) -> Answers:
    """
    Answers from a configuration.
    """
    return Answers(Lookups(config))


def unordered(answer: Any) -> Any:
    """
    Lists of objects and addresses have no order that anybody relies on.
    """
    if isinstance(answer, list):
        return sorted((unordered(each) for each in answer), key=json.dumps)
    return answer


class RecordedTests(SynchronousTestCase):
    """
    Our answers are those that Ganeti 3.0.2's daemon gave.
    """

    def test_recorded(self) -> None:
        """
        Every recorded question that reaches the look-ups has the recorded answer.
        """
        answers = answers_from(config())
        seen = 0
        for each in json.loads((GOLDEN / "confd-3.0.2.json").read_text()):
            if not isinstance(each["type"], int):
                continue
            seen += 1
            if each["answer_msg"] is None:
                with self.assertRaises((Rejected, msgspec.ValidationError)):
                    answers.reply(each["type"], asked(each["query"]))
                continue
            ours = json.loads(answers.reply(each["type"], asked(each["query"])).message)
            theirs = json.loads(each["answer_msg"])
            for reply in (ours, theirs):
                reply["answer"] = unordered(reply["answer"])
            self.assertEqual(ours, theirs, each)
        self.assertGreater(seen, 20)


class AnswersTests(SynchronousTestCase):
    """
    Tests for L{Answers} beyond what was recorded.
    """

    def setUp(self) -> None:
        self.config = config()
        self.answers = answers_from(self.config)

    def ask(self, type: int, query: Any) -> tuple[int, Any, int]:
        """
        A reply's status, answer and serial.
        """
        reply = json.loads(self.answers.reply(type, asked(query)).message)
        return reply["status"], reply["answer"], reply["serial"]

    def test_master_fields(self) -> None:
        """
        The master's name, the cluster's address and the master's are told in the order that is asked for, by
        numbers or text.
        """
        expected = (0, ["10.99.0.1", "node1.example.com", "10.99.0.100"], 12)
        self.assertEqual(self.ask(3, {"3": ["2", "0", "1"]}), expected)
        self.assertEqual(self.ask(3, {"3": [2, 0, 1]}), expected)
        self.assertEqual(self.ask(3, {"3": []}), (0, [], 12))
        self.assertRaises(Rejected, self.ask, 3, {"3": ["9"]})

    def test_node_of_instance(self) -> None:
        """
        An instance's address on its link leads to its node's address.
        """
        self.assertEqual(self.ask(2, {"1": "10.99.0.12"}), (0, "10.99.0.1", 12))
        self.assertEqual(self.ask(2, {"1": "10.99.0.12", "0": "br0"}), (0, "10.99.0.1", 12))
        self.assertEqual(self.ask(2, {"1": "10.99.0.12", "0": "br9"}), (1, 0, 0))
        self.assertEqual(
            self.ask(2, {"2": ["10.99.0.12", "192.0.2.9"], "0": None}),
            (0, [[0, "10.99.0.1", 12], [1, 0, 0]], 12),
        )
        self.assertEqual(self.ask(2, {}), (0, [], 12))

    def test_roles(self) -> None:
        """
        Offline and drained nodes are told apart; drained is looked at first.
        """
        (node,) = self.config["nodes"].values()
        for changes, role in (
            ({"name": "other.example.com"}, 1),
            ({"master_candidate": False}, 4),
            ({"offline": True}, 2),
            ({"drained": True}, 3),
        ):
            node.update(changes)
            self.answers = answers_from({**self.config, "nodes": {"x": node, **self.config["nodes"]}})
            self.assertEqual(self.ask(1, "other")[1], role)

    def test_pointer(self) -> None:
        """
        A JSON pointer reaches members, list items and escaped names.
        """
        self.assertEqual(self.ask(10, "/cluster/cluster_name")[1], "cluster.example.com")
        self.assertEqual(self.ask(10, "/cluster/enabled_hypervisors/0")[1], "fake")
        self.assertEqual(self.ask(10, "/cluster/enabled_hypervisors/1"), (1, 2, 0))
        self.config["cluster"]["os_hvp"] = {"a/b~c": 7}
        self.assertEqual(
            answers_from(self.config).reply(10, "/cluster/os_hvp/a~1b~0c").message.count(b"7"), 1
        )

    def test_drbd(self) -> None:
        """
        A node's DRBD minors are told with their roles and peers.
        """
        (first,) = self.config["nodes"]
        self.config["nodes"]["peer"] = {
            **self.config["nodes"][first],
            "uuid": "peer",
            "name": "node2.example.com",
        }
        instance = next(each for each in self.config["instances"].values() if each["disks"])
        disk = self.config["disks"][instance["disks"][0]]
        disk.update(dev_type="drbd", logical_id=[first, "peer", 11000, 3, 5, "secret"])
        self.answers = answers_from(self.config)
        self.assertEqual(
            self.ask(7, "node2")[1],
            [["node2.example.com", 5, "inst1.example.com", "disk/0", "secondary", "node1.example.com"]],
        )
        self.assertEqual([len(each) for each in self.ask(8, "node2")[1]], [0, 1])

    def test_too_long(self) -> None:
        """
        An answer that a client could not read is refused, not cut.
        """
        self.config["cluster"]["tags"] = ["x" * 100] * 700
        self.answers = answers_from(self.config)
        status, answer, serial = self.ask(10, "/cluster")
        self.assertEqual((status, serial), (1, 0))
        self.assertIn("longer than", answer)

    def test_bounded(self) -> None:
        """
        However many questions are asked, a bounded number of answers is kept.
        """
        for each in range(PREPARED + 50):
            self.answers.reply(1, f"node{each}")
        self.assertLessEqual(len(self.answers._prepared), PREPARED)

    def test_bounded_bytes(self) -> None:
        """
        Long answers are kept up to a bounded number of bytes.
        """
        self.config["cluster"]["tags"] = ["x" * 40_000]
        self.answers = answers_from(self.config)
        for each in range(400):
            self.answers.reply(10, f"/cluster/tags/{'0' * (each + 1)}")
        kept = sum(len(each.message) + len(each.text) for each in self.answers._prepared.values())
        self.assertLessEqual(kept, PREPARED_BYTES)

    def test_wrong_kinds(self) -> None:
        """
        Queries of the wrong kind are errors, in Ganeti's words.
        """
        for type in (1, 7, 8, 9, 10):
            self.assertEqual(self.ask(type, None), (1, "Invalid query type EmptyQuery", 0))
            self.assertIn("DictQuery", self.ask(type, {"1": "x"})[1])
        self.assertEqual(self.ask(3, "x"), (1, 2, 0))
        self.assertEqual(self.ask(6, {}), (1, "Invalid query type", 0))


class OwnTypesTests(SynchronousTestCase):
    """
    Tests for the types that are ours.
    """

    def setUp(self) -> None:
        self.answers = answers_from(configuration())

    def ask(self, type: int, query: Any = None) -> Any:
        """
        An answer.
        """
        return json.loads(self.answers.reply(type, query).message)["answer"]

    def test_offline_nodes(self) -> None:
        """
        Type 1001 lists the nodes that are offline.
        """
        self.assertEqual(self.ask(1001), ["node5.example.com", "node7.example.com"])

    def test_instance_names(self) -> None:
        """
        Type 1002 lists all instances.
        """
        self.assertEqual(self.ask(1002)[:3], ["bare", "inst1.example.com", "inst2.example.com"])

    def test_primary_nodes(self) -> None:
        """
        Type 1003 tells each instance's primary node, or one's.
        """
        self.assertEqual(self.ask(1003)["web2.example.net"], "node3.example.com")
        self.assertEqual(self.ask(1003, "moved"), "node3.example.com")
        self.assertIn("not found", self.ask(1003, "nosuch"))


class LoadingTests(SynchronousTestCase):
    """
    Tests for L{gnttwist.confd.loading}.
    """

    def test_in_pieces(self) -> None:
        """
        What is decoded in pieces is what the file holds.
        """
        self.assertEqual(decode(json.dumps(configuration()).encode()), configuration())

    def test_lacking(self) -> None:
        """
        A file that lacks what questions rest on is refused before it is in service.
        """
        for member in ("cluster", "nodes", "instances", "version"):
            broken = configuration()
            del broken[member]
            self.assertRaises(Unusable, build, broken)
        broken = configuration()
        broken["nodes"] = {}
        self.assertRaises(Unusable, build, broken)

    def test_patched(self) -> None:
        """
        A change replaces, adds and removes objects, and leaves the configuration before as it was.
        """
        before = configuration()
        one, two, *_ = before["instances"]
        patch = {
            "members": {"serial_no": 99},
            "tables": {"instances": {one: None, two: {"name": "renamed"}, "new": {"name": "new"}}},
        }
        after = patched(before, patch)
        self.assertEqual(before, configuration())
        self.assertEqual(after["serial_no"], 99)
        self.assertNotIn(one, after["instances"])
        self.assertEqual(
            (after["instances"][two]["name"], after["instances"]["new"]["name"]), ("renamed", "new")
        )
        self.assertIs(after["nodes"], before["nodes"])
