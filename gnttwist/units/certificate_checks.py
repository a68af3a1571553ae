"""
What verification says of keys and certificates: whose may call, and when they end.
"""

from collections.abc import Mapping
from typing import Any

from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import COMING_CERTIFICATES, Node
from gnttwist.units.node_checks import Answers
from gnttwist.units.report import Report

DAY = 86400.0
WARN, WRONG = 30 * DAY, 7 * DAY
"""
Seconds before a certificate's end from which on it is a warning, and an error: Ganeti's.
"""

OWN = "/var/lib/ganeti/client.pem"
SHARED = ("/var/lib/ganeti/server.pem", "/var/lib/ganeti/rapi.pem")

MEND = "gnt cluster renew-certs makes certificates anew"


def questions(config: Snapshot, node: Node) -> dict[str, Any]:
    """
    What is asked of a node in addition.
    """
    shared = SHARED if node.uuid == config.cluster.master_node else ()
    return {"client-cert": None, "certificate-ends": [OWN, *shared]}


def check(report: Report, config: Snapshot, answers: Answers) -> None:
    """
    Tell what is wrong with a node's certificates, and on the master with the cluster's.
    """
    _check_listed(report, config, answers)
    ends: Mapping[str, float] = answers.verify.get("certificate-ends") or {}
    for path, end in sorted(ends.items()):
        left = end - answers.asked[1]
        code = "ECLUSTERCLIENTCERT" if path == OWN else "ECLUSTERCERT"
        when = f"ends in {left / DAY:.0f} days" if left > 0 else "has expired"
        report.check(
            left < WARN,
            code,
            "cluster",
            "",
            f"the certificate {path} of node {answers.node.name} {when}; {MEND}",
            warning=left >= WRONG,
        )


def _check_listed(report: Report, config: Snapshot, answers: Answers) -> None:
    node = answers.node
    match answers.verify.get("client-cert"):
        case [None, str(digest)]:
            wrong = _wrong(config, node, digest)
            text = f"{wrong or 'simulated problem'}: node {node.name}; {MEND}"
            report.check(wrong, "ECLUSTERCLIENTCERT", "cluster", "", text)
        case [text, *_]:
            report.error("ECLUSTERCLIENTCERT", "cluster", "", f"certificate of node {node.name}: {text}")


def _wrong(config: Snapshot, node: Node, digest: str) -> str | None:
    listed = config.cluster.candidate_certs
    coming = config.cluster.extra.get(COMING_CERTIFICATES, {})
    if node.master_candidate and digest not in (listed.get(node.uuid), coming.get(node.uuid)):
        return "a master candidate uses a certificate that may not call"
    if not node.master_candidate and node.uuid in listed:
        return "a certificate may call whose node is no master candidate"
    if any(each == digest for other, each in listed.items() if other != node.uuid):
        return "two nodes use one certificate"
    return None
