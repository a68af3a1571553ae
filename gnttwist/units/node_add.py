"""
C{OP_NODE_ADD}: a machine that has the cluster's certificates becomes one of its nodes, or becomes one again.

Certificates and keys have come to it before, by C{gnt node add}; here is what the configuration says of it. The files
follow from that: the master brings them to whatever nodes the configuration has.
"""

from typing import Any

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Node, NodeGroup
from gnttwist.model.opcode_node import OpNodeAdd
from gnttwist.units import candidates, node_facts
from gnttwist.units.locking import CERTIFICATES, SHARED_BGL, node_locks
from gnttwist.units.values import refuse

SHARED_CERTIFICATES = {**SHARED_BGL, CERTIFICATES: LockMode.SHARED}


async def add(job: JobContext, op: OpNodeAdd) -> None:
    """
    Check the machine, then write it down.
    """
    node_facts.no_states(op.hv_state, op.disk_state)
    config = await job.config()
    existing = _existing(config, op)
    if existing is None:
        group = _group(config, op.group)
        await job.acquire({**SHARED_CERTIFICATES, f"nodegroup/{group.uuid}": LockMode.SHARED})
        uuid = await job.change("draw a UUID", lambda draft: draft.new_uuid())
    else:
        uuid = existing.uuid
        await job.acquire({**SHARED_CERTIFICATES, **node_locks([existing], LockMode.EXCLUSIVE)})
    config = await job.config()
    node = planned(config, op, uuid)
    await node_facts.same_version(job, node)
    digest = await candidates.certificate_of(job, node)
    if op.dry_run:
        return
    if existing is not None:
        job.log(f"Node {node.name} is taken back: it is neither offline nor drained any more")

    def record(draft: Draft) -> bool:
        made = planned(draft.config, op, uuid)
        draft.put(made)
        candidates.accept_certificate(draft, uuid, digest if made.master_candidate else None)
        return made.master_candidate

    if await job.change("add the node", record):
        job.log(f"Node {node.name} is a master candidate")


def planned(config: Snapshot, op: OpNodeAdd, uuid: str) -> Node:
    """
    The node as it will be.

    @raise OpPrereqError: There cannot be such a one.
    """
    before = _existing(config, op)
    primary, secondary = _addresses(config, op, before)
    group = config.groups[before.group] if before else _group(config, op.group)
    capable: dict[str, Any] = {
        name: value if value is not None else getattr(before, name, True)
        for name, value in (("master_capable", op.master_capable), ("vm_capable", op.vm_capable))
    }
    if before and not capable["vm_capable"] and node_facts.instances_on(config, before):
        raise refuse(f"Node {before.name} has instances, so it must stay vm_capable", ECode.STATE)
    joins = capable["master_capable"] and candidates.should_join(config, [uuid])
    members: dict[str, Any] = {
        **capable,
        "primary_ip": primary,
        "secondary_ip": secondary,
        "master_candidate": joins,
        "offline": False,
        "drained": False,
        "powered": True,
        "ndparams": node_facts.parameters(op.ndparams or {}),
    }
    if before:
        return msgspec.structs.replace(before, **members)
    return Node(uuid=uuid, name=node_facts.host_name(op.node_name), group=group.uuid, **members)


def _existing(config: Snapshot, op: OpNodeAdd) -> Node | None:
    """
    The node that is taken back.

    @raise OpPrereqError: It is there and should not be, or the other way round; or its name is none.
    """
    name = node_facts.host_name(op.node_name)
    found = config.nodes.named(name)
    if not op.readd:
        if found is not None:
            raise refuse(
                f"Node {name} is in the configuration already; to take it back, use readd", ECode.EXISTS
            )
        if name == config.cluster.cluster_name:
            raise refuse(f"{name} is the name of the cluster, so no node can have it", ECode.NOTUNIQUE)
        return None
    if found is None:
        raise refuse(f"Node {name} is not in the configuration, so it cannot be taken back", ECode.NOENT)
    if found.uuid == config.cluster.master_node:
        raise refuse(f"Node {name} is the master, which was never away", ECode.STATE)
    if op.group is not None:
        raise refuse("group: a node that is taken back stays in its group")
    return found


def _group(config: Snapshot, name: str | None) -> NodeGroup:
    if name is not None:
        return config.groups.find(name)
    [only, *others] = list(config.groups)
    if others:
        raise refuse(
            f"group: say which; there are {', '.join(each.name for each in config.groups)}", ECode.INVAL
        )
    return only


def _addresses(config: Snapshot, op: OpNodeAdd, before: Node | None) -> tuple[str, str]:
    """
    The primary and the secondary address.

    @raise OpPrereqError: They are none, or another node's, or one more or less than the master's.
    """
    given = op.primary_ip or (before.primary_ip if before else None)
    if given is None:
        raise refuse("primary_ip: name the node's address, which this version does not look up")
    primary = node_facts.address(given, "primary_ip", node_facts.family(config))
    if op.secondary_ip is not None:
        secondary = node_facts.address(op.secondary_ip, "secondary_ip", 4)
    elif before is not None and before.secondary_ip != before.primary_ip:
        secondary = before.secondary_ip
    else:
        secondary = primary
    if before is not None and before.secondary_ip != before.primary_ip and secondary != before.secondary_ip:
        raise refuse(f"secondary_ip: that of a node which is taken back stays {before.secondary_ip}")
    for other in config.nodes:
        if before is not None and other.uuid == before.uuid:
            continue
        if {primary, secondary} & {other.primary_ip, other.secondary_ip}:
            raise refuse(f"Node {other.name} has this address already", ECode.NOTUNIQUE)
    if config.cluster.master_ip in (primary, secondary):
        raise refuse(f"{config.cluster.master_ip} is the cluster's own address", ECode.NOTUNIQUE)
    master = config.nodes[config.cluster.master_node]
    if (master.primary_ip == master.secondary_ip) != (primary == secondary):
        has = "no secondary address" if master.primary_ip == master.secondary_ip else "a secondary address"
        raise refuse(f"secondary_ip: the master has {has}, and all nodes must be alike in this")
    return primary, secondary
