"""
What verification makes of files that nodes should have alike, and of the administrator's scripts. Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import Node
from gnttwist.units.node_checks import Answers
from gnttwist.units.report import Report

SAME_FILES = (
    "/var/lib/ganeti/server.pem",
    "/var/lib/ganeti/hmac.key",
    "/var/lib/ganeti/cluster-domain-secret",
)
"""
Files that no node can do without.
"""

OPTIONAL_FILES = (
    "/var/lib/ganeti/rapi.pem",
    "/var/lib/ganeti/rapi/users",
    "/var/lib/ganeti/spice.pem",
    "/var/lib/ganeti/spice-ca.pem",
)
"""
Files that all nodes have, or none.
"""

STORAGE_PATHS = "/etc/ganeti/file-storage-paths"
"""
The trees that disks may be in: one for nodes that have guests. The administrator writes it on each of them.
"""

MASTER_IP_SCRIPT = "/etc/ganeti/scripts/master-ip-setup"
"""
Has to be there where the cluster's parameters say that it moves the master's address.
"""


def questions(config: Snapshot, node: Node) -> dict[str, Any]:
    """
    What is asked of a node in addition.
    """
    asked: dict[str, Any] = {"filelist": [*SAME_FILES, *OPTIONAL_FILES]}
    if node.vm_capable:
        asked["filelist"].append(STORAGE_PATHS)
    if config.cluster.use_external_mip_script and node.master_candidate:
        asked["user-scripts"] = [MASTER_IP_SCRIPT]
    return asked


def check_node(report: Report, answers: Answers, master: Answers | None) -> None:
    """
    Tell of files that a node lacks or has otherwise than the master, and of scripts that cannot run.
    """
    node = answers.node.name
    have = _digests(answers)
    wanted = _digests(master or answers)
    for path in SAME_FILES:
        missing = path in wanted and path not in have
        differs = path in wanted and path in have and have[path] != wanted[path]
        text = f"file {path} is {'missing' if missing else 'not as on the master'}"
        report.check(missing or differs, "ENODEFILECHECK", "node", node, text)
    scripts = [str(each) for each in answers.verify.get("user-scripts") or ()]
    text = f"scripts are missing or cannot be executed: {', '.join(scripts)}"
    report.check(scripts, "ENODEUSERSCRIPTS", "node", node, text)


def check_all(report: Report, answers: Sequence[Answers]) -> None:
    """
    Tell of files that only some nodes have, or that are of several kinds.

    @param answers: Of all nodes that were asked and answered.
    """
    for path in (*OPTIONAL_FILES, STORAGE_PATHS):
        asked = [each for each in answers if path != STORAGE_PATHS or each.node.vm_capable]
        found = {each.node.name: _digests(each).get(path) for each in asked}
        have = sorted(name for name, digest in found.items() if digest is not None)
        lack = sorted(name for name, digest in found.items() if digest is None)
        report.check(
            have and lack,
            "ECLUSTERFILECHECK",
            "cluster",
            "",
            f"file {path} is on {', '.join(have)}, and not on {', '.join(lack)}",
        )
        kinds = {digest for digest in found.values() if digest is not None}
        report.check(
            len(kinds) > 1,
            "ECLUSTERFILECHECK",
            "cluster",
            "",
            f"file {path} differs between {', '.join(have)}: there are {len(kinds)} kinds of it",
        )


def _digests(answers: Answers) -> Mapping[str, str]:
    found: Mapping[str, str] = answers.verify.get("filelist") or {}
    return found
