"""
Every resource of the remote API (reference: RAPI, section 6.5), and the project's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gnttwist.rapi import following, jobs, reading, schemas, writing
from gnttwist.rapi.metrics import METRICS_AT, METRICS_TYPE, metrics
from gnttwist.rapi.openapi import PUBLISHED_AT, served
from gnttwist.rapi.routes import BULK, DRY_RUN, LOCK, REASON, Argument, Method, Route
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
    REINSTALL,
    ROLE,
    ROLES,
    WAIT,
    WAITED,
)
from gnttwist.rapi.users import READ
from gnttwist.rapi.writing import (
    Opcode,
    Source,
    constant,
    disk,
    flag,
    name,
    names,
    repeated,
    required,
    separated,
    text,
)

DRY = {"dry_run": flag("dry-run", DRY_RUN.purpose)}

CHOSEN = Argument("fields", "text", "names, separated by commas")


def _get(path: str, purpose: str, handler: Any, answer: Mapping[str, Any], *arguments: Argument) -> Route:
    return Route("GET", path, READ, purpose, handler, arguments, answer=answer)


def _job(
    method: Method,
    path: str,
    permission: str,
    purpose: str,
    opcode: Opcode,
    body: Mapping[str, Any] | None = None,
    arguments: Sequence[Argument] = (),
) -> Route:
    """
    @param body: A schema, where the opcode's own parameters are not the body.
    """
    return Route(
        method,
        path,
        permission,
        purpose,
        opcode.handler(),
        (*opcode.arguments, *arguments, REASON),
        opcode.op_id,
        body if body is not None else (opcode_body(opcode) if opcode.body else None),
        JOB,
    )


def opcode_body(opcode: Opcode) -> dict[str, Any]:
    """
    The schema of a body that holds an opcode's parameters: a reference that the description resolves.
    """
    return {
        "x-opcode": opcode.op_id,
        "x-fixed": sorted(opcode.fixed),
        "x-renamed": dict(opcode.renamed),
        "x-more": dict(opcode.more),
    }


def _tags(path: str, kind: str, variable: str | None) -> Iterator[Route]:
    named = name(variable) if variable else constant("")
    fixed = {"kind": constant(kind), "name": named, "tags": repeated("tag", "a tag; may be repeated"), **DRY}
    where = f"{path}/tags"
    what = {"nodegroup": "node group"}.get(kind, kind)
    yield _get(where, f"The tags of the {what}.", reading.tags(kind, variable), NAMES)
    yield _job("PUT", where, "tags", f"Add tags to the {what}.", Opcode("OP_TAGS_SET", fixed, body=False))
    yield _job(
        "DELETE", where, "tags", f"Remove tags from the {what}.", Opcode("OP_TAGS_DEL", fixed, body=False)
    )


def _listing(kind: str, key: str) -> Iterator[Route]:
    path, what = f"/2/{kind}s", {"group": "node group"}.get(kind, kind)
    yield _get(path, f"All {what}s.", reading.listing(kind), schemas.listing(key), BULK, LOCK)
    yield _get(f"{path}/{{{kind}}}", f"One {what}.", reading.single(kind), OBJECT, LOCK)


def _general() -> Iterator[Route]:
    yield _get("/", "The root; it has nothing to say.", reading.nothing, NULL)
    yield _get("/2", "The root of version 2; it has nothing to say.", reading.nothing, NULL)
    yield _get("/version", "The protocol's version.", reading.version, {"const": 2})
    yield _get("/2/info", "The cluster.", reading.info, OBJECT)
    yield _get("/2/features", "What this version of the protocol has.", reading.features, NAMES)
    yield _get("/2/os", "The operating systems that all nodes can install.", reading.operating_systems, NAMES)
    yield _job(
        "PUT",
        "/2/redistribute-config",
        "cluster",
        "Send the configuration to all nodes again.",
        Opcode("OP_CLUSTER_REDIST_CONF", {}),
    )
    yield _job(
        "PUT",
        "/2/modify",
        "cluster",
        "Change the cluster's parameters.",
        Opcode("OP_CLUSTER_SET_PARAMS", {}, forbidden=("compression_tools",)),
    )
    yield from _tags("/2", "cluster", None)


def _nodes() -> Iterator[Route]:
    base = "/2/nodes/{node}"
    node = {"node_name": name("node")}
    yield from _listing("node", "id")
    yield _job(
        "POST",
        f"{base}/powercycle",
        "nodes",
        "Restart a node's machine at once.",
        Opcode("OP_NODE_POWERCYCLE", {**node, "force": flag("force")}),
    )
    yield _get(f"{base}/role", "A node's role.", reading.role, ROLES, LOCK)
    yield _job(
        "PUT",
        f"{base}/role",
        "nodes",
        "Give a node another role.",
        Opcode(
            "OP_NODE_SET_PARAMS",
            {
                **node,
                "force": flag("force"),
                "auto_promote": flag("auto-promote", "make another node master candidate instead"),
            },
            adapt=writing.role,
        ),
        ROLE,
    )
    yield _job(
        "POST",
        f"{base}/evacuate",
        "nodes",
        "Move instances away from a node.",
        Opcode("OP_NODE_EVACUATE", {**node, **DRY}),
    )
    yield _job(
        "POST",
        f"{base}/migrate",
        "nodes",
        "Migrate all primary instances away from a node.",
        Opcode("OP_NODE_MIGRATE", node, adapt=writing.migration),
        arguments=(
            Argument("mode", "text", "live or non-live, in old requests"),
            Argument("live", "flag", "whether they go on running, in older ones"),
        ),
    )
    yield _job(
        "POST",
        f"{base}/modify",
        "nodes",
        "Change a node's parameters.",
        Opcode("OP_NODE_SET_PARAMS", node),
    )
    yield from _storage(f"{base}/storage")
    yield from _tags(base, "node", "node")


def _storage(base: str) -> Iterator[Route]:
    kind = {"storage_type": required("storage_type", "lvm-vg, lvm-pv or file")}
    unit = {"node_name": name("node"), "name": required("name", "the storage unit's name"), **kind}
    yield _job(
        "GET",
        base,
        "nodes",
        "A node's storage units.",
        Opcode(
            "OP_NODE_QUERY_STORAGE",
            {"nodes": names("node"), "output_fields": separated("output_fields", "names, by commas"), **kind},
            body=False,
        ),
    )
    allocatable = Argument("allocatable", "flag", "whether new disks may be put there")
    yield _job(
        "PUT",
        f"{base}/modify",
        "nodes",
        "Change a storage unit.",
        Opcode(
            "OP_NODE_MODIFY_STORAGE",
            {**unit, "changes": Source(writing.storage_change, allocatable)},
            body=False,
        ),
    )
    yield _job(
        "PUT",
        f"{base}/repair",
        "nodes",
        "Repair a storage unit.",
        Opcode("OP_REPAIR_NODE_STORAGE", unit, body=False),
    )


def _instances() -> Iterator[Route]:
    base = "/2/instances/{instance}"
    yield from _listing("instance", "id")
    yield _job(
        "POST",
        "/2/instances",
        "instances",
        "Create an instance.",
        Opcode(
            "OP_INSTANCE_CREATE",
            DRY,
            renamed=writing.CREATION_NAMES,
            adapt=writing.creation,
            more={"__version__": {"const": 1}},
        ),
    )
    yield _job(
        "POST",
        "/2/instances-multi-alloc",
        "instances",
        "Create several instances.",
        Opcode("OP_INSTANCE_MULTI_ALLOC", DRY, adapt=writing.creations),
    )
    yield _job(
        "GET",
        f"{base}/info",
        READ,
        "All about an instance, by a job.",
        Opcode(
            "OP_INSTANCE_QUERY_DATA",
            {"instances": names("instance"), "static": flag("static", "do not ask nodes")},
            body=False,
        ),
    )
    yield from _tags(base, "instance", "instance")
    yield Route(
        "GET",
        f"{base}/console",
        "console",
        "How to reach an instance's console.",
        reading.console,
        answer=OBJECT,
    )
    yield Route(
        "POST",
        f"{base}/reinstall",
        "instances",
        "Install an instance's operating system again; its data are lost.",
        writing.reinstall,
        (
            Argument("os", "text", "another operating system, in old requests"),
            Argument("nostartup", purpose="do not start it, in old requests"),
            REASON,
        ),
        body=REINSTALL,
        answer=JOB,
    )
    yield from _instance_power(base)
    yield from _instance_changes(base)


def _instance_power(base: str) -> Iterator[Route]:
    instance = {"instance_name": name("instance")}
    remember = {"no_remember": flag("no_remember", "do not keep it as the wanted state")}
    power: tuple[tuple[Method, str, str, Opcode], ...] = (
        (
            "POST",
            "reboot",
            "Restart an instance.",
            Opcode(
                "OP_INSTANCE_REBOOT",
                {
                    **instance,
                    **DRY,
                    "ignore_secondaries": flag("ignore_secondaries", "though a secondary node is not ready"),
                    "reboot_type": text("type", "hard", "soft, hard or full"),
                },
            ),
        ),
        (
            "PUT",
            "shutdown",
            "Stop an instance.",
            Opcode("OP_INSTANCE_SHUTDOWN", {**instance, **DRY, **remember}),
        ),
        (
            "PUT",
            "startup",
            "Start an instance.",
            Opcode(
                "OP_INSTANCE_STARTUP", {**instance, **DRY, **remember, "force": flag("force")}, body=False
            ),
        ),
        ("PUT", "migrate", "Migrate an instance.", Opcode("OP_INSTANCE_MIGRATE", instance)),
        (
            "PUT",
            "failover",
            "Stop an instance, and start it elsewhere.",
            Opcode("OP_INSTANCE_FAILOVER", instance),
        ),
    )
    for method, verb, purpose, opcode in power:
        yield _job(method, f"{base}/{verb}", "power", purpose, opcode)


def _instance_changes(base: str) -> Iterator[Route]:
    instance = {"instance_name": name("instance")}
    old = (
        Argument("remote_node", "text", "the new secondary node, in old requests"),
        Argument("mode", "text", "which disks, in old requests"),
        Argument("disks", "text", "their numbers, separated by commas, in old requests"),
        Argument("iallocator", "text", "what chooses the node, in old requests"),
    )
    changes: tuple[tuple[Method, str, str, Opcode, Sequence[Argument]], ...] = (
        (
            "DELETE",
            base,
            "Remove an instance and its disks.",
            Opcode("OP_INSTANCE_REMOVE", {**instance, **DRY, "ignore_failures": constant(False)}),
            (),
        ),
        (
            "PUT",
            f"{base}/modify",
            "Change an instance.",
            Opcode(
                "OP_INSTANCE_SET_PARAMS",
                instance,
                renamed={"custom_beparams": "beparams", "custom_hvparams": "hvparams"},
            ),
            (),
        ),
        ("PUT", f"{base}/rename", "Rename an instance.", Opcode("OP_INSTANCE_RENAME", instance), ()),
        (
            "POST",
            f"{base}/replace-disks",
            "Replace an instance's mirrored disks.",
            Opcode("OP_INSTANCE_REPLACE_DISKS", instance, adapt=writing.replacement),
            old,
        ),
        (
            "PUT",
            f"{base}/activate-disks",
            "Make a stopped instance's disks usable on its node.",
            Opcode(
                "OP_INSTANCE_ACTIVATE_DISKS",
                {**instance, "ignore_size": flag("ignore_size", "whatever size they have")},
                body=False,
            ),
            (),
        ),
        (
            "PUT",
            f"{base}/deactivate-disks",
            "Take an instance's disks out of use.",
            Opcode("OP_INSTANCE_DEACTIVATE_DISKS", {**instance, "force": flag("force")}, body=False),
            (),
        ),
        (
            "POST",
            f"{base}/recreate-disks",
            "Make lost disks anew, empty.",
            Opcode("OP_INSTANCE_RECREATE_DISKS", instance),
            (),
        ),
        (
            "POST",
            f"{base}/disk/{{disk}}/grow",
            "Make a disk larger.",
            Opcode("OP_INSTANCE_GROW_DISK", {**instance, "disk": disk()}),
            (),
        ),
        (
            "PUT",
            f"{base}/prepare-export",
            "Prepare an export.",
            Opcode(
                "OP_BACKUP_PREPARE",
                {**instance, "mode": required("mode", "local or remote")},
                body=False,
            ),
            (),
        ),
        (
            "PUT",
            f"{base}/export",
            "Export an instance.",
            Opcode("OP_BACKUP_EXPORT", instance, renamed={"destination": "target_node"}),
            (),
        ),
    )
    for method, path, purpose, opcode, arguments in changes:
        yield _job(method, path, "instances", purpose, opcode, arguments=arguments)


def _networks() -> Iterator[Route]:
    base = "/2/networks/{network}"
    network = {"network_name": name("network")}
    yield from _listing("network", "name")
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
        yield _job(method, path, "networks", purpose, opcode)
    yield from _tags(base, "network", "network")


def _groups() -> Iterator[Route]:
    base = "/2/groups/{group}"
    group = {"group_name": name("group")}
    custom = {
        "custom_ndparams": "ndparams",
        "custom_ipolicy": "ipolicy",
        "custom_diskparams": "diskparams",
    }
    yield from _listing("group", "name")
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
        yield _job(method, path, "groups", purpose, opcode)
    yield from _tags(base, "nodegroup", "group")


def _jobs() -> Iterator[Route]:
    base = "/2/jobs/{job_id}"
    yield _get("/2/jobs", "All jobs.", jobs.jobs, schemas.listing("id"), BULK)
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
    yield _get(base, "One job.", jobs.job, OBJECT)
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
    yield _get(f"{base}/fields", "What fields a resource has.", reading.query_fields, FIELDS, CHOSEN)


def _filters() -> Iterator[Route]:
    base = "/2/filters/{filter_uuid}"
    yield _get("/2/filters", "All job filters.", jobs.filters, schemas.listing("uuid"), BULK)
    added = {"type": "string"}
    replace = jobs.replace_filter
    yield Route("POST", "/2/filters", "filters", "Add a job filter.", replace, body=FILTER, answer=added)
    yield _get(base, "One job filter.", jobs.job_filter, OBJECT)
    yield Route("PUT", base, "filters", "Replace a job filter.", replace, body=FILTER, answer=added)
    yield Route("DELETE", base, "filters", "Remove a job filter.", jobs.delete_filter, answer=NULL)


ROUTES: tuple[Route, ...] = (
    _get(PUBLISHED_AT, "This description.", served(lambda: ROUTES), OBJECT),
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
    *_nodes(),
    *_instances(),
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
