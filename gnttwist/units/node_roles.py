"""
What a node becomes by C{OP_NODE_SET_PARAMS}. Pure.

A node has one of four roles: master candidate, drained, offline, or none of these. An opcode sets one of three flags,
or takes away the one that the node has.
"""

from collections.abc import Collection
from typing import Any

import msgspec
from attrs import frozen

from gnttwist.config.parameters import fill_nd
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.model.objects import Node
from gnttwist.model.opcode_node import OpNodeSetParams
from gnttwist.units import candidates, node_facts
from gnttwist.units.values import refuse

FLAGS = ("master_candidate", "drained", "offline")
CAPABILITIES = ("master_capable", "vm_capable")


@frozen
class Plan:
    """
    @ivar node: As it will be.
    @ivar result: The opcode's: what has changed, and into what.
    @ivar remarks: What is worth a line of the job's log.
    @ivar demoted: Whether it ceases to be a master candidate; and C{promoted}.
    @ivar returns: Whether it was offline and is not any more.
    """

    node: Node
    result: list[list[Any]]
    remarks: list[str]
    demoted: bool
    promoted: bool
    returns: bool


def might_demote(op: OpNodeSetParams) -> bool:
    """
    Whether the opcode can make a candidate cease to be one.
    """
    return bool(op.master_candidate is False or op.offline or op.drained or op.master_capable is False)


def might_promote(op: OpNodeSetParams) -> bool:
    """
    Whether the opcode can make a node a candidate.
    """
    return bool(op.master_candidate or op.master_capable or False in (op.drained, op.offline))


def check(op: OpNodeSetParams) -> None:
    """
    @raise OpPrereqError: The opcode contradicts itself, or asks for nothing.
    """
    node_facts.no_states(op.hv_state, op.disk_state)
    asked = [getattr(op, each) for each in (*FLAGS, *CAPABILITIES)]
    if not any(each is not None for each in (*asked, op.secondary_ip, op.ndparams, op.powered)):
        raise refuse("There is nothing to change: name at least one flag or parameter")
    if asked.count(True) > 1:
        raise refuse("A node can have only one of these at a time: set one flag to true")


def plan(config: Snapshot, op: OpNodeSetParams, uuid: str) -> Plan:
    """
    What is to become of a node.

    @raise OpPrereqError: That cannot be.
    """
    node = config.nodes[uuid]
    _check_master(config, op, node)
    _check_node(config, op, node)
    _check_pool(config, op, node)
    remarks: list[str] = []
    flags = _flags(config, op, node, remarks)
    secondary = _secondary(config, op, node, remarks)
    changes: dict[str, Any] = {
        name: getattr(op, name) for name in (*CAPABILITIES, "powered") if getattr(op, name) is not None
    }
    if op.ndparams is not None:
        changes["ndparams"] = node_facts.parameters(op.ndparams, node.ndparams)
    if secondary is not None:
        changes["secondary_ip"] = secondary
    result = [[name, str(changes[name])] for name in (*CAPABILITIES, "secondary_ip") if name in changes]
    result += [[name, str(value)] for name, value in flags.items() if value != getattr(node, name)]
    return Plan(
        msgspec.structs.replace(node, **changes, **flags),
        result,
        remarks,
        demoted=node.master_candidate and not flags["master_candidate"],
        promoted=flags["master_candidate"] and not node.master_candidate,
        returns=node.offline and not flags["offline"],
    )


def _check_master(config: Snapshot, op: OpNodeSetParams, node: Node) -> None:
    if node.uuid != config.cluster.master_node:
        return
    if any(getattr(op, each) is not None for each in FLAGS):
        raise refuse(f"Node {node.name} is the master: its role changes only by a failover of the master")
    if op.master_capable is False:
        raise refuse(f"Node {node.name} is the master, so it must stay master_capable", ECode.STATE)


def _check_node(config: Snapshot, op: OpNodeSetParams, node: Node) -> None:
    if op.master_candidate and not (node.master_capable or op.master_capable):
        raise refuse(f"Node {node.name} is not master_capable, so it cannot be a candidate", ECode.STATE)
    if op.vm_capable is False and node_facts.instances_on(config, node):
        raise refuse(f"Node {node.name} has instances, so it must stay vm_capable", ECode.STATE)
    if fill_nd(config, node).get("oob_program"):
        if op.offline is False and not (node.powered or op.powered):
            raise refuse(f"Node {node.name} has no power; switch it on before it can be online", ECode.STATE)
    elif op.powered is not None:
        raise refuse(
            f"powered: node {node.name} has no oob_program, so nothing tells whether it has power",
            ECode.STATE,
        )


def _check_pool(config: Snapshot, op: OpNodeSetParams, node: Node) -> None:
    if not node.master_candidate or not might_demote(op) or op.auto_promote:
        return
    left = candidates.pool(config, [node.uuid])
    if left.now < left.wanted:
        raise refuse(
            "There would be too few master candidates; let another node become one (auto_promote)",
            ECode.STATE,
        )


def _flags(config: Snapshot, op: OpNodeSetParams, node: Node, remarks: list[str]) -> dict[str, bool]:
    """
    The three flags as they will be.
    """
    asked: dict[str, bool | None] = {name: getattr(op, name) for name in FLAGS}
    for name, value in asked.items():
        if value is False and getattr(node, name) is False:
            remarks.append(f"Flag {name} is not set, so there is nothing to unset")
            asked[name] = None
    freed = False in (asked["drained"], asked["offline"])
    if (freed or (op.master_capable and not node.master_capable)) and _may_join(config, op, node):
        remarks.append(f"Node {node.name} becomes a master candidate")
        asked["master_candidate"] = True
    if op.master_capable is False and node.master_candidate:
        remarks.append(f"Node {node.name} is no master candidate any more")
        asked["master_candidate"] = False
    chosen = [name for name, value in asked.items() if value]
    if chosen:
        return {name: name == chosen[0] for name in FLAGS}
    if False in asked.values():
        return dict.fromkeys(FLAGS, False)
    return {name: getattr(node, name) for name in FLAGS}


def _may_join(config: Snapshot, op: OpNodeSetParams, node: Node) -> bool:
    capable = node.master_capable if op.master_capable is None else op.master_capable
    others: Collection[str] = [node.uuid]
    # Set to another role in the same opcode, it is not asked.
    return (
        capable
        and op.master_candidate is None
        and not (op.drained or op.offline)
        and not ((node.drained and op.drained is None) or (node.offline and op.offline is None))
        and candidates.should_join(config, others)
    )


def _secondary(config: Snapshot, op: OpNodeSetParams, node: Node, remarks: list[str]) -> str | None:
    if op.secondary_ip is None:
        return None
    found = node_facts.address(op.secondary_ip, "secondary_ip", 4)
    master = config.nodes[config.cluster.master_node]
    single = master.primary_ip == master.secondary_ip
    if single != (found == node.primary_ip):
        if not op.force or node.uuid != master.uuid:
            kind = "no secondary addresses" if single else "secondary addresses"
            raise refuse(
                f"secondary_ip: this cluster has {kind}; begin to change that with the master, and with force"
            )
        remarks.append("All nodes must be given or lose a secondary address now")
    for other in config.nodes:
        if other.uuid != node.uuid and found in (other.primary_ip, other.secondary_ip):
            raise refuse(f"Node {other.name} has this address already", ECode.NOTUNIQUE)
    return found
