"""
C{OP_QUERY}, C{OP_QUERY_FIELDS} and C{OP_CLUSTER_CONFIG_QUERY}: queries put as jobs, which read what LUXI's do.

Operating systems are known to nodes alone, so they are asked here.
"""

from collections.abc import Mapping
from typing import Any

from gnttwist.errors import ECode, ParameterError
from gnttwist.jobs.context import JobContext
from gnttwist.model.opcode_query import OpClusterConfigQuery, OpQuery, OpQueryFields
from gnttwist.units import os_diagnose
from gnttwist.units.locking import SHARED_BGL
from gnttwist.units.values import refuse
from gnttwist.wire import filters

NORMAL, UNKNOWN, UNAVAILABLE = 0, 1, 3
"""
What a cell's value is worth; Ganeti's numbers.
"""

OS_FIELDS: Mapping[str, tuple[str, str, str]] = {
    "api_versions": ("ApiVersions", "other", "Versions of the interface that it has on all nodes"),
    "blacklisted": ("Blacklisted", "bool", "Whether it is not to be installed"),
    "hidden": ("Hidden", "bool", "Whether it is left out of lists"),
    "name": ("Name", "text", "Name of the operating system"),
    "node_status": ("NodeStatus", "other", "What each node has of it"),
    "os_hvp": ("OsHypervisorParams", "other", "Hypervisor parameters of its instances"),
    "osparams": ("OsParameters", "other", "Values of its parameters in the cluster"),
    "parameters": ("Parameters", "other", "Parameters that it has on all nodes"),
    "trusted": ("Trusted", "bool", "Whether its scripts may run beside guests"),
    "valid": ("Valid", "bool", "Whether it can be used on all nodes"),
    "variants": ("Variants", "other", "Variants that it has on all nodes"),
}
"""
Title, kind and description of what can be asked about an operating system.
"""


async def query(job: JobContext, op: OpQuery) -> dict[str, Any]:
    """
    Tell about objects.

    @return: What LUXI's C{Query} answers.
    """
    if op.what == "os":
        return await _systems(job, op)
    return await job.query(op.what, op.fields, op.qfilter)


async def query_fields(job: JobContext, op: OpQueryFields) -> dict[str, Any]:
    """
    Tell about fields.

    @return: What LUXI's C{QueryFields} answers.
    """
    if op.what == "os":
        return {"fields": [_definition(each) for each in op.fields or OS_FIELDS]}
    return await job.query_fields(op.what, op.fields)


async def config_query(job: JobContext, op: OpClusterConfigQuery) -> list[Any]:
    """
    Tell values of the cluster, in the order of the fields.
    """
    answer = await job.query("cluster", op.output_fields, None)
    unknown = [each["name"] for each in answer["fields"] if each["kind"] == "unknown"]
    if unknown:
        raise refuse(f"Unknown output fields selected: {', '.join(unknown)}")
    [row] = answer["data"]
    return [value for _, value in row]


async def _systems(job: JobContext, op: OpQuery) -> dict[str, Any]:
    wanted = filters.parse(op.qfilter)
    for name in sorted(filters.fields(wanted)):
        if name not in OS_FIELDS:
            raise ParameterError(f"Can't find field named '{name}'")
    await job.acquire(SHARED_BGL)
    config = await job.config()
    shown = {*op.fields, *filters.fields(wanted)}
    rows = [
        {name: get(each, config.cluster) for name, get in os_diagnose.FIELDS.items()}
        for each in await os_diagnose.on_all_nodes(job, config)
        if os_diagnose.shown(each, config.cluster, shown)
    ]
    data = [
        [_cell(row, name) for name in op.fields]
        for row in rows
        if filters.evaluate(wanted, row.__getitem__, lambda name: False) is not False
    ]
    names = {row["name"] for row in rows}
    asked = filters.requested(wanted, "name")
    if missing := [str(each) for each in asked or () if each not in names]:
        raise refuse(f"There is no operating system {', '.join(missing)}", ECode.NOENT)
    return {"fields": [_definition(each) for each in op.fields], "data": data}


def _cell(row: Mapping[str, Any], name: str) -> list[Any]:
    if name not in row:
        return [UNKNOWN, None]
    return [UNAVAILABLE, None] if row[name] is None else [NORMAL, row[name]]


def _definition(name: str) -> dict[str, str]:
    title, kind, doc = OS_FIELDS.get(name, (name, "unknown", f"Unknown field '{name}'"))
    return {"name": name, "title": title, "kind": kind, "doc": doc}
