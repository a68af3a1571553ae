"""
C{OP_GROUP_SET_PARAMS}, and what a group can have of its own.
"""

from typing import Any

import msgspec

from gnttwist.config.defaults import DISK_PARAMETERS, NODE_PARAMETERS, known_disk_parameters
from gnttwist.config.draft import Draft
from gnttwist.config.parameters import fill, group_ipolicy
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import ECode
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import NodeGroup, Parameters
from gnttwist.model.opcode_group import OpGroupAdd, OpGroupSetParams
from gnttwist.units import ipolicy
from gnttwist.units.locking import SHARED_BGL
from gnttwist.units.values import refuse, typed

GLOBAL_NODE_PARAMETERS = frozenset({"exclusive_storage"})
"""
Node parameters that groups and nodes cannot differ in, but for an empty one.
"""


async def modify(job: JobContext, op: OpGroupSetParams) -> list[list[str]]:
    """
    Change a group.

    @return: What Ganeti tells of it: dictionaries of parameters that were changed.
    """
    if not any(
        value is not None
        for value in (op.alloc_policy, op.ndparams, op.diskparams, op.hv_state, op.disk_state, op.ipolicy)
    ):
        raise refuse("Please pass at least one modification")
    uuid = (await job.config()).groups.find(op.group_name).uuid
    await job.acquire({**SHARED_BGL, f"nodegroup/{uuid}": LockMode.EXCLUSIVE})
    config = await job.config()
    after = _changed(config, op, uuid)
    worse = (
        ipolicy.newly_violating(config, config.with_object(after), [config.groups[uuid]])
        if op.ipolicy
        else []
    )
    if worse:
        job.log(f"After this change these instances violate the group's policy: {', '.join(worse)}")
    if not op.dry_run:

        def edit(draft: Draft) -> None:
            fresh = _changed(draft.config, op, uuid)
            if fresh != draft.config.groups[uuid]:
                draft.put(fresh)

        await job.change("change the group", edit)
    shown = {"ndparams": op.ndparams, "diskparams": op.diskparams}
    return [[name, str(getattr(after, name))] for name, given in shown.items() if given]


def changed(config: Snapshot, group: NodeGroup, op: OpGroupAdd | OpGroupSetParams) -> dict[str, Any]:
    """
    The members of a group that an opcode sets.

    @raise OpPrereqError: A value is wrong.
    """
    if op.hv_state or op.disk_state:
        raise refuse("hv_state and disk_state are not used by this version; leave them out")
    members: dict[str, Any] = {}
    if op.ndparams:
        members["ndparams"] = own(group.ndparams, op.ndparams, NODE_PARAMETERS, "ndparams")
    if op.diskparams:
        members["diskparams"] = disk_parameters(group.diskparams, op.diskparams)
    if op.ipolicy:
        members["ipolicy"] = ipolicy.changed(group.ipolicy, op.ipolicy, of_group=True)
        whole = group_ipolicy(config, msgspec.structs.replace(group, ipolicy=members["ipolicy"]))
        ipolicy.check(whole, config.cluster.enabled_disk_templates, of_group=True)
    return members


def own(before: Parameters, given: Parameters, known: Parameters | Any, what: str) -> Parameters:
    """
    An object's own parameters with new values; C{default} and null take one away.

    @param known: All that there are, with values of the right types.
    @raise OpPrereqError: One does not exist or is of another type.
    """
    new = typed(given, known, what)
    rest = {name: value for name, value in before.items() if name not in given}
    # Those that `typed` leaves out are as the object inherits them.
    return {**rest, **new}


def disk_parameters(before: dict[str, Parameters], given: dict[str, Parameters]) -> dict[str, Parameters]:
    """
    Parameters of disk templates with new values.

    @raise OpPrereqError: A template or a parameter does not exist, or a value is of another type.
    """
    result = fill(before)
    for template, values in given.items():
        if template not in DISK_PARAMETERS:
            raise refuse(
                f"diskparams: there is no disk template {template}; there are {', '.join(sorted(DISK_PARAMETERS))}"
            )
        known = known_disk_parameters(template)
        merged = own(result.get(template, {}), values, known, f"diskparams of {template}")
        if merged.get("access", "kernelspace") not in ("kernelspace", "userspace"):
            raise refuse(f"diskparams of {template}: access is kernelspace or userspace")
        result[template] = merged
    return result


def _changed(config: Snapshot, op: OpGroupSetParams, uuid: str) -> NodeGroup:
    group = config.groups.get(uuid)
    if group is None:
        raise refuse(f"Group {op.group_name} was removed meanwhile", ECode.NOENT)
    members = changed(config, group, op)
    if op.alloc_policy is not None:
        members["alloc_policy"] = op.alloc_policy
    return msgspec.structs.replace(group, **members)
