"""
What verification asks of the networks between nodes and of what instances share: addresses that answer, bridges, tags
that exclude each other, groups. Pure.
"""

from collections import Counter
from typing import Any

from gnttwist.config.parameters import fill_nic
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import Instance, Node
from gnttwist.units.node_checks import Answers
from gnttwist.units.report import Report

EXCLUSION = "htools:iextags:"
"""
What tags of the cluster begin with that name a kind of instances' tags: with the tag C{htools:iextags:service}, two
instances with C{service:web} should not be on one node. Ganeti's.
"""


def questions(config: Snapshot, node: Node) -> dict[str, Any]:
    """
    What is asked of a node in addition.
    """
    there = [each for each in config.nodes if not each.offline]
    addresses = [[each.name, each.primary_ip, each.secondary_ip] for each in there]
    candidates = [each.name for each in there if each.master_candidate]
    asked: dict[str, Any] = {"node-net-test": [addresses, candidates]}
    if bridges := _bridges(config, node):
        asked["bridges"] = bridges
    if "file" in config.cluster.enabled_disk_templates:
        # The node that is named answers: the master, whose list is what the others are given.
        asked["allowed-file-storage-paths"] = config.master.name
    return asked


def _bridges(config: Snapshot, node: Node) -> list[str]:
    """
    Those that guests of this node use; those of the fake hypervisor need none.
    """
    nics = [nic for each in config.instances_on(node) if each.hypervisor != "fake" for nic in each.nics]
    filled = [fill_nic(config, each) for each in nics]
    return sorted({str(each["link"]) for each in filled if each["mode"] == "bridged"})


def check(report: Report, answers: Answers) -> None:
    """
    Tell what a node lacks or cannot reach.
    """
    node, said = answers.node.name, answers.verify
    for name, text in sorted((said.get("node-net-test") or {}).items()):
        report.error("ENODENET", "node", node, f"it does not reach node {name}: {text}")
    missing = said.get("bridges") or []
    report.check(missing, "ENODENET", "node", node, f"bridges are missing: {', '.join(missing)}")
    paths = said.get("allowed-file-storage-paths") or []
    text = f"directories that no disks may be in are allowed for disks: {', '.join(paths)}"
    report.check(paths, "ENODEFILESTORAGEPATHS", "node", node, text)


def check_exclusions(report: Report, config: Snapshot, node: Node) -> None:
    """
    Tell of tags that several instances of a node have and only one should: a warning, as in Ganeti.
    """
    kinds = {each.removeprefix(EXCLUSION) for each in config.cluster.tags if each.startswith(EXCLUSION)}
    prefixes = tuple(f"{each}:" for each in kinds if each)
    seen = Counter(
        tag for each in config.instances_on(node) for tag in set(each.tags) if tag.startswith(prefixes)
    )
    twice = sorted(tag for tag, times in seen.items() if times > 1)
    text = f"several instances have tags that exclude each other: {', '.join(twice)}"
    report.check(twice, "EEXTAGS", "node", node.name, text, warning=True)


def check_split(report: Report, config: Snapshot, instance: Instance) -> None:
    """
    Tell of an instance whose disks are on nodes of several groups: a warning, as in Ganeti.
    """
    uuids = {instance.primary_node, *(uuid for each in config.disks_of(instance) for uuid in each.nodes)}
    groups = sorted({config.groups[config.nodes[each].group].name for each in uuids if each in config.nodes})
    text = f"its nodes are in different groups: {', '.join(groups)}"
    report.check(len(groups) > 1, "EINSTANCESPLITGROUPS", "instance", instance.name, text, warning=True)
