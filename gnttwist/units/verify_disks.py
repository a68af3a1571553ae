"""
C{OP_CLUSTER_VERIFY_DISKS} and C{OP_GROUP_VERIFY_DISKS}: are the disks there that instances should be able to use?
"""

from functools import partial
from typing import Any

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import NodeError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Node
from gnttwist.model.opcode_cluster import OpClusterVerifyDisks
from gnttwist.model.opcode_group import OpGroupVerifyDisks
from gnttwist.units.encode import disk_dict, group_of
from gnttwist.units.locking import SHARED_BGL, node_locks


async def everywhere(job: JobContext, op: OpClusterVerifyDisks) -> dict[str, Any]:
    """
    Submit a job for each group.

    @return: The jobs.
    """
    config = await job.config()
    groups = [config.groups.find(op.group_name)] if op.group_name else list(config.groups)
    names = sorted(each.name for each in groups)
    jobs = await job.submit([[{"OP_ID": "OP_GROUP_VERIFY_DISKS", "group_name": name}] for name in names])
    return {"jobs": jobs}


async def of_group(job: JobContext, op: OpGroupVerifyDisks) -> list[Any]:
    """
    Ask the nodes for each disk that should be usable.

    @return: Errors by node, names of instances whose disks have to be activated, and for each instance with lost
        disks the disks: node and place.
    """
    config = await job.config()
    group = config.groups.find(op.group_name)
    nodes = [each for each in config.nodes if each.group == group.uuid]
    instances = [each for node in nodes for each in config.instances_on(node)]
    await job.acquire(
        {
            **SHARED_BGL,
            **{f"instance/{each.name}": LockMode.SHARED for each in instances},
            f"nodegroup/{group.uuid}": LockMode.SHARED,
            **node_locks(nodes, LockMode.SHARED),
        }
    )
    config = await job.config()
    asked = [each for each in config.nodes if each.group == group.uuid and not each.offline]
    found = await job.gather(*(partial(_on_node, config=config, node=each) for each in asked))
    errors: dict[str, str] = {}
    lost: dict[str, list[list[str]]] = {}
    for node, said in zip(asked, found, strict=True):
        if isinstance(said, str):
            errors[node.name] = said
        else:
            lost |= said
    # Disks in files are usable wherever they are; none is ever there and out of use.
    return [errors, [], lost]


async def _on_node(job: JobContext, *, config: Snapshot, node: Node) -> dict[str, list[list[str]]] | str:
    """
    The lost disks of the instances of a node, or why that is not known.
    """
    lost: dict[str, list[list[str]]] = {}
    for instance in config.instances_on(node):
        if not instance.disks_active or instance.primary_node != node.uuid:
            continue
        for disk in config.disks_of(instance):
            try:
                found = await job.call(
                    node, "blockdev_find", [disk_dict(config, disk, group_of(config, instance))]
                )
            except NodeError as reason:
                return str(reason)
            if found is None:
                lost.setdefault(instance.name, []).append([node.name, str(disk.logical_id[-1])])
    return lost
