"""
What verification asks each node, and what it makes of the answers.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from gnttwist.config.parameters import CONFIG_VERSION, RELEASE_VERSION
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import Node
from gnttwist.units.encode import hvparams_by_name
from gnttwist.units.report import Report

CLOCK_SKEW = 150.0
"""
Seconds that a node's clock may differ from the master's; Ganeti's.
"""


@frozen
class Answers:
    """
    What one node said.

    @ivar verify: Of C{node_verify}, by key.
    @ivar asked: When it was asked and when it had answered, by the master's clock, in seconds since the epoch.
    """

    node: Node
    verify: Mapping[str, Any]
    asked: tuple[float, float]


def questions(config: Snapshot, node: Node) -> dict[str, Any]:
    """
    The C{checkdict} for one node (reference: node daemon RPC, section 4.6).
    """
    cluster = config.cluster
    asked: dict[str, Any] = {"version": None, "time": None}
    if not node.vm_capable:
        return asked
    asked |= {
        "nodesetup": None,
        "hypervisor": cluster.enabled_hypervisors,
        "hvparms": [["cluster", name, params] for name, params in hvparams_by_name(config).items()],
        "instancelist": cluster.enabled_hypervisors,
        "oslist": None,
    }
    if "file" in cluster.enabled_disk_templates:
        asked["file-storage-path"] = cluster.file_storage_dir
    if "sharedfile" in cluster.enabled_disk_templates:
        asked["shared-file-storage-path"] = cluster.shared_file_storage_dir
    return asked


def check_node(report: Report, answers: Answers, master: Answers | None) -> None:
    """
    Tell what is wrong on one node.

    @param master: What the master node said, to compare with.
    """
    node, said = answers.node.name, answers.verify
    _version(report, node, said.get("version"))
    _time(report, node, said.get("time"), answers.asked)
    if not answers.node.vm_capable:
        return
    for text in said.get("nodesetup") or ():
        report.error("ENODESETUP", "node", node, str(text))
    for name, text in sorted((said.get("hypervisor") or {}).items()):
        report.check(text, "ENODEHV", "node", node, f"hypervisor {name}: {text or 'simulated problem'}")
    for source, name, text in said.get("hvparms") or ():
        report.error("ENODEHV", "node", node, f"hypervisor {name} parameters of {source}: {text}")
    _storage(report, node, said)
    _systems(
        report, node, _effective(said.get("oslist")), _effective((master or answers).verify.get("oslist"))
    )


def _version(report: Report, node: str, version: Any) -> None:
    match version:
        case [protocol, release]:
            report.check(
                protocol != CONFIG_VERSION,
                "ENODEVERSION",
                "node",
                node,
                f"it speaks protocol {protocol}, the master {CONFIG_VERSION}",
            )
            if protocol == CONFIG_VERSION and release != RELEASE_VERSION:
                report.log(f"  - NOTE: node {node} has release {release}, the master {RELEASE_VERSION}")
        case _:
            report.error("ENODEVERSION", "node", node, f"it does not tell its version but {version!r:.60}")


def _time(report: Report, node: str, time: Any, asked: tuple[float, float]) -> None:
    match time:
        case [int(seconds), int(micros)]:
            clock = seconds + micros / 1e6
            off = max(asked[0] - clock, clock - asked[1], 0.0)
            report.check(
                off > CLOCK_SKEW,
                "ENODETIME",
                "node",
                node,
                f"its clock is at least {off:.1f} s off the master's",
            )
        case _:
            report.error("ENODETIME", "node", node, f"it does not tell its time but {time!r:.60}")


def _storage(report: Report, node: str, said: Mapping[str, Any]) -> None:
    for key, code in (
        ("file-storage-path", "ENODEFILESTORAGEPATHUNUSABLE"),
        ("shared-file-storage-path", "ENODESHAREDFILESTORAGEPATHUNUSABLE"),
    ):
        report.check(said.get(key), code, "node", node, f"{key}: {said.get(key) or 'simulated problem'}")


def _effective(rows: Any) -> dict[str, Sequence[Any]]:
    """
    For each OS the row that counts: the first in search order.
    """
    return {row[0]: row for row in reversed(rows or [])}


def _systems(
    report: Report, node: str, have: Mapping[str, Sequence[Any]], wanted: Mapping[str, Sequence[Any]]
) -> None:
    for name, row in sorted(have.items()):
        report.check(
            not row[2], "ENODEOS", "node", node, f"OS {name} is not valid: {row[3] or 'simulated problem'}"
        )
    for name in sorted(set(wanted) - set(have)):
        report.error("ENODEOS", "node", node, f"OS {name} is missing; the master has it")
    for name in sorted(set(wanted) & set(have)):
        for index, what in ((4, "variants"), (6, "API versions"), (5, "parameters")):
            here, there = _comparable(have[name][index]), _comparable(wanted[name][index])
            report.check(
                here != there,
                "ENODEOS",
                "node",
                node,
                f"OS {name} has {what} {', '.join(here) or 'none'}; on the master {', '.join(there) or 'none'}",
            )


def _comparable(values: Iterable[Any]) -> list[str]:
    return sorted(str(each[0] if isinstance(each, list) else each) for each in values)
