"""
Queries answered as Ganeti 3.0.2 answered them.
"""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import OperationError, to_wire
from gnttwist.model.job import Job, QueuedOp
from gnttwist.query.run import query, query_fields, query_values
from tests.query.sources import NODE_INFO, FakeJobs, FakeNodes, View, recorded_queries, sources

NODE = "node1.example.com"
CONSOLE = "Console not available for fake hypervisor"


def consoles(*names: str) -> dict[str, Any]:
    """
    What the recorded node said about its instances' consoles.
    """
    return {each: {"instance": each, "kind": "msg", "message": CONSOLE} for each in names}


def job_of(cells: dict[str, Any]) -> Job:
    """
    The job that a recorded row is about.
    """
    value = {name: each[1] for name, each in cells.items()}
    ops = [
        QueuedOp(
            input=value["ops"][index],
            status=value["opstatus"][index],
            result=value["opresult"][index],
            priority=value["oppriority"][index],
            start_timestamp=tuple(value["opstart"][index]),
            exec_timestamp=tuple(value["opexec"][index]),
            end_timestamp=tuple(value["opend"][index]),
        )
        for index in range(len(value["ops"]))
    ]
    return Job(
        id=value["id"],
        ops=ops,
        seed="",
        received_timestamp=tuple(value["received_ts"]),
        start_timestamp=tuple(value["start_ts"]),
        end_timestamp=tuple(value["end_ts"]),
        archived=value["archived"],
    )


class GoldenTests(SynchronousTestCase):
    """
    Tests against the recorded answers.
    """

    maxDiff = None

    def setUp(self) -> None:
        self.nodes = FakeNodes(
            {
                ("node_info", NODE): NODE_INFO,
                ("all_instances_info", NODE): {},
                ("instance_console_info", NODE): consoles("inst1.example.com", "inst2.example.com"),
            }
        )
        self.jobs = FakeJobs()

    async def answer(self, method: str, args: list[Any]) -> Any:
        """
        What we answer.
        """
        read = sources(nodes=self.nodes, jobs=self.jobs)
        match method, args:
            case "QueryFields", [kind, names]:
                return query_fields(kind, names)
            case "Query", [kind, fields, wanted]:
                return await query(kind, fields, wanted, read)
            case "QueryJobs", [ids, fields]:
                return await query_values("job", ids, fields, read)
            case "QueryExports", [names, _]:
                return await query_values("export", names, ["node", "export"], read)
            case "QueryFilters", [uuids, fields]:
                return await query_values("filter", uuids, fields, read)
            case _, [names, fields, _]:
                return await query_values(KINDS[method], names, fields, read)
        raise AssertionError(f"nothing answers {method}")

    def check(self, recorded: dict[str, Any]) -> None:
        """
        Ask, and compare with what was recorded.
        """
        result = self.successResultOf(
            Deferred.fromCoroutine(self.answer(recorded["method"], recorded["args"]))
        )
        if isinstance(result, dict):
            for each in result["fields"]:
                self.assertTrue(each.pop("doc").strip())
        self.assertEqual(result, recorded["result"])

    def recorded(self, method: str, *start: Any) -> list[dict[str, Any]]:
        """
        The recorded requests that begin so, of those that succeeded.
        """
        found = [
            each
            for each in recorded_queries()
            if each["method"] == method and each["args"][: len(start)] == list(start) and each["success"]
        ]
        self.assertNotEqual(found, [])
        return found

    def test_fields(self) -> None:
        """
        All fields of each resource have Ganeti's names, titles, kinds and order.
        """
        kinds = []
        for recorded in self.recorded("QueryFields"):
            kinds.append(recorded["args"][0])
            self.check(recorded)
        self.assertEqual(
            sorted(kinds),
            ["export", "filter", "group", "instance", "job", "lock", "network", "node"],
        )

    def test_nodes(self) -> None:
        """
        All cells of a node are as recorded.
        """
        for recorded in self.recorded("Query", "node"):
            self.check(recorded)

    def test_instances(self) -> None:
        """
        All cells of instances are as recorded, selected by name, by expression, and all.
        """
        for recorded in self.recorded("Query", "instance"):
            self.check(recorded)

    def test_groups(self) -> None:
        """
        All cells of groups are as recorded.
        """
        for recorded in self.recorded("Query", "group"):
            self.check(recorded)

    def test_exports(self) -> None:
        """
        A node that does not tell its exports has a row that says so.
        """
        for recorded in self.recorded("Query", "export"):
            self.check(recorded)

    def test_locks(self) -> None:
        """
        Without locks there are no rows.
        """
        for recorded in self.recorded("Query", "lock"):
            self.check(recorded)

    def test_jobs(self) -> None:
        """
        All cells of archived jobs are as recorded; without the field C{archived} they are not looked for.
        """
        for recorded in self.recorded("Query", "job"):
            names = [each["name"] for each in recorded["result"]["fields"]]
            if "archived" in names:
                rows = [dict(zip(names, row, strict=True)) for row in recorded["result"]["data"]]
                self.jobs.views = {each.id: View(each) for each in map(job_of, rows)}
            self.check(recorded)

    def test_older_form(self) -> None:
        """
        The older calls answer plain values, C{null} where there is none.
        """
        [jobs] = self.recorded("QueryJobs")
        first = jobs["result"][0]
        op = QueuedOp(input={"OP_ID": "OP_CLUSTER_POST_INIT"}, status="success", result=True)
        self.jobs.views = {1: View(Job(id=1, ops=[op], seed="", received_timestamp=tuple(first[5])))}
        for method in (*KINDS, "QueryExports", "QueryFilters"):
            [recorded] = self.recorded(method)
            if method == "QueryNodes":
                # Recorded at another moment than the rest.
                self.nodes.answers["node_info", NODE] = [
                    *NODE_INFO[:2],
                    [{**NODE_INFO[2][0], "memory_free": 23715}],
                ]
            self.check(recorded)

    def test_refused(self) -> None:
        """
        What Ganeti refuses is refused with its error; of resources that are not supported only the kind differs.
        """
        for recorded in (each for each in recorded_queries() if not each["success"]):
            failure = self.failureResultOf(
                Deferred.fromCoroutine(self.answer(recorded["method"], recorded["args"])), OperationError
            )
            error = failure.value
            assert isinstance(error, OperationError)
            if recorded["result"][0] == "GenericError":
                self.assertEqual(to_wire(error)[0], "GenericError")
                self.assertIn("not supported", str(error))
            else:
                self.assertEqual(to_wire(error), recorded["result"])


KINDS = {
    "QueryNodes": "node",
    "QueryInstances": "instance",
    "QueryGroups": "group",
    "QueryNetworks": "network",
    "QueryJobs": "job",
}
"""
The older calls, and what they are about.
"""
