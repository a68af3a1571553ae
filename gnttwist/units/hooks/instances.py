"""
The hooks of operations on instances.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import OpPrereqError
from gnttwist.model.objects import Disk, Instance, Nic, Node
from gnttwist.units import running
from gnttwist.units.create_request import check
from gnttwist.units.hooks.scope import Hooks, Scope, Subject, unique
from gnttwist.units.hooks.variables import instance_variables

Extra = Callable[[Any], Mapping[str, Any]]


def on_instance(path: str, extra: Extra = lambda op: {}, *, before_on_master: bool = False) -> Hooks:
    """
    Hooks of an operation on an instance that is there: on the master and on the instance's nodes.

    @param extra: Variables from the opcode, names without C{GANETI_}.
    @param before_on_master: Whether those before it run on the master alone.
    """

    def describe(subject: Subject) -> Scope:
        config, op = subject.config, subject.op
        instance = running.find(config, op.instance_name, op.instance_uuid)
        disks = config.disks_of(instance)
        nodes = nodes_of(config, instance, disks)
        everywhere = unique([config.master, *nodes])
        names = [each.name for each in nodes]
        return Scope(
            {**instance_variables(config, instance, disks, instance.nics, nodes=names), **extra(op)},
            [config.master] if before_on_master else everywhere,
            everywhere,
        )

    return Hooks(path, "INSTANCE", describe)


def nodes_of(config: Snapshot, instance: Instance, disks: Sequence[Disk]) -> list[Node]:
    """
    An instance's nodes, the primary one first.
    """
    others = {node for each in disks for node in each.nodes} - {instance.primary_node}
    return [config.nodes[instance.primary_node], *(config.nodes[each] for each in sorted(others))]


def _describe_create(subject: Subject) -> Scope:
    """
    Before it, what is asked for and the node that was chosen, which alone is locked; after it, what was made.
    """
    config, op = subject.config, subject.op
    made = config.instances.named(op.instance_name.lower())
    if made is not None:
        instance, disks, nics = made, config.disks_of(made), made.nics
    else:
        request = check(config, op)
        instance = request.instance()
        disks = [
            Disk(
                uuid="",
                dev_type=request.template,
                logical_id=[],
                size=each.size,
                mode=each.mode,
                name=each.name,
            )
            for each in request.disks
        ]
        nics = [
            Nic(mac=each.mac or "auto", uuid="", nicparams=dict(each.nicparams), ip=each.ip, name=each.name)
            for each in request.nics
        ]
    nodes = [config.nodes[each] for each in sorted(subject.nodes) if each in config.nodes]
    if made is not None:
        nodes = nodes_of(config, made, disks)
    if not nodes:
        raise OpPrereqError(f"Instance {op.instance_name} has no node")
    names = [each.name for each in nodes]
    variables = instance_variables(config, instance, disks, nics, nodes=names, made=made is not None)
    everywhere = unique([config.master, *nodes])
    return Scope({"ADD_MODE": op.mode, **variables}, everywhere, everywhere)


INSTANCE_ADD = Hooks("instance-add", "INSTANCE", _describe_create)
INSTANCE_REMOVE = on_instance(
    "instance-remove", lambda op: {"SHUTDOWN_TIMEOUT": op.shutdown_timeout}, before_on_master=True
)
INSTANCE_START = on_instance("instance-start", lambda op: {"FORCE": op.force})
INSTANCE_STOP = on_instance("instance-stop", lambda op: {"TIMEOUT": op.timeout})
INSTANCE_REBOOT = on_instance(
    "instance-reboot",
    lambda op: {
        "IGNORE_SECONDARIES": op.ignore_secondaries,
        "REBOOT_TYPE": op.reboot_type,
        "SHUTDOWN_TIMEOUT": op.shutdown_timeout,
    },
)
INSTANCE_REINSTALL = on_instance("instance-reinstall")
INSTANCE_RENAME = on_instance("instance-rename", lambda op: {"INSTANCE_NEW_NAME": op.new_name})
INSTANCE_MODIFY = on_instance(
    "instance-modify",
    lambda op: {
        **({"NEW_DISK_TEMPLATE": op.disk_template} if op.disk_template else {}),
        **({"RUNTIME_MEMORY": op.runtime_mem} if op.runtime_mem else {}),
    },
)
INSTANCE_RECREATE_DISKS = on_instance("instance-recreate-disks")
DISK_GROW = on_instance(
    "disk-grow", lambda op: {"DISK": op.disk, "AMOUNT": op.amount, "ABSOLUTE": op.absolute}
)


def _describe_failover(subject: Subject) -> Scope:
    # Before it only on the master: the node that it leaves may be gone.
    found = on_instance("", before_on_master=True).describe(subject)
    op = subject.op
    own = {
        "IGNORE_CONSISTENCY": op.ignore_consistency,
        "SHUTDOWN_TIMEOUT": op.shutdown_timeout,
        "OLD_PRIMARY": found.variables["INSTANCE_PRIMARY"],
        "NEW_PRIMARY": op.target_node or "",
        "OLD_SECONDARY": "",
        "NEW_SECONDARY": "",
        "FAILOVER_CLEANUP": op.cleanup,
    }
    return Scope({**found.variables, **own}, found.before, found.after)


INSTANCE_FAILOVER = Hooks("instance-failover", "INSTANCE", _describe_failover)


def _describe_migrate(subject: Subject) -> Scope:
    found = on_instance("").describe(subject)
    op, config = subject.op, subject.config
    target = op.target_node_uuid or op.target_node
    nodes = unique([*found.before, *([config.nodes.find(target)] if target else [])])
    own = {
        "MIGRATE_LIVE": op.live if op.live is not None else (op.mode or "live") == "live",
        "MIGRATE_CLEANUP": op.cleanup,
        "ALLOW_RUNTIME_CHANGES": op.allow_runtime_changes,
        "OLD_PRIMARY": found.variables["INSTANCE_PRIMARY"],
        "NEW_PRIMARY": op.target_node or "",
        "OLD_SECONDARY": "",
        "NEW_SECONDARY": "",
    }
    return Scope({**found.variables, **own}, nodes, nodes)


INSTANCE_MIGRATE = Hooks("instance-migrate", "INSTANCE", _describe_migrate)
