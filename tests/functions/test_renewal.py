"""
Tests for L{gnttwist.functions.renewal}.
"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from gnttwist.functions.registry import FunctionError
from gnttwist.functions.renewal import cluster_certificate, node_certificate, renew_secret
from gnttwist.net import certificates
from gnttwist.net.certificates import Credentials
from tests.functions.context import NODE, NodeTestCase

NOW = datetime.now(UTC)


class RenewalTestCase(NodeTestCase):
    """
    A master with its certificates.
    """

    def setUp(self) -> None:
        super().setUp()
        self.paths = self.context.paths
        self.paths.store.touch()
        self.paths.ssconf("cluster_name").write_text("cluster.example.com\n")
        self.old = certificates.new_cluster_certificate(NOW)
        self.own = certificates.new_node_certificate(self.old, NODE, NOW)
        self.paths.server_pem.write_bytes(self.old.pem())
        self.paths.client_pem.write_bytes(self.own.pem())
        self.staged_server = self.paths.data / "server.pem.next"
        self.staged_client = self.paths.data / "client.pem.next"

    def server(self) -> Credentials:
        """
        What server.pem holds.
        """
        return Credentials.from_pem(self.paths.server_pem.read_bytes())

    def cluster(self, *steps: str) -> None:
        """
        Take steps.
        """
        for each in steps:
            self.assertEqual(cluster_certificate(self.context, each, False), self.server().digest)


class ClusterCertificateTests(RenewalTestCase):
    """
    Tests for L{cluster_certificate}.
    """

    def test_steps(self) -> None:
        """
        The next certificate is accepted, then used, and the one before is accepted until the end.
        """
        self.cluster("begin")
        begun = self.server()
        self.assertEqual(begun.digest, self.old.digest)
        [coming] = begun.others
        self.cluster("switch")
        self.assertEqual(self.server().certificate, coming)
        self.assertEqual(self.server().others, (self.old.certificate,))
        self.cluster("finish")
        self.assertEqual((self.server().certificate, self.server().others), (coming, ()))
        self.assertFalse(self.staged_server.exists())

    def test_repeated(self) -> None:
        """
        A step that is repeated changes nothing, and a renewal that is begun again goes on from where it was.
        """
        self.cluster("begin")
        [coming] = self.server().others
        self.cluster("begin")
        self.assertEqual(self.server().others, (coming,))
        self.cluster("switch", "switch", "begin", "switch")
        self.assertEqual(self.server().certificate, coming)
        self.assertEqual(self.server().others, (self.old.certificate,))
        self.cluster("finish", "finish")
        self.assertEqual((self.server().certificate, self.server().others), (coming, ()))

    def test_killed(self) -> None:
        """
        Killed after it has switched and before it has tidied up, it does not forget the one before.
        """
        self.cluster("begin")
        staged = self.staged_server.read_bytes()
        self.cluster("switch")
        self.staged_server.write_bytes(staged)
        self.cluster("begin")
        self.assertEqual(self.server().others, (self.old.certificate,))
        self.assertFalse(self.staged_server.exists())

    def test_stale(self) -> None:
        """
        A next certificate that has expired since it was made is made anew.
        """
        expired = certificates.new_cluster_certificate(NOW - timedelta(days=4000))
        self.staged_server.write_bytes(expired.pem())
        self.cluster("begin")
        self.assertNotEqual(self.server().others, (expired.certificate,))

    def test_rsa(self) -> None:
        """
        The key is of the kind that was asked for.
        """
        cluster_certificate(self.context, "begin", True)
        self.cluster("switch")
        self.assertTrue(self.server().is_rsa)

    def test_refused(self) -> None:
        """
        Only the master does this, and only these steps; nor does it with a damaged file.
        """
        self.assertRaises(FunctionError, cluster_certificate, self.context, "other", False)
        self.paths.server_pem.write_text("damaged")
        self.assertRaises(FunctionError, cluster_certificate, self.context, "begin", False)
        self.paths.store.unlink()
        self.assertRaises(FunctionError, cluster_certificate, self.context, "begin", False)


class NodeCertificateTests(RenewalTestCase):
    """
    Tests for L{node_certificate}.
    """

    def test_steps(self) -> None:
        """
        The next certificate is made once, signed by the cluster's, and then used.
        """
        using, coming = node_certificate(self.context, "make", False)
        self.assertEqual(using, self.own.digest)
        self.assertEqual(node_certificate(self.context, "make", False), [using, coming])
        for _ in range(2):
            self.assertEqual(node_certificate(self.context, "use", False), [coming, None])
        Credentials.from_pem(self.paths.client_pem.read_bytes()).certificate.verify_directly_issued_by(
            self.old.certificate
        )
        self.assertFalse(self.staged_client.exists())

    def test_stale(self) -> None:
        """
        A next certificate of another key of the cluster, or a damaged one, is made anew.
        """
        _, first = node_certificate(self.context, "make", False)
        self.paths.server_pem.write_bytes(certificates.new_cluster_certificate(NOW).pem())
        _, second = node_certificate(self.context, "make", False)
        self.assertNotEqual(first, second)
        self.staged_client.chmod(0o600)
        self.staged_client.write_text("damaged")
        node_certificate(self.context, "make", False)
        self.assertRaises(FunctionError, node_certificate, self.context, "other", False)


class SecretTests(RenewalTestCase):
    """
    Tests for L{renew_secret}.
    """

    def test_made(self) -> None:
        """
        Secrets and certificates are made anew, with the modes that they have.
        """
        for name, mode in (
            ("hmac.key", 0o440),
            ("cluster-domain-secret", 0o640),
            ("rapi.pem", 0o440),
            ("spice.pem", 0o440),
        ):
            seen = set()
            for _ in range(2):
                renew_secret(self.context, name, False)
                seen.add((self.paths.data / name).read_bytes())
            self.assertEqual(len(seen), 2)
            self.assertEqual((self.paths.data / name).stat().st_mode & 0o777, mode)
        spice = Credentials.from_pem((self.paths.data / "spice.pem").read_bytes())
        self.assertEqual((self.paths.data / "spice-ca.pem").read_bytes(), spice.certificate_pem())
        self.assertIn("CN=cluster.example.com", spice.certificate.subject.rfc4514_string())

    def test_refused(self) -> None:
        """
        Other files are not made anew, nor are these on other nodes.
        """
        for name in ("server.pem", "../../../etc/passwd", "config.data"):
            self.assertRaises(FunctionError, renew_secret, self.context, name, False)
        self.paths.store.unlink()
        self.assertRaises(FunctionError, renew_secret, self.context, "hmac.key", False)


class OverlapTests(RenewalTestCase):
    """
    What is shown and what is accepted, at each step.
    """

    def test_all_steps(self) -> None:
        """
        A node one step behind or ahead accepts what the other shows: one's certificate is among the other's.
        """
        states = [self.server()]
        for step in ("begin", "switch", "finish"):
            self.cluster(step)
            states.append(self.server())
        for before, after in pairwise(states):
            for one, other in ((before, after), (after, before)):
                self.assertIn(one.certificate, (other.certificate, *other.others))
        self.assertNotIn(states[0].certificate, (states[3].certificate, *states[3].others))
