"""
The hooks of operations on the cluster, nodes, groups and networks.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gnttwist.config.snapshot import Snapshot
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Node
from gnttwist.units import node_facts
from gnttwist.units.hooks.scope import Failure, Hooks, Scope, Subject, unique
from gnttwist.units.hooks.variables import network_variables
from gnttwist.units.report import Report
from gnttwist.units.values import refuse


def on_cluster(path: str, extra: Callable[[Any], Mapping[str, Any]] = lambda op: {}) -> Hooks:
    """
    Hooks of a change of the whole cluster: on the master.
    """

    def describe(subject: Subject) -> Scope:
        config = subject.config
        return Scope(
            {"OP_TARGET": config.cluster.cluster_name, **extra(subject.op)}, [config.master], [config.master]
        )

    return Hooks(path, "CLUSTER", describe)


def on_group(path: str, extra: Callable[[Any], Mapping[str, Any]] = lambda op: {}) -> Hooks:
    """
    Hooks of an operation on a group: on the master.
    """

    def describe(subject: Subject) -> Scope:
        config, op = subject.config, subject.op
        return Scope({"GROUP_NAME": op.group_name, **extra(op)}, [config.master], [config.master])

    return Hooks(path, "GROUP", describe)


def on_network(path: str) -> Hooks:
    """
    Hooks of an operation on a network: on the master.
    """

    def describe(subject: Subject) -> Scope:
        config, op = subject.config, subject.op
        found = config.networks.named(op.network_name)
        variables = network_variables(found) if found else _network_to_be(op)
        return Scope(variables, [config.master], [config.master])

    return Hooks(path, "NETWORK", describe)


def _network_to_be(op: Any) -> dict[str, Any]:
    """
    What is asked for of a network that is not made yet.
    """
    if not hasattr(op, "network"):
        raise refuse(f"Network {op.network_name} is not there")
    values = {
        "SUBNET": op.network,
        "GATEWAY": op.gateway,
        "SUBNET6": op.network6,
        "GATEWAY6": op.gateway6,
        "MAC_PREFIX": op.mac_prefix,
        "TAGS": " ".join(sorted(op.tags)),
    }
    given = {f"NETWORK_{name}": value for name, value in values.items() if value}
    return {"NETWORK_NAME": op.network_name, **given}


def on_connection(path: str) -> Hooks:
    """
    Hooks of what lies between a network and a group: on the group's nodes.
    """

    def describe(subject: Subject) -> Scope:
        config, op = subject.config, subject.op
        network, group = config.networks.find(op.network_name), config.groups.find(op.group_name)
        known = group.networks.get(network.uuid, {})
        asked = {
            name: getattr(op, f"network_{name}", known.get(name, "")) for name in ("mode", "link", "vlan")
        }
        variables = {
            **network_variables(network),
            "GROUP_NAME": group.name,
            **{f"GROUP_NETWORK_{name.upper()}": value for name, value in asked.items()},
        }
        nodes = [each for each in config.nodes if each.group == group.uuid]
        return Scope(variables, nodes, nodes)

    return Hooks(path, "NETWORK", describe)


def _describe_group_rename(subject: Subject) -> Scope:
    config, op = subject.config, subject.op
    found = config.groups.named(op.group_name) or config.groups.find(op.new_name)
    nodes = unique([config.master, *(each for each in config.nodes if each.group == found.uuid)])
    return Scope({"OLD_NAME": op.group_name, "NEW_NAME": op.new_name}, nodes, nodes)


def _describe_node_add(subject: Subject) -> Scope:
    config, op = subject.config, subject.op
    new = config.nodes.named(op.node_name.lower())
    old = [each for each in config.nodes if each is not new]
    variables = {
        "OP_TARGET": op.node_name,
        "NODE_NAME": op.node_name,
        "NODE_PIP": new.primary_ip if new else op.primary_ip or "",
        "NODE_SIP": new.secondary_ip if new else op.secondary_ip or op.primary_ip or "",
        "MASTER_CAPABLE": op.master_capable,
        "VM_CAPABLE": op.vm_capable,
    }
    return Scope(variables, old, list(config.nodes))


def _describe_node_modify(subject: Subject) -> Scope:
    config, op = subject.config, subject.op
    node = node_facts.find(config, op.node_name, op.node_uuid)
    nodes = unique([config.master, node])
    variables = {
        "OP_TARGET": node.name,
        "MASTER_CANDIDATE": op.master_candidate,
        "OFFLINE": op.offline,
        "DRAINED": op.drained,
        "MASTER_CAPABLE": op.master_capable,
        "VM_CAPABLE": op.vm_capable,
    }
    return Scope(variables, nodes, nodes)


def _describe_node_remove(subject: Subject) -> Scope:
    """
    Those before it run on all other nodes, those after it on all that are left.
    """
    config, op = subject.config, subject.op
    named = config.nodes.get(op.node_uuid or "") or _named(config.nodes, op.node_name)
    others = [each for each in config.nodes if each is not named]
    name = named.name if named else op.node_name
    return Scope({"OP_TARGET": name, "NODE_NAME": name}, others, others)


def _named(nodes: Any, name: str) -> Node | None:
    found: Node | None = nodes.named(name) or next(
        (each for each in nodes if each.name.startswith(f"{name}.")), None
    )
    return found


def _describe_node_migrate(subject: Subject) -> Scope:
    config, op = subject.config, subject.op
    variables = {
        "NODE_NAME": op.node_name,
        "OP_TARGET": op.node_name,
        "ALLOW_RUNTIME_CHANGES": op.allow_runtime_changes,
    }
    return Scope(variables, [config.master], [config.master])


def _describe_group_evacuate(subject: Subject) -> Scope:
    config, op = subject.config, subject.op
    group = config.groups.find(op.group_name)
    nodes = unique([config.master, *(each for each in config.nodes if each.group == group.uuid)])
    others = [each.uuid for each in config.groups if each.uuid != group.uuid]
    targets = [config.groups.find(each).uuid for each in op.target_groups or ()] or others
    variables = {"GROUP_NAME": op.group_name, "TARGET_GROUPS": " ".join(targets)}
    return Scope(variables, nodes, nodes)


def _describe_verify(subject: Subject) -> Scope:
    config = subject.config
    nodes = _members(config, subject.op.group_name)
    tags = {f"NODE_TAGS_{each.name}": " ".join(sorted(each.tags)) for each in nodes}
    return Scope({"CLUSTER_TAGS": " ".join(sorted(config.cluster.tags)), **tags}, [], nodes)


def _members(config: Snapshot, group: str) -> list[Node]:
    uuid = config.groups.find(group).uuid
    return [each for each in config.nodes if each.group == uuid]


def _merge_verify(job: JobContext, op: Any, result: Any, failures: Sequence[Failure]) -> bool:
    """
    A hook that failed is something wrong with its node.
    """
    report = Report(job.log, op.error_codes, op.ignore_errors)
    for node, script, output in failures:
        report.error("ENODEHOOKS", "node", node, f"hook {script} failed: {output or '(no output)'}")
    return bool(result) and not report.failed


CLUSTER_INIT = Hooks(
    "cluster-init",
    "CLUSTER",
    lambda subject: Scope({"OP_TARGET": _name(subject)}, [], [subject.config.master]),
)
CLUSTER_DESTROY = Hooks(
    "cluster-destroy",
    "CLUSTER",
    lambda subject: Scope({"OP_TARGET": _name(subject)}, [], [subject.config.master]),
)
CLUSTER_RENAME = on_cluster("cluster-rename", lambda op: {"NEW_NAME": op.name})
CLUSTER_MODIFY = on_cluster("cluster-modify", lambda op: {"NEW_VG_NAME": op.vg_name})
CLUSTER_VERIFY = Hooks("cluster-verify", "CLUSTER", _describe_verify, _merge_verify)
NODE_ADD = Hooks("node-add", "NODE", _describe_node_add)
NODE_MODIFY = Hooks("node-modify", "NODE", _describe_node_modify)
NODE_REMOVE = Hooks("node-remove", "NODE", _describe_node_remove)
NODE_MIGRATE = Hooks("node-migrate", "NODE", _describe_node_migrate)
GROUP_ADD = on_group("group-add")
GROUP_MODIFY = on_group("group-modify", lambda op: {"NEW_ALLOC_POLICY": op.alloc_policy})
GROUP_REMOVE = on_group("group-remove")
GROUP_RENAME = Hooks("group-rename", "GROUP", _describe_group_rename)
GROUP_EVACUATE = Hooks("group-evacuate", "GROUP", _describe_group_evacuate)
NETWORK_ADD = on_network("network-add")
NETWORK_MODIFY = on_network("network-modify")
NETWORK_REMOVE = on_network("network-remove")
NETWORK_CONNECT = on_connection("network-connect")
NETWORK_DISCONNECT = on_connection("network-disconnect")


def _name(subject: Subject) -> str:
    return subject.config.cluster.cluster_name
