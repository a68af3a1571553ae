"""
C{OP_OS_DIAGNOSE}: which operating systems can be installed.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from attrs import frozen

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError, OpPrereqError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Cluster, Node
from gnttwist.model.opcode_cluster import OpOsDiagnose
from gnttwist.units.locking import SHARED_BGL


class Diagnosis(msgspec.Struct, frozen=True, array_like=True):
    """
    One definition on one node, as C{os_diagnose} answers it.

    @ivar path: Its directory.
    @ivar diagnose: What is wrong with it.
    @ivar parameters: Name and description each.
    """

    name: str
    path: str
    valid: bool
    diagnose: str
    variants: list[str]
    parameters: list[tuple[str, str]]
    api_versions: list[int]
    trusted: bool


@frozen
class OsInfo:
    """
    One OS on all nodes that answered.

    @ivar by_node: For each node's name the definitions in search order; the first is the one that counts.
    """

    name: str
    by_node: Mapping[str, Sequence[Diagnosis]]

    @property
    def valid(self) -> bool:
        """
        Whether it can be installed on every node.
        """
        return all(found and found[0].valid for found in self.by_node.values())

    @property
    def variants(self) -> list[str]:
        """
        Those that all nodes have.
        """
        return self._common(lambda each: each.variants)

    @property
    def parameters(self) -> list[list[str]]:
        """
        Those that all nodes have.
        """
        return [list(each) for each in self._common(lambda each: each.parameters)]

    @property
    def api_versions(self) -> list[int]:
        """
        Those that all nodes have.
        """
        return self._common(lambda each: each.api_versions)

    @property
    def trusted(self) -> bool:
        """
        Whether its scripts may run on the nodes themselves.
        """
        return all(found[0].trusted for found in self.by_node.values() if found)

    def node_status(self) -> dict[str, list[list[Any]]]:
        """
        Everything that was found, by node's name, without the OS's own name.
        """
        return {
            node: [list(msgspec.to_builtins(each))[1:] for each in found]
            for node, found in self.by_node.items()
        }

    def _common(self, of: Callable[[Diagnosis], Sequence[Any]]) -> list[Any]:
        """
        What all effective definitions have of something, sorted; nothing if one is not valid.
        """
        if not self.valid or not self.by_node:
            return []
        each_has = [set(of(found[0])) for found in self.by_node.values()]
        return sorted(set.intersection(*each_has))


Field = Callable[[OsInfo, Cluster], Any]
FIELDS: dict[str, Field] = {
    "name": lambda os, cluster: os.name,
    "valid": lambda os, cluster: os.valid,
    "variants": lambda os, cluster: os.variants,
    "parameters": lambda os, cluster: os.parameters,
    "api_versions": lambda os, cluster: os.api_versions,
    "node_status": lambda os, cluster: os.node_status(),
    "trusted": lambda os, cluster: os.trusted,
    "hidden": lambda os, cluster: os.name in cluster.hidden_os,
    "blacklisted": lambda os, cluster: os.name in cluster.blacklisted_os,
    "osparams": lambda os, cluster: cluster.osparams.get(os.name, {}),
    "os_hvp": lambda os, cluster: cluster.os_hvp.get(os.name, {}),
}
"""
What can be asked for; Ganeti's names.
"""


async def diagnose(job: JobContext, op: OpOsDiagnose) -> list[list[Any]]:
    """
    Ask all nodes, and give a row for each OS.

    As Ganeti has it, systems that are hidden, blacklisted or not valid are left out unless the field that tells so
    is asked for.
    """
    unknown = [each for each in op.output_fields if each not in FIELDS]
    if unknown:
        raise OpPrereqError(
            f"output_fields: there are no {', '.join(unknown)}; there are {', '.join(FIELDS)}", ECode.INVAL
        )
    config = await job.config()
    await job.acquire(SHARED_BGL)
    found = await on_all_nodes(job, config)
    return [
        [FIELDS[name](each, config.cluster) for name in op.output_fields]
        for each in found
        if (not op.names or each.name in op.names) and shown(each, config.cluster, op.output_fields)
    ]


def shown(found: OsInfo, cluster: Cluster, fields: Collection[str]) -> bool:
    """
    Whether a list with these fields has it.
    """
    hiding = {
        "hidden": found.name in cluster.hidden_os,
        "blacklisted": found.name in cluster.blacklisted_os,
        "valid": not found.valid,
    }
    return not any(hides and name not in fields for name, hides in hiding.items())


async def on_all_nodes(job: JobContext, config: Snapshot) -> list[OsInfo]:
    """
    What the nodes that can have instances have, by name; a node that does not answer is left out.
    """
    nodes = [each for each in config.nodes if each.vm_capable and not each.offline]
    answers = await job.gather(*(partial(_on_node, node=each) for each in nodes))
    found = {node.name: answer for node, answer in zip(nodes, answers, strict=True) if answer is not None}
    names = sorted({each.name for answer in found.values() for each in answer})
    return [
        OsInfo(name, {node: [each for each in answer if each.name == name] for node, answer in found.items()})
        for name in names
    ]


async def _on_node(job: JobContext, *, node: Node) -> list[Diagnosis] | None:
    try:
        return await on_node(job, node)
    except NodeError as reason:
        job.log(f"Cannot ask node {node.name} for its operating systems: {reason}")
        return None


async def on_node(job: JobContext, node: Node) -> list[Diagnosis]:
    """
    The definitions on one node, in search order.

    @raise NodeError: It does not answer.
    """
    return msgspec.convert(await job.call(node, "os_diagnose", []), list[Diagnosis])
