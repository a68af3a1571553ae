"""
Tests for L{gnttwist.config.bootstrap}.
"""

import json
import random
from importlib.resources import files
from typing import Any

import msgspec

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config import export, importing
from gnttwist.config.bootstrap import EPOCH_KEY, initialise, new_cluster
from gnttwist.config.service import Configuration
from gnttwist.config.snapshot import AnyObject, Snapshot
from gnttwist.errors import OpPrereqError
from gnttwist.model.job import Job
from gnttwist.model.objects import Cluster, Instance
from gnttwist.model.opcodes import parse
from gnttwist.model.stored import decode
from gnttwist.store.interface import Committed, Put, Transaction
from gnttwist.testing.store import MemoryStore

GOLDEN = json.loads(files("tests.golden").joinpath("config-3.0.json").read_text())
NODES = [("node1.example.com", "192.0.2.1"), ("node2.example.com", "192.0.2.2")]
CERTIFICATES = {"node1.example.com": "AA:AA", "node2.example.com": "BB:BB"}


def made(**options: Any) -> list[AnyObject]:
    """
    A new cluster's objects.
    """
    arguments: dict[str, Any] = {
        "name": "cluster.example.com",
        "nodes": NODES,
        "enabled_hypervisors": ["fake"],
        "enabled_disk_templates": ["file", "diskless"],
        "now": 1234.5,
        "source": random.Random(1),
        "candidate_certs": CERTIFICATES,
    }
    return new_cluster(**{**arguments, **options})


class NewClusterTests(SynchronousTestCase):
    """
    Tests for L{new_cluster}.
    """

    def snapshot(self, **options: Any) -> Snapshot:
        """
        The configuration of a new cluster.
        """
        cluster, *others = made(**options)
        assert isinstance(cluster, Cluster)
        return Snapshot(cluster=cluster, serial=1).with_objects(others)

    def test_shape(self) -> None:
        """
        A new cluster has one group, its nodes in it, the first of them master, and is a valid file of Ganeti's.
        """
        config = self.snapshot()
        importing.check(config)
        self.assertEqual([each.name for each in config.groups], ["default"])
        self.assertEqual([each.name for each in config.nodes], [name for name, _ in NODES])
        self.assertEqual((config.master.name, config.cluster.master_ip), NODES[0])
        self.assertEqual(importing.import_data(export.config_data(config)).snapshot.nodes, config.nodes)

    def test_members(self) -> None:
        """
        Every member that a real cluster has is there, with values of the same types.
        """
        exported = export.config_data(self.snapshot())
        real = GOLDEN["cluster"]
        self.assertEqual(set(real) - set(exported["cluster"]), {"dsahostkeypub"})
        self.assertEqual(set(exported["cluster"]) - set(real), set())
        for name, value in exported["cluster"].items():
            kinds = (int, float) if isinstance(value, int | float) else type(value)
            self.assertIsInstance(real[name], kinds, name)
        self.assertEqual(exported["cluster"]["hvparams"], real["hvparams"])
        self.assertEqual(exported["cluster"]["ipolicy"]["disk-templates"], ["file", "diskless"])

    def test_differing(self) -> None:
        """
        Parameters and members that are given replace the defaults, and leave the others.
        """
        cluster = self.snapshot(
            hvparams={"kvm": {"kernel_path": ""}},
            beparams={"maxmem": 64},
            nicparams={"mode": "routed"},
            ndparams={"ssh_port": 2222},
            ipolicy={"vcpu-ratio": 8.0},
            members={"mac_prefix": "aa:00:01"},
            master_ip="192.0.2.100",
        ).cluster
        self.assertEqual(cluster.hvparams["kvm"]["kernel_path"], "")
        self.assertEqual(cluster.hvparams["kvm"]["acpi"], True)
        self.assertEqual(cluster.beparams["default"]["maxmem"], 64)
        self.assertEqual(cluster.nicparams["default"], {"mode": "routed", "link": "br0", "vlan": ""})
        self.assertEqual(cluster.ndparams["ssh_port"], 2222)
        self.assertEqual((cluster.ipolicy["vcpu-ratio"], cluster.ipolicy["spindle-ratio"]), (8.0, 32.0))
        self.assertEqual((cluster.mac_prefix, cluster.master_ip), ("aa:00:01", "192.0.2.100"))

    def test_candidates(self) -> None:
        """
        Nodes beyond the pool are not master candidates, and their certificates are not accepted as such.
        """
        config = self.snapshot(members={"candidate_pool_size": 1})
        self.assertEqual([each.master_candidate for each in config.nodes], [True, False])
        self.assertEqual(config.cluster.candidate_certs, {config.master.uuid: "AA:AA"})

    def test_refused(self) -> None:
        """
        What does not exist is refused and named.
        """
        for options, word in (
            ({"enabled_hypervisors": ["vmware"]}, "vmware"),
            ({"enabled_hypervisors": []}, "hypervisor"),
            ({"enabled_disk_templates": ["tape"]}, "tape"),
            ({"hvparams": {"vmware": {}}}, "vmware"),
            ({"hvparams": {"kvm": {"speed": 1}}}, "speed"),
            ({"members": {"colour": "red"}}, "colour"),
            ({"nodes": []}, "node"),
            ({"nodes": [NODES[0], NODES[0]]}, "once"),
            ({"candidate_certs": {}}, "certificate"),
        ):
            error = self.assertRaises(OpPrereqError, made, **options)
            self.assertIn(word, str(error))

    def test_same_again(self) -> None:
        """
        The objects depend on the arguments alone.
        """
        self.assertEqual(made(), made())


class InitialiseTests(SynchronousTestCase):
    """
    Tests for L{initialise}.
    """

    def initialise(self, store: MemoryStore, objects: list[AnyObject], **options: Any) -> Deferred[None]:
        """
        Initialise a store.
        """
        return Deferred.fromCoroutine(
            initialise(store, objects, now=1234.5, source=random.Random(2), **options)
        )

    def load(self, store: MemoryStore) -> Snapshot:
        """
        The configuration in a store.
        """

        def fatal(failure: Failure) -> None:
            self.fail(f"a second writer: {failure}")

        config = Configuration(store, fatal)
        self.successResultOf(Deferred.fromCoroutine(config.load()))
        return config.snapshot

    def test_new(self) -> None:
        """
        A new cluster is in the store with an epoch, serial number 1, and its first job queued.
        """
        store = MemoryStore()
        objects = made()
        self.successResultOf(self.initialise(store, objects, submitter=7))
        config = self.load(store)
        self.assertEqual((config.serial, config.ctime, config.mtime), (1, 1234.5, 1234.5))
        self.assertEqual(config.cluster, objects[0])
        (epoch,) = self.successResultOf(store.range(EPOCH_KEY)).entries
        self.assertEqual(len(epoch.value), 36)
        serial, job = (
            self.successResultOf(store.range(key)).entries[0].value for key in ("/jobs/serial", "/jobs/job/")
        )
        self.assertEqual(serial, b"1")
        first = decode(Job, job)
        self.assertEqual((first.id, first.status, first.submitter, len(first.seed)), (1, "queued", 7, 32))
        self.assertEqual([parse(each.input).op_id() for each in first.ops], ["OP_CLUSTER_POST_INIT"])
        self.assertEqual(
            [source for source, _, _ in first.ops[0].input["reason"]],
            ["gnt:client:gnt-cluster", "gnt:opcode:cluster_post_init"],
        )

    def test_again(self) -> None:
        """
        A store that has a cluster is refused, and stays as it is.
        """
        store = MemoryStore()
        self.successResultOf(self.initialise(store, made()))
        before = store.revision
        failure = self.failureResultOf(self.initialise(store, made()), OpPrereqError)
        self.assertIn("already", str(failure.value))
        self.assertEqual(store.revision, before)

    def test_import(self) -> None:
        """
        An imported configuration goes on from the file's serial number.
        """
        store = MemoryStore()
        found = importing.import_data(GOLDEN)
        self.successResultOf(self.initialise(store, found.objects, serial=found.serial, ctime=found.ctime))
        config = self.load(store)
        self.assertEqual((config.serial, config.ctime), (21, found.ctime))
        self.assertEqual(config.instances, found.snapshot.instances)

    def test_interrupted(self) -> None:
        """
        A large cluster whose making was interrupted anywhere is made whole by trying again, without remains.
        """
        objects = made()
        node = next(iter(Snapshot(cluster=_cluster(objects), serial=1).with_objects(objects).nodes))
        one = Instance(uuid="i", name="i", primary_node=node.uuid, os="", hypervisor="fake")
        large = [
            *objects,
            *(msgspec.structs.replace(one, uuid=f"i{n}", name=f"i{n}.example.com") for n in range(250)),
        ]
        boundaries = [committed.revision for committed, _ in self.stops(large)]
        self.assertEqual(boundaries, [1, 2, 3])
        for _, survivor in self.stops(large)[:-1]:
            self.successResultOf(survivor.transact(Transaction([Put("/config/instance/stray", b"{}")])))
            self.successResultOf(self.initialise(survivor, large))
            self.assertEqual(len(self.load(survivor).instances), 250)

    def stops(self, objects: list[AnyObject]) -> list[tuple[Committed, MemoryStore]]:
        """
        Each boundary of an initialisation, and what a crash there leaves.
        """
        found: list[tuple[Committed, MemoryStore]] = []

        def stop(transaction: Transaction, committed: Committed) -> None:
            found.append((committed, running[0].copy()))

        running = [MemoryStore(on_commit=stop)]
        self.successResultOf(self.initialise(running[0], objects))
        return found


def _cluster(objects: list[AnyObject]) -> Cluster:
    (found,) = (each for each in objects if isinstance(each, Cluster))
    return found
