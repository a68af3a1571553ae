"""
Tests for L{gnttwist.units.renew}.
"""

import hashlib
from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config.export import ssconf, ssconf_text
from gnttwist.errors import JobCanceled, NotAnswering, OpExecError, OpPrereqError
from gnttwist.jobs.context import LockMode
from gnttwist.model.objects import COMING_CERTIFICATES
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.locking import CERTIFICATES
from gnttwist.units.renew import CANDIDATES, renew
from tests.units.world import World, cluster_of, uuid

RENEW = {"OP_ID": "OP_CLUSTER_RENEW_CRYPTO"}


class Nodes(World):
    """
    Nodes that have what the configuration says, as soon as it does.

    @ivar job: Whose configuration.
    @ivar history: Each change of a certificate, with the digests that may call at that time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.job: MemoryJobContext | None = None
        self.using: dict[str, str] = {}
        self.coming: dict[str, str] = {}
        self.lagging: set[str] = set()
        self.history: list[tuple[str, ...]] = []

    def _node_verify(self, state: Any, asked: Any, cluster: str, parameters: Any) -> Any:
        [path] = asked["filelist"]
        if state.name in self.lagging:
            return {"filelist": {}}
        assert self.job is not None
        text = ssconf_text(ssconf(self.job.config_now)["master_candidates_certs"])
        digest = hashlib.sha1(text.encode()).hexdigest() if path == CANDIDATES else f"digest of {path}"
        return {"filelist": {path: digest}}

    def _renew_secret(self, state: Any, name: str, rsa: bool) -> None:
        self.history.append(("secret", state.name, name))

    def _cluster_certificate(self, state: Any, step: str, rsa: bool) -> str:
        self.history.append(("cluster", state.name, step))
        return "digest"

    def _node_certificate(self, state: Any, step: str, rsa: bool) -> list[str | None]:
        name = state.name
        self.using.setdefault(name, f"old {name}")
        if step == "make":
            self.coming[name] = f"new {name}"
        else:
            self.using[name] = self.coming.pop(name)
            self.history.append(("use", name))
        self.check(name)
        return [self.using[name], self.coming.get(name)]

    def check(self, name: str) -> None:
        """
        What a node uses may call, at any time.
        """
        assert self.job is not None
        lines = ssconf(self.job.config_now)["master_candidates_certs"]
        node = self.job.config_now.nodes.named(name)
        assert node is not None
        if node.master_candidate:
            assert f"{node.uuid}={self.using[name]}" in lines, (name, self.using, lines)


class RenewTests(SynchronousTestCase):
    """
    Tests for L{renew}.
    """

    def setUp(self) -> None:
        self.world = Nodes()
        names = {number: f"node{number}.example.com" for number in (1, 2, 3)}
        self.config = cluster_of(
            3, candidate_certs={uuid(number): f"old {name}" for number, name in names.items()}
        )

    def offline(self, number: int) -> None:
        """
        Mark a node offline beforehand.
        """
        node = msgspec.structs.replace(self.config.nodes[uuid(number)], offline=True)
        self.config = self.config.with_objects([node])

    def ran(self, **members: Any) -> MemoryJobContext:
        """
        Carry out the opcode.
        """
        self.world.job = MemoryJobContext(self.config, self.world)
        self.world.job.run(renew, parse({**RENEW, **members}))
        return self.world.job

    def test_nodes(self) -> None:
        """
        All candidates' next certificates may call before any is used, and the old ones after that no more.
        """
        job = self.ran(node_certificates=True)
        cluster = job.config_now.cluster
        self.assertEqual(cluster.candidate_certs, {uuid(n): f"new node{n}.example.com" for n in (1, 2, 3)})
        self.assertNotIn(COMING_CERTIFICATES, cluster.extra)
        self.assertEqual(len(self.world.history), 3)
        self.assertEqual(job.locks.held(7)[CERTIFICATES], LockMode.EXCLUSIVE)

    def test_not_candidates(self) -> None:
        """
        Nodes that are no candidates have new certificates, too, which may not call.
        """
        node = msgspec.structs.replace(self.config.nodes[uuid(3)], master_candidate=False)
        self.config = self.config.with_objects(
            [
                node,
                msgspec.structs.replace(
                    self.config.cluster,
                    candidate_certs={uuid(n): f"old node{n}.example.com" for n in (1, 2)},
                ),
            ]
        )
        job = self.ran(node_certificates=True)
        self.assertEqual(set(job.config_now.cluster.candidate_certs), {uuid(1), uuid(2)})
        self.assertEqual(self.world.using["node3.example.com"], "new node3.example.com")

    def test_cluster(self) -> None:
        """
        The cluster's certificate is made anew in steps around the nodes'.
        """
        self.ran(cluster_certificate=True)
        master = "node1.example.com"
        self.assertEqual(
            [each for each in self.world.history if each[0] == "cluster"],
            [("cluster", master, step) for step in ("begin", "switch", "finish")],
        )
        self.assertEqual(
            [each[0] for each in self.world.history], ["cluster"] * 2 + ["use"] * 3 + ["cluster"]
        )

    def test_secrets(self) -> None:
        """
        Secrets and certificates of other kinds are made on the master, and nothing else is touched.
        """
        job = self.ran(confd_hmac_key=True, cluster_domain_secret=True, rapi_certificate=True)
        self.assertEqual(
            [each[2] for each in self.world.history], ["cluster-domain-secret", "hmac.key", "rapi.pem"]
        )
        self.assertEqual(job.config_now, self.config)

    def test_killed_and_repeated(self) -> None:
        """
        Cancelled at any step, what nodes use is accepted, and the opcode repeated ends as if it had not been.
        """
        steps = len(self.ran(cluster_certificate=True).steps)
        for midway in (False, True):
            for stop in range(1, steps):
                self.world = Nodes()
                job = MemoryJobContext(self.config, self.world, stop_at=stop, midway=midway)
                self.world.job = job
                op = parse({**RENEW, "cluster_certificate": True})
                self.assertRaises(JobCanceled, job.run, renew, op)
                for name in self.world.using:
                    self.world.check(name)
                again = MemoryJobContext(job.config_now, self.world)
                self.world.job = again
                again.run(renew, parse({**RENEW, "cluster_certificate": True}))
                self.assertEqual(
                    again.config_now.cluster.candidate_certs,
                    {uuid(n): f"new node{n}.example.com" for n in (1, 2, 3)},
                )
                self.assertEqual(again.config_now.cluster.extra, {})

    def test_lagging(self) -> None:
        """
        Where a node does not get a file, the opcode ends before the next step, and says which node.
        """
        self.world.lagging = {"node3.example.com"}
        error = self.assertRaises(OpExecError, self.ran, node_certificates=True)
        self.assertIn("node3.example.com", str(error))
        self.assertEqual(self.world.history, [])

    def test_offline(self) -> None:
        """
        An offline node is left out, which is told.
        """
        self.offline(3)
        job = self.ran(node_certificates=True)
        self.assertNotIn("node3.example.com", self.world.using)
        self.assertIn("node3.example.com is offline", job.lines[0])

    def test_refused(self) -> None:
        """
        Nothing to renew, SSH keys, or a silent node: refused before anything is touched.
        """
        for members, words in (({}, "nothing"), ({"renew_ssh_keys": True}, "SSH")):
            self.assertIn(words, str(self.assertRaises(OpPrereqError, self.ran, **members)))
        self.world.failing["version"] = lambda node: NotAnswering("silent")
        error = self.assertRaises(OpPrereqError, self.ran, node_certificates=True)
        self.assertEqual(error.args[1], "environment_error")
        self.assertEqual(self.world.history, [])

    def test_dry_run(self) -> None:
        """
        A dry run asks all nodes, and changes nothing.
        """
        job = self.ran(cluster_certificate=True, dry_run=True)
        self.assertEqual((len(job.called("version")), self.world.history), (3, []))
