"""
Tests for L{gnttwist.units.certificate_checks}.
"""

from typing import Any

import msgspec

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.model.objects import COMING_CERTIFICATES
from gnttwist.units.certificate_checks import DAY, OWN, SHARED, check, questions
from gnttwist.units.node_checks import Answers
from gnttwist.units.report import Report
from tests.units.world import cluster_of, uuid

NOW = 1_700_000_000.0


class CertificateChecks(SynchronousTestCase):
    """
    Two nodes, both master candidates.
    """

    def setUp(self) -> None:
        self.config = cluster_of(2, candidate_certs={uuid(1): "AA", uuid(2): "BB"})

    def told(self, number: int = 2, **verify: Any) -> tuple[list[str], bool]:
        """
        What is told of a node's answers, and whether it counts.
        """
        lines: list[str] = []
        report = Report(lines.append, error_codes=True)
        answers = Answers(
            self.config.nodes[uuid(number)],
            {name.replace("_", "-"): value for name, value in verify.items()},
            (NOW, NOW),
        )
        check(report, self.config, answers)
        return lines, report.failed

    def test_well(self) -> None:
        """
        A certificate that may call, and ends in years, is well; so is one that is about to be used.
        """
        self.assertEqual(
            self.told(client_cert=[None, "BB"], certificate_ends={OWN: NOW + 400 * DAY}), ([], False)
        )
        extra = {COMING_CERTIFICATES: {uuid(2): "CC"}}
        self.config = self.config.with_objects([msgspec.structs.replace(self.config.cluster, extra=extra)])
        self.assertEqual(self.told(client_cert=[None, "CC"]), ([], False))

    def test_wrong(self) -> None:
        """
        Others are told, with the command that mends it.
        """
        for answer in ([None, "CC"], [None, "AA"], ["damaged", None]):
            [line], failed = self.told(client_cert=answer)
            self.assertTrue(line.startswith("  - ERROR:ECLUSTERCLIENTCERT:cluster::"), line)
            self.assertTrue(failed)

    def test_not_candidate(self) -> None:
        """
        A node that is no candidate may have any certificate but another's, and none that may call.
        """
        node = msgspec.structs.replace(self.config.nodes[uuid(2)], master_candidate=False)
        self.config = self.config.with_objects([node])
        self.assertTrue(self.told(client_cert=[None, "BB"])[1])
        certificates = {uuid(1): "AA"}
        self.config = self.config.with_objects(
            [msgspec.structs.replace(self.config.cluster, candidate_certs=certificates)]
        )
        self.assertFalse(self.told(client_cert=[None, "CC"])[1])
        self.assertTrue(self.told(client_cert=[None, "AA"])[1])

    def test_ends(self) -> None:
        """
        A certificate that ends within a month is a warning, within a week or already an error.
        """
        for days, word, wrong in ((20, "WARNING", False), (3, "ERROR", True), (-3, "ERROR", True)):
            [line], failed = self.told(1, certificate_ends={SHARED[0]: NOW + days * DAY})
            self.assertIn(f"{word}:ECLUSTERCERT", line)
            self.assertEqual(failed, wrong)

    def test_questions(self) -> None:
        """
        The cluster's certificates are looked at on the master alone.
        """
        asked = [questions(self.config, self.config.nodes[uuid(n)])["certificate-ends"] for n in (1, 2)]
        self.assertEqual(asked, [[OWN, *SHARED], [OWN]])
