"""
What nodes know of instances, and what state that means.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import evolve

from gnttwist.config import parameters
from gnttwist.config.snapshot import Snapshot
from gnttwist.model.objects import Instance
from gnttwist.model.stored import Stored, to_members
from gnttwist.query.fields.definition import Field, Missing
from gnttwist.query.fields.instance_row import InstanceRow, Seen
from gnttwist.query.fields.live import Guest, ask, guests, nodes_of
from gnttwist.query.sources import LiveCall, Sources

ENDED_BY_ITSELF = 1
"""
The state of a guest that its user shut down from within.
"""


async def collect(
    sources: Sources, rows: Sequence[InstanceRow], fields: Collection[str]
) -> list[InstanceRow]:
    """
    Ask the instances' primary nodes for what these fields need.
    """
    result = list(rows)
    if {"status", "oper_state", "oper_ram", "oper_vcpus"}.intersection(fields):
        result = await _collect_guests(sources, result)
    if "console" in fields:
        result = await _collect_consoles(sources, result)
    return result


async def _collect_guests(sources: Sources, rows: Sequence[InstanceRow]) -> list[InstanceRow]:
    config = sources.config
    hypervisors = config.cluster.enabled_hypervisors
    arguments = [hypervisors, {each: config.cluster.hvparams.get(each, {}) for each in hypervisors}]
    nodes = nodes_of(config, (each.instance.primary_node for each in rows))
    answers = await ask(sources.live, [LiveCall(each, "all_instances_info", arguments) for each in nodes])
    known = {uuid: guests(answer) for uuid, answer in answers.items()}
    places = {name: uuid for uuid, found in known.items() if not isinstance(found, Missing) for name in found}
    return [
        InstanceRow(config, each.instance, _seen(each.instance, known, places), each.console) for each in rows
    ]


def _seen(
    instance: Instance, known: Mapping[str, Mapping[str, Guest] | Missing], places: Mapping[str, str]
) -> Seen | Missing:
    here = known.get(instance.primary_node, Missing.NO_DATA)
    if isinstance(here, Missing):
        return here
    if instance.name in here:
        return Seen(here[instance.name])
    elsewhere = known.get(places.get(instance.name, ""), Missing.NO_DATA)
    if isinstance(elsewhere, Missing):
        return Seen(None)
    return Seen(elsewhere[instance.name], elsewhere=True)


async def _collect_consoles(sources: Sources, rows: Sequence[InstanceRow]) -> list[InstanceRow]:
    config = sources.config
    asked: dict[str, dict[str, Any]] = {}
    for row in rows:
        asked.setdefault(row.instance.primary_node, {})[row.instance.name] = _description(row)
    calls = [LiveCall(each, "instance_console_info", [asked[each.uuid]]) for each in nodes_of(config, asked)]
    answers = await ask(sources.live, calls)
    return [evolve(each, console=_console(each, answers)) for each in rows]


def _description(row: InstanceRow) -> dict[str, Any]:
    """
    An instance, as a node needs it to tell about its console.
    """
    return {
        "instance": _members(row.instance),
        "node": _members(row.node),
        "group": _members(row.group),
        "hvParams": parameters.fill_hv(row.config, row.instance),
        "beParams": row.beparams,
    }


def _members(value: Stored) -> dict[str, Any]:
    return {name: each for name, each in to_members(value).items() if each is not None}


def _console(row: InstanceRow, answers: Mapping[str, Any]) -> dict[str, Any] | Missing:
    answer = answers.get(row.instance.primary_node, Missing.NO_DATA)
    if isinstance(answer, Missing):
        return answer
    found = answer.get(row.instance.name) if isinstance(answer, dict) else None
    return found if isinstance(found, dict) else Missing.UNAVAILABLE


def status(config: Snapshot, instance: Instance, seen: Seen | Missing) -> str:
    """
    An instance's state: what it should be, and what it is.
    """
    if isinstance(seen, Missing):
        return "ERROR_nodeoffline" if seen is Missing.OFFLINE else "ERROR_nodedown"
    if seen.guest is None:
        return _stopped(config, instance, by_itself=instance.admin_state_source == "user")
    if seen.elsewhere:
        return "ERROR_wrongnode"
    if seen.guest.state == ENDED_BY_ITSELF:
        return _stopped(config, instance, by_itself=True)
    return "running" if instance.admin_state == "up" else "ERROR_up"


def _stopped(config: Snapshot, instance: Instance, *, by_itself: bool) -> str:
    may_stop = config.cluster.enabled_user_shutdown and by_itself
    match instance.admin_state:
        case "up":
            return "USER_down" if may_stop else "ERROR_down"
        case "down":
            return "USER_down" if may_stop and instance.admin_state_source == "user" else "ADMIN_down"
        case _:
            return "ADMIN_offline"


def _running(row: InstanceRow) -> Guest | Missing:
    if isinstance(row.seen, Missing):
        return row.seen
    if row.seen.guest is None or row.seen.guest.state == ENDED_BY_ITSELF:
        return Missing.UNAVAILABLE
    return row.seen.guest


def _state(row: InstanceRow) -> bool | Missing:
    if isinstance(row.seen, Missing):
        return row.seen
    return not isinstance(_running(row), Missing)


def _memory(row: InstanceRow) -> int | Missing:
    found = _running(row)
    return found if isinstance(found, Missing) else found.memory


def _vcpus(row: InstanceRow) -> int | Missing:
    found = _running(row)
    return found if isinstance(found, Missing) else found.vcpus


def live_fields() -> list[Field[InstanceRow]]:
    """
    The fields that nodes are asked for.
    """
    return [
        Field(
            "status",
            "Status",
            "text",
            "State: running, or why not, or how it differs from what it should be",
            lambda row: status(row.config, row.instance, row.seen),
            live=True,
        ),
        Field("oper_state", "Running", "bool", "Whether it runs", _state, live=True),
        Field("oper_ram", "Memory", "unit", "Memory that it has now", _memory, live=True),
        Field("oper_vcpus", "VCPUs", "number", "Virtual processors that it has now", _vcpus, live=True),
        Field("console", "Console", "other", "How to reach its console", lambda row: row.console, live=True),
    ]
