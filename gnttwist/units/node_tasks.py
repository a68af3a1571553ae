"""
Opcodes that have nodes do something and change nothing in the configuration: C{OP_NODE_POWERCYCLE},
C{OP_NODE_QUERY_STORAGE}, C{OP_RESTRICTED_COMMAND}, C{OP_NODE_EVACUATE}, C{OP_NODE_MIGRATE}; and those that this
version can only refuse.
"""

from collections.abc import Sequence
from typing import Any

from gnttwist.config.parameters import fill_nd
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Node
from gnttwist.model.opcode_instance import OpInstanceFailover, OpInstanceMigrate
from gnttwist.model.opcode_node import (
    OpNodeEvacuate,
    OpNodeMigrate,
    OpNodePowercycle,
    OpNodeQueryStorage,
    OpOobCommand,
    OpRestrictedCommand,
)
from gnttwist.model.opcodes import to_input
from gnttwist.units import node_facts
from gnttwist.units.destination import alone
from gnttwist.units.locking import SHARED_BGL, node_locks
from gnttwist.units.values import refuse

STORAGE_FIELDS = ("name", "used", "free", "size", "allocatable")
"""
What nodes tell of a unit of storage. The opcode's fields are these, C{node} and C{type}.
"""

STORAGE_DIRECTORIES = {"file": "file_storage_dir", "sharedfile": "shared_file_storage_dir"}
"""
Kinds of storage that this version has, and the cluster's parameter that says where it is.
"""


async def powercycle(job: JobContext, op: OpNodePowercycle) -> str:
    """
    Have a node reboot itself at once.

    @return: What the node says.
    """
    config = await job.config()
    node = node_facts.find(config, op.node_name, op.node_uuid)
    if node.uuid == config.cluster.master_node and not op.force:
        raise refuse(f"Node {node.name} is the master, on which this job runs; to reboot it, use force")
    await job.acquire(SHARED_BGL)
    if op.dry_run:
        return "Nothing is done"
    name = config.cluster.enabled_hypervisors[0]
    answer = await job.call(node, "node_powercycle", [name, config.cluster.hvparams.get(name, {})])
    return str(answer)


async def query_storage(job: JobContext, op: OpNodeQueryStorage) -> list[list[Any]]:
    """
    Tell the storage of nodes.

    @return: For each unit its fields, in the order that the opcode has them.
    """
    unknown = sorted(set(op.output_fields) - {*STORAGE_FIELDS, "node", "type"})
    if unknown:
        raise refuse(
            f"output_fields: there is no {', '.join(unknown)}; there are node, type, {', '.join(STORAGE_FIELDS)}"
        )
    config = await job.config()
    kind = _storage_type(config, op.storage_type)
    nodes = _chosen(config, op.nodes)
    await job.acquire({**SHARED_BGL, **node_locks(nodes, LockMode.SHARED)})
    config = await job.config()
    directory = getattr(config.cluster, STORAGE_DIRECTORIES[kind])

    async def ask(job: JobContext, node: Node) -> list[list[Any]]:
        try:
            answer = await job.call(
                node, "storage_list", [kind, [[directory]], op.name, list(STORAGE_FIELDS)]
            )
        except NodeError as reason:
            job.log(f"Node {node.name} does not tell its storage: {reason}")
            return []
        rows = (
            {"node": node.name, "type": kind, **dict(zip(STORAGE_FIELDS, row, strict=True))} for row in answer
        )
        return [[row[name] for name in op.output_fields] for row in rows]

    online = [each for each in nodes if not each.offline]
    found = await job.gather(*(lambda job, node=each: ask(job, node) for each in online))
    return [row for rows in found for row in rows]


def _storage_type(config: Snapshot, asked: str | None) -> str:
    enabled = config.cluster.enabled_disk_templates
    kind = asked or next((each for each in enabled if each in STORAGE_DIRECTORIES), None)
    if kind is None or kind not in STORAGE_DIRECTORIES:
        raise refuse(
            f"storage_type: this version tells the storage of {', '.join(STORAGE_DIRECTORIES)}, "
            f"not of {kind or 'what this cluster has'}"
        )
    if kind not in enabled:
        raise refuse(f"storage_type: this cluster has not enabled {kind}", ECode.STATE)
    return kind


async def restricted_command(job: JobContext, op: OpRestrictedCommand) -> list[list[Any]]:
    """
    Run a command on nodes.

    @return: For each node whether it succeeded, and its output or what was wrong; in the order of the names given.
    """
    config = await job.config()
    nodes = _chosen(config, op.nodes)
    locks = node_locks(nodes, LockMode.EXCLUSIVE) if op.use_locking else {}
    await job.acquire({**SHARED_BGL, **locks})

    async def run(job: JobContext, node: Node) -> list[Any]:
        if op.dry_run:
            return [True, ""]
        try:
            return [True, str(await job.call(node, "restricted_command", [op.command]))]
        except NodeError as reason:
            return [False, f"Command {op.command} failed on node {node.name}: {reason}"]

    return await job.gather(*(lambda job, node=each: run(job, node) for each in nodes))


async def oob_command(job: JobContext, op: OpOobCommand) -> list[Any]:
    """
    Refuse: no program for management hardware is run in this version.
    """
    config = await job.config()
    nodes = _chosen(config, op.node_names)
    lacking = [each.name for each in nodes if not fill_nd(config, each).get("oob_program")]
    if lacking:
        raise refuse(f"These nodes have no oob_program in their parameters: {', '.join(lacking)}")
    raise refuse("OP_OOB_COMMAND: this version of gnttwist runs no oob_program; run it yourself", ECode.STATE)


async def migrate(job: JobContext, op: OpNodeMigrate) -> dict[str, Any]:
    """
    Submit a job for each of the node's instances that migrates it.

    @return: The jobs.
    """
    if op.mode is not None and op.live is not None:
        raise refuse("mode, live: they say the same; give one of them")
    config = await job.config()
    node = node_facts.find(config, op.node_name, op.node_uuid)
    target = op.target_node_uuid or op.target_node
    if target is not None and config.nodes.find(target).uuid == node.uuid:
        raise refuse(f"target_node: node {node.name} is the one that they leave")
    moves = [
        OpInstanceMigrate(
            instance_name=each.name,
            mode=op.mode,
            live=op.live,
            target_node=op.target_node,
            target_node_uuid=op.target_node_uuid,
            allow_runtime_changes=op.allow_runtime_changes,
            ignore_ipolicy=op.ignore_ipolicy,
            iallocator=op.iallocator,
            priority=op.priority,
            reason=op.reason,
        )
        for each in config.instances
        if each.primary_node == node.uuid
    ]
    if op.dry_run or not moves:
        return {"jobs": []}
    return {"jobs": await job.submit([[to_input(each)[0]] for each in moves])}


async def evacuate(job: JobContext, op: OpNodeEvacuate) -> dict[str, Any]:
    """
    Submit a job for each instance that is to leave the node.

    @return: The jobs.
    """
    if op.remote_node is not None and op.iallocator is not None:
        raise refuse("remote_node and iallocator: name one of them")
    config = await job.config()
    node = node_facts.find(config, op.node_name, op.node_uuid)
    remote = op.remote_node_uuid or op.remote_node
    if remote is not None and config.nodes.find(remote).uuid == node.uuid:
        raise refuse(f"remote_node: node {node.name} is the one to be evacuated")
    there = [each for each in config.instances if each.primary_node == node.uuid]
    if op.mode == "secondary-only":
        # There are no replicated disks in this version, so no node is anybody's secondary one.
        there = []
    fixed = [each for each in there if alone(config, each)]
    if fixed:
        text = (
            f"Disks of these instances are on node {node.name} alone: {_some([each.name for each in fixed])}"
        )
        if not op.ignore_soft_errors:
            raise refuse(f"{text}. To move the others all the same, use ignore_soft_errors", ECode.STATE)
        job.log(text)
    moves = [
        OpInstanceFailover(
            instance_name=each.name,
            target_node=remote,
            iallocator=op.iallocator,
            priority=op.priority,
            reason=op.reason,
        )
        for each in there
        if each not in fixed
    ]
    if op.dry_run or not moves:
        return {"jobs": []}
    return {"jobs": await job.submit([[to_input(each)[0]] for each in moves])}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _chosen(config: Snapshot, names: Sequence[str]) -> list[Node]:
    """
    The nodes of these names; all for none.
    """
    return [config.nodes.find(each) for each in names] if names else list(config.nodes)
