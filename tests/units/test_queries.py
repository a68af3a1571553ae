"""
Tests for L{gnttwist.units.queries}: carried out by a whole queue, on the engine that answers clients.
"""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.jobs import journaled
from gnttwist.units.queries import OS_FIELDS
from tests.faults.test_master_boundaries import real_world
from tests.jobs.world import Master


class QueryTests(SynchronousTestCase):
    """
    Queries put as jobs.
    """

    def setUp(self) -> None:
        self.master = Master(real_world()).start()

    def asked(self, op_id: str, **members: Any) -> tuple[str, Any]:
        """
        State and result of a job of one opcode.
        """
        job = self.master.submit({"OP_ID": op_id, **members})
        self.master.finish()
        [op] = self.master.view(job).job.ops
        return op.status, op.result

    def answer(self, op_id: str, **members: Any) -> Any:
        """
        The result of a job that succeeds.
        """
        status, result = self.asked(op_id, **members)
        self.assertEqual(status, "success", result)
        return result

    def test_nodes(self) -> None:
        """
        The filter is LUXI's, and so is the answer; a field that there is not gives a column of such.
        """
        found = self.answer("OP_QUERY", what="node", fields=["name", "x"], qfilter=["==", "name", "node2"])
        self.assertEqual(found["data"], [[[0, "node2.example.com"], [1, None]]])
        self.assertEqual([each["kind"] for each in found["fields"]], ["text", "unknown"])

    def test_jobs(self) -> None:
        """
        A job that lists the jobs finds itself at work.
        """
        found = self.answer("OP_QUERY", what="job", fields=["id", "status"])
        self.assertEqual(found["data"], [[[0, 1], [0, "running"]]])

    def test_wrong(self) -> None:
        """
        What is wrong ends the job with the same error that LUXI has.
        """
        for members, name in (
            ({"what": "node", "fields": ["name"], "qfilter": ["==", "nope", 1]}, "ParameterError"),
            ({"what": "os", "fields": ["name"], "qfilter": ["==", "nope", 1]}, "ParameterError"),
            ({"what": "extstorage", "fields": ["name"]}, "GenericError"),
            ({"what": "node", "fields": ["name"], "qfilter": ["==", "name", "nope"]}, "OpPrereqError"),
        ):
            status, result = self.asked("OP_QUERY", **members)
            self.assertEqual((status, result[0]), ("error", name), result)

    def test_systems(self) -> None:
        """
        Operating systems are those of the nodes; one that cannot be used is shown to who asks whether it can.
        """
        found = self.answer("OP_QUERY", what="os", fields=["name", "variants"], qfilter=["?", "trusted"])
        self.assertEqual(found["data"], [[[0, "noop"], [0, []]], [[0, "tiny"], [0, ["large", "small"]]]])
        found = self.answer("OP_QUERY", what="os", fields=["name", "valid", "x"])
        self.assertEqual(found["data"][0], [[0, "broken"], [0, False], [1, None]])

    def test_fields(self) -> None:
        """
        Fields are told for all kinds, operating systems and the cluster among them.
        """
        found = self.answer("OP_QUERY_FIELDS", what="cluster", fields=["name", "x"])["fields"]
        self.assertEqual([each["kind"] for each in found], ["text", "unknown"])
        self.assertEqual(
            [each["name"] for each in self.answer("OP_QUERY_FIELDS", what="os")["fields"]], sorted(OS_FIELDS)
        )

    def test_cluster(self) -> None:
        """
        Values of the cluster come in the order of the fields; one that there is not is refused by name.
        """
        fields = ["master_node", "cluster_name", "drain_flag", "watcher_pause"]
        self.assertEqual(
            self.answer("OP_CLUSTER_CONFIG_QUERY", output_fields=fields),
            ["node1.example.com", "cluster.example.com", False, None],
        )
        status, result = self.asked("OP_CLUSTER_CONFIG_QUERY", output_fields=["name", "colour"])
        self.assertIn("colour", str(result))
        self.assertEqual(status, "error")

    def test_too_long(self) -> None:
        """
        An answer that no job can hold is refused, and others go on.
        """
        self.patch(journaled, "MAX_ANSWER", 10)
        status, result = self.asked("OP_QUERY", what="node", fields=["name"])
        self.assertEqual((status, result[0]), ("error", "OpExecError"))
        self.assertIn("ask for less", str(result))
