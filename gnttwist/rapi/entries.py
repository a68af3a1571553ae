"""
What most entries of the table of resources are made of.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gnttwist.rapi import reading, schemas
from gnttwist.rapi.routes import BULK, DRY_RUN, LOCK, REASON, Argument, Method, Route
from gnttwist.rapi.schemas import JOB, NAMES, OBJECT
from gnttwist.rapi.users import READ
from gnttwist.rapi.writing import Opcode, constant, flag, name, repeated

DRY = {"dry_run": flag("dry-run", DRY_RUN.purpose)}
"""
The parameter of opcodes that can be tried without a change.
"""


def get(path: str, purpose: str, handler: Any, answer: Mapping[str, Any], *arguments: Argument) -> Route:
    """
    A resource that whoever may read can get.

    @param answer: Its schema.
    """
    return Route("GET", path, READ, purpose, handler, arguments, answer=answer)


def job(
    method: Method,
    path: str,
    permission: str,
    purpose: str,
    opcode: Opcode,
    body: Mapping[str, Any] | None = None,
    arguments: Sequence[Argument] = (),
) -> Route:
    """
    A request that submits a job of one opcode and answers with its number.

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
        body if body is not None else (_opcode_body(opcode) if opcode.body else None),
        JOB,
    )


def _opcode_body(opcode: Opcode) -> dict[str, Any]:
    """
    The schema of a body that holds an opcode's parameters: a reference that the description resolves.
    """
    return {
        "x-opcode": opcode.op_id,
        "x-fixed": sorted(opcode.fixed),
        "x-renamed": dict(opcode.renamed),
        "x-more": dict(opcode.more),
    }


def tags(path: str, kind: str, variable: str | None) -> Iterator[Route]:
    """
    The tags of a kind of object.

    @param variable: What the path calls an object's name; C{None} for the cluster.
    """
    named = name(variable) if variable else constant("")
    fixed = {"kind": constant(kind), "name": named, "tags": repeated("tag", "a tag; may be repeated"), **DRY}
    where = f"{path}/tags"
    what = {"nodegroup": "node group"}.get(kind, kind)
    yield get(where, f"The tags of the {what}.", reading.tags(kind, variable), NAMES)
    yield job("PUT", where, "tags", f"Add tags to the {what}.", Opcode("OP_TAGS_SET", fixed, body=False))
    yield job(
        "DELETE", where, "tags", f"Remove tags from the {what}.", Opcode("OP_TAGS_DEL", fixed, body=False)
    )


def listing(kind: str, key: str) -> Iterator[Route]:
    """
    All objects of a kind, and one.

    @param key: The field by which answers that are not in bulk name them.
    """
    path, what = f"/2/{kind}s", {"group": "node group"}.get(kind, kind)
    yield get(path, f"All {what}s.", reading.listing(kind), schemas.listing(key), BULK, LOCK)
    yield get(f"{path}/{{{kind}}}", f"One {what}.", reading.single(kind), OBJECT, LOCK)
