"""
Tests for L{gnttwist.query.kept}, by way of the queries that use it.
"""

from typing import Any

import msgspec

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config.snapshot import Snapshot
from gnttwist.model.job import Job
from gnttwist.model.objects import Instance
from gnttwist.query.kept import SELECTIONS, KeptRows
from gnttwist.query.run import RESOURCES, query, query_values
from tests.query.sources import FakeJobs, FakeNodes, View, recorded_config, sources

NODE = "node1.example.com"
FIELDS = sorted(RESOURCES["instance"].fields)
GUEST = {"memory": 64, "vcpus": 1, "state": 0, "time": 0}


class KeptTests(SynchronousTestCase):
    """
    Tests for L{KeptRows}.
    """

    def setUp(self) -> None:
        self.config = recorded_config()
        self.kept = KeptRows()
        self.nodes = FakeNodes({("all_instances_info", NODE): {"inst1.example.com": GUEST}})

    def ask(self, names: list[str | int] | None = None, fields: list[str] = FIELDS) -> list[Any]:
        """
        Ask with what is kept, and check that it makes no difference, also to queries with cells.
        """
        rows = self._rows(self.config, names or [], fields, self.kept)
        plain = self._rows(self.config, names or [], fields, None)
        self.assertEqual(msgspec.json.decode(msgspec.json.encode(rows)), plain)
        answers = []
        for each in (self.kept, None):
            asking = query("instance", fields, None, sources(self.config, self.nodes), each)
            answers.append(msgspec.json.encode(self.successResultOf(Deferred.fromCoroutine(asking))))
        self.assertEqual(*answers)
        return rows

    def _rows(
        self, config: Snapshot, names: list[str | int], fields: list[str], known: KeptRows | None
    ) -> list[Any]:
        asking = query_values("instance", names, fields, sources(config, self.nodes), known)
        return self.successResultOf(Deferred.fromCoroutine(asking))

    def same(self, before: list[Any], after: list[Any]) -> list[bool]:
        """
        Which rows were not made anew.
        """
        return [one is other for one, other in zip(before, after, strict=True)]

    def test_unchanged(self) -> None:
        """
        What has not changed is not made again, for each selection of fields.
        """
        first, other = self.ask(), self.ask(fields=["name", "status"])
        self.assertEqual(self.same(first, self.ask()), [True] * len(first))
        self.assertEqual(self.same(other, self.ask(fields=["name", "status"])), [True] * len(first))

    def test_changed(self) -> None:
        """
        An instance, one of its disks or what its node tells of it has changed: its row is made anew, no other.
        """
        fields = [each for each in FIELDS if each != "console"]
        instance = self.config.instances.find("inst1")
        disk = self.config.disks_of(instance)[0]
        before = self.ask(fields=fields)
        place = [row[fields.index("name")] for row in map(msgspec.json.decode, before)].index(instance.name)
        expected = [index != place for index in range(len(before))]
        for change in (
            msgspec.structs.replace(instance, tags=["new"]),
            msgspec.structs.replace(disk, size=disk.size + 1),
        ):
            self.config = self.config.with_object(change)
            after = self.ask(fields=fields)
            self.assertEqual(self.same(before, after), expected)
            before = after
        for answer in ({instance.name: {**GUEST, "memory": 65}}, {}):
            self.nodes.answers["all_instances_info", NODE] = answer
            after = self.ask(fields=fields)
            self.assertEqual(self.same(before, after), expected)
            before = after

    def test_inherited(self) -> None:
        """
        Everything is made anew when the cluster, a node or a group has changed: rows show what is inherited.
        """
        before = self.ask()
        for change in (
            msgspec.structs.replace(self.config.cluster, beparams={"default": {"maxmem": 7}}),
            msgspec.structs.replace(self.config.master, name="renamed.example.com"),
            msgspec.structs.replace(next(iter(self.config.groups)), name="renamed"),
        ):
            self.config = self.config.with_object(change)
            after = self.ask()
            self.assertNotIn(True, self.same(before, after))
            before = after

    def test_gone(self) -> None:
        """
        Instances that are gone are not kept, and named ones are answered without what is kept.
        """
        self.ask()
        gone = self.config.instances.find("inst1")
        self.config = self.config.without(Instance, gone.uuid)
        self.assertNotIn(gone.name, [name for (name,) in map(msgspec.json.decode, self.ask(fields=["name"]))])
        named = self.ask(["inst2"], ["name"])
        self.assertEqual([msgspec.json.decode(each) for each in named], [["inst2.example.com"]])

    def test_encoded(self) -> None:
        """
        Rows that cannot be kept are encoded one by one as well: a whole answer at once would hold everybody up.
        """
        jobs = FakeJobs({id: View(Job(id=id, ops=[], seed="", received_timestamp=(1, 2))) for id in (1, 2)})
        answers = [
            self.successResultOf(Deferred.fromCoroutine(query("job", ["id"], None, sources(jobs=jobs), each)))
            for each in (self.kept, None)
        ]
        self.assertTrue(all(isinstance(each, msgspec.Raw) for each in answers[0]["data"]))
        self.assertEqual(*map(msgspec.json.encode, answers))

    def test_bounded(self) -> None:
        """
        Of many selections the newest stay; a list that is too long does not.
        """
        first = self.ask(fields=["name"])
        for number in range(SELECTIONS):
            self.ask(fields=["name", *FIELDS[: number + 1]])
        self.assertNotIn(True, self.same(first, self.ask(fields=["name"])))
        self.kept = KeptRows(10)
        first = self.ask(fields=["name"])
        self.assertNotIn(True, self.same(first, self.ask(fields=["name"])))
