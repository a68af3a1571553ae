"""
The remote API's resources of nodes.
"""

from collections.abc import Iterator

from gnttwist.rapi import reading, writing
from gnttwist.rapi.entries import DRY, get, job, listing, tags
from gnttwist.rapi.routes import LOCK, Argument, Route
from gnttwist.rapi.schemas import ROLE, ROLES
from gnttwist.rapi.writing import Opcode, Source, flag, name, names, required, separated


def nodes() -> Iterator[Route]:
    """
    Their entries in the table.
    """
    base = "/2/nodes/{node}"
    node = {"node_name": name("node")}
    yield from listing("node", "id")
    yield job(
        "POST",
        f"{base}/powercycle",
        "nodes",
        "Restart a node's machine at once.",
        Opcode("OP_NODE_POWERCYCLE", {**node, "force": flag("force")}),
    )
    yield get(f"{base}/role", "A node's role.", reading.role, ROLES, LOCK)
    yield job(
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
    yield job(
        "POST",
        f"{base}/evacuate",
        "nodes",
        "Move instances away from a node.",
        Opcode("OP_NODE_EVACUATE", {**node, **DRY}),
    )
    yield job(
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
    yield job(
        "POST",
        f"{base}/modify",
        "nodes",
        "Change a node's parameters.",
        Opcode("OP_NODE_SET_PARAMS", node),
    )
    yield from _storage(f"{base}/storage")
    yield from tags(base, "node", "node")


def _storage(base: str) -> Iterator[Route]:
    kind = {"storage_type": required("storage_type", "lvm-vg, lvm-pv or file")}
    unit = {"node_name": name("node"), "name": required("name", "the storage unit's name"), **kind}
    yield job(
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
    yield job(
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
    yield job(
        "PUT",
        f"{base}/repair",
        "nodes",
        "Repair a storage unit.",
        Opcode("OP_REPAIR_NODE_STORAGE", unit, body=False),
    )
