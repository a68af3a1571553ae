"""
Resources that show what there is: C{GET}.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gnttwist.rapi.call import Call
from gnttwist.rapi.failures import BadGateway, BadRequest, NotFound, Unavailable
from gnttwist.rapi.fields import FIELDS, QUERIED
from gnttwist.rapi.routes import Handler, number
from gnttwist.rapi.rows import described
from gnttwist.rapi.waiting import FINAL

FEATURES = ("instance-create-reqv1", "instance-reinstall-reqv1", "node-migrate-reqv1", "node-evac-res1")
"""
What Ganeti's clients ask for before they use some resources (reference: RAPI, section 6.4).
"""

VERSION = 2

_METHODS = {
    "instance": "QueryInstances",
    "node": "QueryNodes",
    "group": "QueryGroups",
    "network": "QueryNetworks",
}

_KEYS = {"instance": "id", "node": "id", "group": "name", "network": "name"}
"""
What names an object in a list.
"""

OS_TIME = 60.0
"""
Seconds for all nodes to tell their operating systems.
"""


async def nothing(call: Call) -> None:
    """
    Roots of the tree, which have nothing to say.
    """


async def version(call: Call) -> int:
    """
    The protocol's version.
    """
    return VERSION


async def features(call: Call) -> Sequence[str]:
    """
    See L{FEATURES}.
    """
    return FEATURES


async def info(call: Call) -> dict[str, Any]:
    """
    The cluster.
    """
    found: dict[str, Any] = await call.services.luxi.call("QueryClusterInfo")
    found["vg_name"] = found.get("volume_group_name")
    found["drbd_helper"] = found.get("drbd_usermode_helper")
    return found


def listing(kind: str) -> Handler:
    """
    All objects of a kind.
    """

    async def handler(call: Call) -> Sequence[Any]:
        _refuse_locking(call)
        method = _METHODS[kind]
        if call.flag("bulk"):
            rows = await call.services.luxi.encoded(method, [], FIELDS[kind], False)
            return call.services.described.all(kind, rows)
        names = await call.services.luxi.call(method, [], ["name"], False)
        return [{_KEYS[kind]: name, "uri": f"/2/{kind}s/{name}"} for (name,) in names]

    return handler


def single(kind: str) -> Handler:
    """
    One object.
    """

    async def handler(call: Call) -> dict[str, Any]:
        _refuse_locking(call)
        rows = await call.services.luxi.call(_METHODS[kind], [call.names[kind]], FIELDS[kind], False)
        return described(kind, _only(rows, kind, call.names[kind]))

    return handler


def _only(rows: Sequence[Any], kind: str, name: str) -> Any:
    if not rows:
        raise NotFound(f"There is no {kind} {name}")
    return rows[0]


def tags(kind: str, variable: str | None) -> Handler:
    """
    An object's tags, or the cluster's.
    """

    async def handler(call: Call) -> list[str]:
        found: list[str] = await call.services.luxi.call(
            "QueryTags", kind, call.names[variable] if variable else ""
        )
        return found

    return handler


_ROLES: Mapping[str, str] = {
    "M": "master",
    "C": "master-candidate",
    "D": "drained",
    "O": "offline",
    "R": "regular",
}


async def role(call: Call) -> str:
    """
    A node's role, in a word.
    """
    _refuse_locking(call)
    rows = await call.services.luxi.call("QueryNodes", [call.names["node"]], ["role"], False)
    return _ROLES[_only(rows, "node", call.names["node"])[0]]


async def console(call: Call) -> dict[str, Any]:
    """
    How to reach an instance's console.
    """
    name = call.names["instance"]
    answer = await call.services.luxi.call(
        "Query", "instance", ["console", "oper_state"], ["|", ["=", "name", name]]
    )
    if not answer["data"]:
        raise NotFound(f"There is no instance {name}")
    (_, found), _ = answer["data"][0]
    if found is None:
        raise Unavailable(f"The console of {name} is not available: it does not run")
    reached: dict[str, Any] = found
    return reached


async def operating_systems(call: Call) -> list[str]:
    """
    What all nodes can install: asked of them by a job, whose end is waited for.
    """
    asked = {"OP_ID": "OP_OS_DIAGNOSE", "output_fields": ["name", "valid", "variants"], "names": []}
    job = await call.submit(asked)
    known: list[Any] | None = None
    while known is None or known[0] not in FINAL:
        told = await call.services.waits.wait(job, ["status", "opresult"], known, None, OS_TIME)
        if told is None:
            raise Unavailable(f"the nodes have not told their operating systems yet; see job {job}")
        known = told[0]
    if known[0] != "success":
        raise BadGateway(f"job {job} could not ask the nodes for their operating systems")
    return [
        f"{name}+{variant}" if variant else name
        for name, valid, variants in known[1][0]
        if valid
        for variant in variants or [""]
    ]


async def query(call: Call) -> Any:
    """
    Any resource's chosen fields.
    """
    fields = call.fields()
    if not fields:
        raise BadRequest("query argument fields is missing: names, separated by commas")
    return await call.services.luxi.encoded("Query", _resource(call), fields, None)


async def filtered_query(call: Call) -> Any:
    """
    The same, of what a filter lets through.
    """
    body = call.members()
    superfluous = body.keys() - {"fields", "qfilter", "filter"}
    if superfluous:
        raise BadRequest(f"unknown body parameter {min(superfluous)}; known are fields, filter, qfilter")
    fields = call.fields() or body.get("fields")
    if not isinstance(fields, list) or not fields or not all(isinstance(each, str) for each in fields):
        raise BadRequest("body parameter fields: a list of names is expected")
    condition = body.get("qfilter", body.get("filter"))
    if condition is not None and not isinstance(condition, list):
        raise BadRequest("body parameter qfilter: a list or null is expected")
    return await call.services.luxi.encoded("Query", _resource(call), fields, condition)


async def query_fields(call: Call) -> Any:
    """
    What fields a resource has.
    """
    return await call.services.luxi.call("QueryFields", _resource(call), call.fields())


def _resource(call: Call) -> str:
    name = call.names["resource"]
    if name not in QUERIED:
        raise NotFound(f"There is no resource {name} to query; there are {', '.join(sorted(QUERIED))}")
    return name


def _refuse_locking(call: Call) -> None:
    if call.flag("lock"):
        raise BadRequest("query argument lock: queries take no locks here, leave it out")


def job_number(text: str) -> int:
    """
    A job's number in a path.
    """
    return number("job_id", text)
