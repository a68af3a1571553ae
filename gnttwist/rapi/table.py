"""
Every resource of the remote API (reference: RAPI, section 6.5), and the project's own.
"""

from collections.abc import Iterator

from gnttwist.rapi import following, jobs, reading, schemas
from gnttwist.rapi.entries import DRY, get, job, listing, tags
from gnttwist.rapi.instance_routes import instances
from gnttwist.rapi.metrics import METRICS_AT, METRICS_TYPE, metrics
from gnttwist.rapi.node_routes import nodes
from gnttwist.rapi.openapi import PUBLISHED_AT, served
from gnttwist.rapi.routes import BULK, REASON, Argument, Method, Route
from gnttwist.rapi.schemas import (
    CANCELLED,
    FIELDS,
    FILTER,
    JOB,
    JOBS,
    NAMES,
    NULL,
    OBJECT,
    QUERIED,
    QUERY,
    WAIT,
    WAITED,
)
from gnttwist.rapi.users import READ
from gnttwist.rapi.writing import Opcode, flag, name

CHOSEN = Argument("fields", "text", "names, separated by commas")


def _general() -> Iterator[Route]:
    yield get("/", "The root; it has nothing to say.", reading.nothing, NULL)
    yield get("/2", "The root of version 2; it has nothing to say.", reading.nothing, NULL)
    yield get("/version", "The protocol's version.", reading.version, {"const": 2})
    yield get("/2/info", "The cluster.", reading.info, OBJECT)
    yield get("/2/features", "What this version of the protocol has.", reading.features, NAMES)
    yield get("/2/os", "The operating systems that all nodes can install.", reading.operating_systems, NAMES)
    yield job(
        "PUT",
        "/2/redistribute-config",
        "cluster",
        "Send the configuration to all nodes again.",
        Opcode("OP_CLUSTER_REDIST_CONF", {}),
    )
    yield job(
        "PUT",
        "/2/modify",
        "cluster",
        "Change the cluster's parameters.",
        Opcode("OP_CLUSTER_SET_PARAMS", {}, forbidden=("compression_tools",)),
    )
    yield from tags("/2", "cluster", None)


def _networks() -> Iterator[Route]:
    base = "/2/networks/{network}"
    network = {"network_name": name("network")}
    yield from listing("network", "name")
    rows: tuple[tuple[Method, str, str, Opcode], ...] = (
        (
            "POST",
            "/2/networks",
            "Add a network.",
            Opcode("OP_NETWORK_ADD", DRY, renamed={"name": "network_name"}),
        ),
        ("DELETE", base, "Remove a network.", Opcode("OP_NETWORK_REMOVE", {**network, **DRY})),
        (
            "PUT",
            f"{base}/connect",
            "Connect a network to a node group.",
            Opcode("OP_NETWORK_CONNECT", {**network, **DRY}),
        ),
        (
            "PUT",
            f"{base}/disconnect",
            "Disconnect a network from a node group.",
            Opcode("OP_NETWORK_DISCONNECT", {**network, **DRY}),
        ),
        ("PUT", f"{base}/modify", "Change a network.", Opcode("OP_NETWORK_SET_PARAMS", network)),
        ("PUT", f"{base}/rename", "Rename a network.", Opcode("OP_NETWORK_RENAME", network)),
    )
    for method, path, purpose, opcode in rows:
        yield job(method, path, "networks", purpose, opcode)
    yield from tags(base, "network", "network")


def _groups() -> Iterator[Route]:
    base = "/2/groups/{group}"
    group = {"group_name": name("group")}
    custom = {
        "custom_ndparams": "ndparams",
        "custom_ipolicy": "ipolicy",
        "custom_diskparams": "diskparams",
    }
    yield from listing("group", "name")
    rows: tuple[tuple[Method, str, str, Opcode], ...] = (
        (
            "POST",
            "/2/groups",
            "Add a node group.",
            Opcode("OP_GROUP_ADD", DRY, renamed={"name": "group_name"}),
        ),
        (
            "DELETE",
            base,
            "Remove a node group that has no nodes.",
            Opcode("OP_GROUP_REMOVE", {**group, **DRY}, body=False),
        ),
        (
            "PUT",
            f"{base}/modify",
            "Change a node group.",
            Opcode("OP_GROUP_SET_PARAMS", group, renamed=custom),
        ),
        ("PUT", f"{base}/rename", "Rename a node group.", Opcode("OP_GROUP_RENAME", {**group, **DRY})),
        (
            "PUT",
            f"{base}/assign-nodes",
            "Put nodes into a node group.",
            Opcode("OP_GROUP_ASSIGN_NODES", {**group, **DRY, "force": flag("force")}),
        ),
    )
    for method, path, purpose, opcode in rows:
        yield job(method, path, "groups", purpose, opcode)
    yield from tags(base, "nodegroup", "group")


def _jobs() -> Iterator[Route]:
    base = "/2/jobs/{job_id}"
    yield get("/2/jobs", "All jobs.", jobs.jobs, schemas.listing("id"), BULK)
    yield Route(
        "POST",
        "/2/jobs",
        "submit",
        "Submit a job of any opcodes, also of those that have no resource.",
        jobs.submit,
        (REASON,),
        body=JOBS,
        answer=JOB,
    )
    yield get(base, "One job.", jobs.job, OBJECT)
    yield Route("DELETE", base, "jobs", "Ask a job to end.", jobs.cancel, answer=CANCELLED)
    yield Route(
        "GET",
        f"{base}/wait",
        "jobs",
        "Wait until a job has changed, for `timeout` seconds at most; without it for ten, and for up to thirty while "
        "thousands wait. If nothing has, the answer is null.",
        jobs.wait,
        arguments=(Argument("timeout", "number", "seconds, up to 300"),),
        body=WAIT,
        answer=WAITED,
    )


def _events() -> Iterator[Route]:
    yield Route(
        "GET",
        "/2/events",
        READ,
        "What happens, as Server-Sent Events: jobs with their logs and progress, and changes of the configuration. "
        "The header Last-Event-ID goes on where a client was.",
        following.events,
        (
            Argument(
                "kind", "texts", "only what is about these: job, cluster, node, group, network, instance"
            ),
            Argument("job", "texts", "only these jobs"),
            Argument("last-event-id", "text", "as the header, for clients that cannot set it"),
        ),
        answer={"type": "string"},
        content="text/event-stream",
    )


def _queries() -> Iterator[Route]:
    base = "/2/query/{resource}"
    yield Route(
        "GET", base, "query", "Chosen fields of a resource.", reading.query, (CHOSEN,), answer=QUERIED
    )
    yield Route(
        "PUT",
        base,
        "query",
        "Chosen fields of what a filter lets through.",
        reading.filtered_query,
        (CHOSEN,),
        body=QUERY,
        answer=QUERIED,
    )
    yield get(f"{base}/fields", "What fields a resource has.", reading.query_fields, FIELDS, CHOSEN)


def _filters() -> Iterator[Route]:
    base = "/2/filters/{filter_uuid}"
    yield get("/2/filters", "All job filters.", jobs.filters, schemas.listing("uuid"), BULK)
    added = {"type": "string"}
    replace = jobs.replace_filter
    yield Route("POST", "/2/filters", "filters", "Add a job filter.", replace, body=FILTER, answer=added)
    yield get(base, "One job filter.", jobs.job_filter, OBJECT)
    yield Route("PUT", base, "filters", "Replace a job filter.", replace, body=FILTER, answer=added)
    yield Route("DELETE", base, "filters", "Remove a job filter.", jobs.delete_filter, answer=NULL)


ROUTES: tuple[Route, ...] = (
    get(PUBLISHED_AT, "This description.", served(lambda: ROUTES), OBJECT),
    Route(
        "GET",
        METRICS_AT,
        "metrics",
        "Figures in OpenMetrics.",
        metrics,
        answer={"type": "string"},
        content=METRICS_TYPE,
    ),
    *_general(),
    *nodes(),
    *instances(),
    *_networks(),
    *_groups(),
    *_jobs(),
    *_events(),
    *_queries(),
    *_filters(),
)
"""
All of them.
"""
