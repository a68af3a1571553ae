"""
Tests for L{gnttwist.query.run} beyond what was recorded.
"""

from typing import Any

import msgspec

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, OpPrereqError, ParameterError
from gnttwist.jobs.context import LockMode
from gnttwist.jobs.locks import LockRow
from gnttwist.model.job import Job, LogEntry, QueuedOp
from gnttwist.model.names import nice_key
from gnttwist.model.objects import Instance
from gnttwist.query.fields.live import storage_units
from gnttwist.query.run import LOOKED_AT, RESOURCES, TURN, query, query_values
from gnttwist.query.sources import Sources
from tests.query.sources import NODE_INFO, FakeJobs, FakeNodes, View, recorded_config, sources, with_nodes

NODE = "node1.example.com"
INSTANCE = "inst1.example.com"
GUEST = {"memory": 64, "vcpus": 1, "state": 0, "time": 0}


class QueryTestCase(SynchronousTestCase):
    """
    Queries of the recorded configuration.
    """

    def ask(self, kind: str, fields: list[str], wanted: object, read: Sources) -> list[list[list[Any]]]:
        """
        The rows of a query's answer.
        """
        result = self.successResultOf(Deferred.fromCoroutine(query(kind, fields, wanted, read)))
        rows: list[list[list[Any]]] = result["data"]
        return rows

    def fail_to_ask(self, kind: str, fields: list[str], wanted: object, read: Sources) -> Exception:
        """
        What a query fails with.
        """
        failure = self.failureResultOf(Deferred.fromCoroutine(query(kind, fields, wanted, read)))
        assert isinstance(failure.value, Exception)
        return failure.value


class RowTests(QueryTestCase):
    """
    Tests for which rows are answered, and in which order.
    """

    def test_named_order(self) -> None:
        """
        Rows that are asked for by name come in the order asked for, by short name, name or UUID.
        """
        config = recorded_config()
        uuid = config.instances.find("inst1").uuid
        wanted = ["|", ["=", "name", "inst2"], ["=", "name", uuid], ["=", "name", "inst2.example.com"]]
        rows = self.ask("instance", ["name"], wanted, sources(config))
        self.assertEqual([row[0][1][:5] for row in rows], ["inst2", "inst1", "inst2"])

    def test_unknown_name(self) -> None:
        """
        One unknown name among several fails the query, naming it.
        """
        error = self.fail_to_ask(
            "group", ["name"], ["|", ["=", "name", "default"], ["=", "name", "x"]], sources()
        )
        self.assertIsInstance(error, OpPrereqError)
        self.assertEqual(error.args, ("NodeGroup name x not found", ECode.NOENT))

    def test_nice_order(self) -> None:
        """
        Other rows are sorted with numbers by their value.
        """
        config = with_nodes(recorded_config(), "node10.example.com", "node2.example.com")
        rows = self.ask("node", ["name"], ["=~", "name", "example"], sources(config))
        self.assertEqual([row[0][1].split(".")[0] for row in rows], ["node1", "node2", "node10"])
        self.assertLess(nice_key("a"), nice_key("a1"))

    def test_unknown_filter_field(self) -> None:
        """
        A filter on a field that there is not is an error, even where there are no rows.
        """
        error = self.fail_to_ask("lock", ["name"], ["==", "nope", 1], sources())
        self.assertIsInstance(error, ParameterError)
        self.assertEqual(error.args, ("Can't find field named 'nope'",))

    def test_unknown_selected(self) -> None:
        """
        The older calls refuse fields that there are not.
        """
        failure = self.failureResultOf(
            Deferred.fromCoroutine(query_values("node", [], ["name", "nope"], sources())), OpPrereqError
        )
        self.assertIn("nope", str(failure.value))

    def test_values_of_unknown_names(self) -> None:
        """
        The older calls leave out what is not there.
        """
        read = sources()
        for names, found in (
            (["inst2", "nope", "inst1"], [["inst2.example.com"], ["inst1.example.com"]]),
            (["nope"], []),
        ):
            answer = Deferred.fromCoroutine(query_values("instance", names, ["name"], read))
            self.assertEqual(self.successResultOf(answer), found)

    def test_networks(self) -> None:
        """
        A network counts its addresses, and tells who uses it.
        """
        names = [
            "free_count",
            "reserved_count",
            "external_reservations",
            "group_list",
            "inst_list",
            "group_cnt",
        ]
        [row] = self.ask("network", names, ["=", "name", "net1"], sources())
        self.assertEqual(
            [value for _, value in row],
            [
                252,
                4,
                "192.0.2.0, 192.0.2.1, 192.0.2.255",
                [["default", "bridged", "br0", ""]],
                ["inst1.example.com"],
                1,
            ],
        )
        [[[_, found]]] = self.ask("network", ["map"], None, sources())
        self.assertEqual((len(found), found[:4], found[-2:]), (256, "XXX.", ".X"))

    def test_exports(self) -> None:
        """
        A node has a row for each of its exports, and none when it has none.
        """
        config = with_nodes(recorded_config(), "node2.example.com", "node3.example.com")
        nodes = FakeNodes(
            {
                ("export_list", "node1.example.com"): ["web2", "web10"],
                ("export_list", "node2.example.com"): [],
                ("export_list", "node3.example.com"): {"not": "a list"},
            }
        )
        read = sources(config, nodes)
        self.assertEqual(
            self.ask("export", ["node", "export"], None, read),
            [
                [[0, "node1.example.com"], [0, "web2"]],
                [[0, "node1.example.com"], [0, "web10"]],
                [[0, "node3.example.com"], [2, None]],
            ],
        )
        self.assertEqual(
            self.ask("export", ["export"], ["=", "export", "web10"], read), [[[0, "web10"]], [[2, None]]]
        )

    def test_portions(self) -> None:
        """
        A long answer lets others use the reactor between its portions, and is whole.
        """
        config = recorded_config()
        model = config.instances.find("inst1")
        names = [f"web{index}.example.com" for index in range(300)]
        config = config.with_objects([msgspec.structs.replace(model, name=each, uuid=each) for each in names])
        turns: list[Deferred[None]] = []

        def pause() -> Deferred[None]:
            turns.append(Deferred())
            return turns[-1]

        clock = Clock()

        def seconds() -> float:
            clock.advance(TURN)
            return clock.seconds()

        read = sources(config, pause=pause, seconds=seconds)
        answer = Deferred.fromCoroutine(query("instance", ["name"], ["=~", "name", "^web"], read))
        while not answer.called:
            self.assertLess(len(turns), 100)
            turns[-1].callback(None)
        # Finding the rows has a turn of its own.
        self.assertGreaterEqual(len(turns), 1 + 300 // LOOKED_AT)
        self.assertEqual([row[0][1] for row in self.successResultOf(answer)["data"]], names)

    def test_every_field(self) -> None:
        """
        Every field of every resource gives a value or a status that clients know, also without nodes' answers.
        """
        op = QueuedOp(input={"OP_ID": "OP_NOPE"})
        jobs = FakeJobs({1: View(Job(id=1, ops=[op], seed="", received_timestamp=(1, 2)))})
        locks = [LockRow("cluster/BGL", None, (), ((LockMode.SHARED, 1),))]
        for kind, resource in RESOURCES.items():
            names = sorted(resource.fields)
            rows = self.ask(kind, names, None, sources(jobs=jobs, locks=locks))
            self.assertNotEqual(rows, [])
            for row in rows:
                for name, (status, value) in zip(names, row, strict=True):
                    self.assertIn(status, (0, 2, 3), name)
                    self.assertEqual(status == 0, value is not None, name)


class LiveTests(QueryTestCase):
    """
    Tests for what nodes are asked, and what becomes of their answers.
    """

    def config(self, name: str = INSTANCE, **members: Any) -> Snapshot:
        """
        The recorded configuration with one instance changed.
        """
        config = recorded_config()
        return config.with_object(msgspec.structs.replace(config.instances.find(name), **members))

    def status(self, answer: Any, **members: Any) -> list[Any]:
        """
        The state of the instance, what it says of itself, and its memory.
        """
        config = self.config(**members)
        nodes = FakeNodes({("all_instances_info", NODE): answer})
        fields = ["status", "oper_state", "oper_ram"]
        [row] = self.ask("instance", fields, ["=", "name", INSTANCE], sources(config, nodes))
        return row

    def test_states(self) -> None:
        """
        What an instance is and what it should be make its state.
        """
        ended = {INSTANCE: {**GUEST, "state": 1}}
        for answer, members, expected in (
            ({INSTANCE: GUEST}, {"admin_state": "up"}, [[0, "running"], [0, True], [0, 64]]),
            ({INSTANCE: GUEST}, {"admin_state": "down"}, [[0, "ERROR_up"], [0, True], [0, 64]]),
            ({}, {"admin_state": "up"}, [[0, "ERROR_down"], [0, False], [3, None]]),
            ({}, {"admin_state": "down"}, [[0, "ADMIN_down"], [0, False], [3, None]]),
            ({}, {"admin_state": "offline"}, [[0, "ADMIN_offline"], [0, False], [3, None]]),
            (ended, {"admin_state": "up"}, [[0, "ERROR_down"], [0, False], [3, None]]),
            (None, {"admin_state": "up"}, [[0, "ERROR_nodedown"], [2, None], [2, None]]),
            ("junk", {"admin_state": "up"}, [[0, "ERROR_nodedown"], [2, None], [2, None]]),
        ):
            self.assertEqual(self.status(answer, **members), expected)

    def test_user_shutdown(self) -> None:
        """
        A guest that was shut down from within is no error where the cluster allows that.
        """
        config = self.config(admin_state="up")
        config = config.with_object(msgspec.structs.replace(config.cluster, enabled_user_shutdown=True))
        nodes = FakeNodes({("all_instances_info", NODE): {INSTANCE: {**GUEST, "state": 1}}})
        [row] = self.ask("instance", ["status"], ["=", "name", "inst1"], sources(config, nodes))
        self.assertEqual(row, [[0, "USER_down"]])

    def test_wrong_node(self) -> None:
        """
        An instance that runs on another instance's node is found there.
        """
        config = with_nodes(self.config(admin_state="up"), "node2.example.com")
        other = config.instances.find("inst2")
        config = config.with_object(msgspec.structs.replace(other, primary_node="uuid-of-node2.example.com"))
        nodes = FakeNodes(
            {("all_instances_info", NODE): {}, ("all_instances_info", "node2.example.com"): {INSTANCE: GUEST}}
        )
        rows = self.ask("instance", ["status"], None, sources(config, nodes))
        self.assertEqual(rows, [[[0, "ERROR_wrongnode"]], [[0, "ADMIN_down"]]])

    def test_offline(self) -> None:
        """
        A node that is marked offline is not asked, and its cells say why they are empty.
        """
        config = recorded_config()
        config = config.with_object(msgspec.structs.replace(config.master, offline=True))
        nodes = FakeNodes()
        self.assertEqual(
            self.ask(
                "instance", ["status", "oper_ram", "console"], ["=", "name", "inst1"], sources(config, nodes)
            ),
            [[[0, "ERROR_nodeoffline"], [4, None], [4, None]]],
        )
        self.assertEqual(
            self.ask("node", ["mfree", "bootid"], None, sources(config, nodes)), [[[4, None], [4, None]]]
        )
        self.assertEqual(nodes.asked, [])

    def test_silent_among_others(self) -> None:
        """
        A silent node has no data; the others' data are not less for it.
        """
        config = with_nodes(recorded_config(), "node2.example.com")
        config = with_nodes(config, "node3.example.com", vm_capable=False)
        nodes = FakeNodes({("node_info", NODE): NODE_INFO})
        rows = self.ask("node", ["mfree"], None, sources(config, nodes))
        self.assertEqual(rows, [[[0, 23693]], [[2, None]], [[3, None]]])
        self.assertNotIn(("node_info", "node3.example.com"), nodes.asked)

    def test_not_asked(self) -> None:
        """
        Nodes are not asked where no live field is wanted, nor about rows that cannot match.
        """
        nodes = FakeNodes({("all_instances_info", NODE): {}})
        read = sources(nodes=nodes)
        self.ask("instance", ["name", "be/maxmem"], None, read)
        self.assertEqual(self.ask("instance", ["status"], ["=~", "name", "^nope"], read), [])
        self.assertEqual(nodes.asked, [])
        self.ask("instance", ["name"], ["==", "status", "running"], read)
        self.assertEqual(nodes.asked, [("all_instances_info", NODE)])

    def test_live_filter(self) -> None:
        """
        A filter on a live field is decided by the nodes' answer, negated or not.
        """
        nodes = FakeNodes({("all_instances_info", NODE): {INSTANCE: GUEST}})
        read = sources(self.config(admin_state="up"), nodes)
        running = ["==", "status", "running"]
        self.assertEqual(self.ask("instance", ["name"], running, read), [[[0, INSTANCE]]])
        self.assertEqual(self.ask("instance", ["name"], ["!", running], read), [[[0, "inst2.example.com"]]])

    def test_storage_units(self) -> None:
        """
        A node is asked for the space that disks of the enabled templates lie on, each once.
        """
        config = recorded_config()
        cluster = msgspec.structs.replace(
            config.cluster,
            enabled_disk_templates=["diskless", "plain", "sharedfile", "drbd", "file"],
            volume_group_name="xenvg",
        )
        self.assertEqual(
            storage_units(config.with_object(cluster)),
            [
                ["lvm-vg", "xenvg", [False]],
                ["sharedfile", "/srv/ganeti/shared-file-storage", []],
                ["file", "/srv/ganeti/file-storage", []],
            ],
        )


class DrbdTests(QueryTestCase):
    """
    Tests for instances with secondary nodes.
    """

    def test_secondary(self) -> None:
        """
        The nodes that hold copies of replicated disks are secondary nodes, seen from both sides.
        """
        config = with_nodes(recorded_config(), "node2.example.com")
        instance = config.instances.find("inst1")
        [disk] = config.disks_of(instance)
        nodes = [instance.primary_node, "uuid-of-node2.example.com"]
        config = config.with_object(msgspec.structs.replace(disk, dev_type="drbd", nodes=nodes))
        read = sources(config)
        self.assertEqual(
            self.ask("instance", ["snodes", "snodes.group", "disk_usage"], ["=", "name", "inst1"], read),
            [[[0, ["node2.example.com"]], [0, ["default"]], [0, 64 + 128]]],
        )
        self.assertEqual(
            self.ask("node", ["sinst_cnt", "sinst_list", "pinst_cnt"], None, read),
            [[[0, 0], [0, []], [0, 2]], [[0, 1], [0, [INSTANCE]], [0, 0]]],
        )

    def test_mixed(self) -> None:
        """
        Disks of several templates are told as mixed.
        """
        config = recorded_config()
        instance = config.instances.find("inst1")
        [disk] = config.disks_of(instance)
        both: Instance = msgspec.structs.replace(instance, disks=[disk.uuid, "d2"])
        config = config.with_objects([msgspec.structs.replace(disk, uuid="d2", dev_type="plain"), both])
        self.assertEqual(
            self.ask("instance", ["disk_template"], ["=", "name", "inst1"], sources(config)), [[[0, "mixed"]]]
        )


class JobTests(QueryTestCase):
    """
    Tests for queries of jobs.
    """

    def setUp(self) -> None:
        ops = [
            QueuedOp(input={"OP_ID": "OP_TEST_DELAY", "duration": 1.5}, status="success", priority=5),
            QueuedOp(input={"OP_ID": "OP_TEST_DELAY", "duration": 2}, status="running", priority=-10),
        ]
        job = Job(id=12, ops=ops, seed="", received_timestamp=(100, 5), start_timestamp=(101, 0))
        log = [
            LogEntry(serial=1, time=(1, 2), type="message", payload="one"),
            LogEntry(serial=2, time=(3, 4), type="message", payload="two", op=1),
        ]
        archived = Job(id=3, ops=ops, seed="", received_timestamp=(50, 0), archived=True)
        self.read = sources(jobs=FakeJobs({12: View(job, log), 3: View(archived)}))

    def test_named(self) -> None:
        """
        Jobs that are named have one row each, in the order asked for, whether archived or not there at all.
        """
        wanted = ["|", ["=", "id", 12], ["=", "id", "3"], ["=", "id", 99], ["=", "id", 12]]
        self.assertEqual(
            self.ask("job", ["id", "status"], wanted, self.read),
            [[[0, 12], [0, "running"]], [[0, 3], [0, "running"]], [[0, 99], [3, None]]],
        )

    def test_ill_named(self) -> None:
        """
        A job id that is no number is refused.
        """
        self.assertIsInstance(self.fail_to_ask("job", ["id"], ["=", "id", "x"], self.read), OpPrereqError)

    def test_archived(self) -> None:
        """
        Archived jobs are listed only where it is asked whether they are.
        """
        self.assertEqual(self.ask("job", ["id"], None, self.read), [[[0, 12]]])
        self.assertEqual(
            self.ask("job", ["id", "archived"], None, self.read), [[[0, 3], [0, True]], [[0, 12], [0, False]]]
        )

    def test_each_opcode(self) -> None:
        """
        Fields about opcodes have one entry each.
        """
        fields = ["summary", "oppriority", "priority", "oplog", "opstart", "end_ts"]
        [row] = self.ask("job", fields, ["=", "id", 12], self.read)
        self.assertEqual(
            row,
            [
                [0, ["TEST_DELAY(1.5)", "TEST_DELAY(2)"]],
                [0, [5, -10]],
                [0, -10],
                [0, [[[1, [1, 2], "message", "one"]], [[2, [3, 4], "message", "two"]]]],
                [0, [None, None]],
                [3, None],
            ],
        )

    def test_times(self) -> None:
        """
        Filters compare the seconds of times; one that is not set yet passes.
        """
        for wanted, expected in (
            (["<", "received_ts", 101], 1),
            ([">", "received_ts", 100], 0),
            (["<", "end_ts", 5], 1),
        ):
            self.assertEqual(len(self.ask("job", ["id"], wanted, self.read)), expected)


class LockTests(QueryTestCase):
    """
    Tests for queries of locks.
    """

    def test_rows(self) -> None:
        """
        Owners are texts, and those who wait come in order with the mode they want.
        """
        locks = [
            LockRow("instance/b", LockMode.SHARED, (4, 7), ((LockMode.EXCLUSIVE, 9), (LockMode.SHARED, 10))),
            LockRow("cluster/BGL", None, (), ((LockMode.SHARED, 11),)),
        ]
        read = sources(locks=locks)
        fields = ["name", "mode", "owner", "pending"]
        self.assertEqual(
            self.ask("lock", fields, None, read),
            [
                [[0, "cluster/BGL"], [3, None], [0, []], [0, [["shared", ["11"]]]]],
                [
                    [0, "instance/b"],
                    [0, "shared"],
                    [0, ["4", "7"]],
                    [0, [["exclusive", ["9"]], ["shared", ["10"]]]],
                ],
            ],
        )
        self.assertEqual(len(self.ask("lock", fields, ["=", "name", "instance/b"], read)), 1)
        self.assertIsInstance(self.fail_to_ask("lock", fields, ["=", "name", "x"], read), OpPrereqError)
