"""
Whether a node has space for disks.
"""

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode, NodeError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Node
from gnttwist.units.values import refuse


def storage(config: Snapshot, template: str) -> str:
    """
    The directory whose space counts for disks of a template; empty for templates without one.
    """
    match template:
        case "file":
            return config.cluster.file_storage_dir
        case "sharedfile":
            return config.cluster.shared_file_storage_dir
    return ""


async def enough_space(job: JobContext, config: Snapshot, node: Node, template: str, needed: int) -> None:
    """
    Check that a node has so many MiB for disks of a template.

    @raise OpPrereqError: It has not, or does not say.
    """
    directory = storage(config, template)
    if not directory or needed <= 0:
        return
    try:
        _, [found], _ = await job.call(node, "node_info", [[[template, directory, []]], []])
    except NodeError as reason:
        raise refuse(f"How much space node {node.name} has is not known: {reason}", ECode.ENVIRON) from reason
    if found["storage_free"] < needed:
        raise refuse(
            f"Not enough disk space on node {node.name}: needed {needed} MiB, free {found['storage_free']} MiB",
            ECode.NORES,
        )
