"""
The description of the remote API in OpenAPI 3.1, made from the table that serves it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from importlib.metadata import version
from typing import Any

import msgspec

from gnttwist.model.opcodes import OPCODES
from gnttwist.rapi.call import WRITTEN, Call
from gnttwist.rapi.routes import NAME, PATTERNS, Argument, Route
from gnttwist.rapi.schemas import ERROR, Schema

PUBLISHED_AT = "/openapi.json"

_REFERENCE = "#/components/schemas/{name}"

_KINDS: Mapping[str, Schema] = {
    "flag": {"type": "integer", "enum": [0, 1]},
    "number": {"type": "integer"},
    "text": {"type": "string"},
    "texts": {"type": "array", "items": {"type": "string"}},
}


def describe(routes: Iterable[Route]) -> dict[str, Any]:
    """
    The description, as JSON values.
    """
    known = list(routes)
    bodies, components = msgspec.json.schema_components(OPCODES.values(), ref_template=_REFERENCE)
    by_opcode = {
        name: components[body["$ref"].rpartition("/")[2]] for name, body in zip(OPCODES, bodies, strict=True)
    }
    paths: dict[str, dict[str, Any]] = {}
    for each in known:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, by_opcode)
    used = {name: schema for name, schema in components.items() if schema not in by_opcode.values()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gnttwist remote API",
            "version": version("gnttwist"),
            "description": "Ganeti's RAPI, version 2, and what gnttwist adds to it.",
        },
        "security": [{"basic": []}],
        "paths": paths,
        "components": {
            "schemas": {**used, "Error": ERROR},
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
        },
    }


def _operation(route: Route, by_opcode: Mapping[str, Schema]) -> dict[str, Any]:
    supported = route.opcode is None or route.opcode in by_opcode
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.purpose,
        "tags": [route.permission],
        "x-permission": route.permission,
        "parameters": [*map(_variable, route.variables), *map(_argument, route.arguments)],
        "responses": _responses(route, supported=supported),
    }
    if route.opcode is not None:
        operation["x-opcode"] = route.opcode
    if not supported:
        operation["description"] = f"{route.opcode} is not supported yet: the answer is 400."
    if route.body is not None:
        schema = _body(route.body, by_opcode)
        content = {"application/json": {"schema": schema}}
        operation["requestBody"] = {"required": bool(schema.get("required")), "content": content}
    return operation


def _operation_id(route: Route) -> str:
    words = route.path.removeprefix("/2/").replace("{", "").replace("}", "").replace("-", "_").split("/")
    return "_".join([route.method.lower(), *filter(None, words)])


def _variable(name: str) -> Schema:
    pattern = PATTERNS.get(name, NAME)
    schema = {"type": "string", "pattern": f"^{pattern}$"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _argument(argument: Argument) -> Schema:
    found: Schema = {
        "name": argument.name,
        "in": "query",
        "required": False,
        "schema": _KINDS[argument.kind],
    }
    if argument.purpose:
        found["description"] = argument.purpose
    return found


def _responses(route: Route, *, supported: bool) -> dict[str, Any]:
    responses: dict[str, Any] = {
        "307": _error("The master is another node."),
        "4XX": _error("The request cannot be served as it is."),
        "502": _error("gnt-masterd does not answer."),
        "503": _error("Not now; try again after Retry-After."),
        "504": _error("gnt-masterd did not answer in time."),
    }
    if supported:
        content = {route.content: {"schema": dict(route.answer)}}
        responses["200"] = {"description": "Done, or submitted as a job.", "content": content}
    return responses


def _error(text: str) -> Schema:
    schema = {"$ref": _REFERENCE.format(name="Error")}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _body(body: Mapping[str, Any], by_opcode: Mapping[str, Schema]) -> Schema:
    if "x-opcode" not in body:
        return dict(body)
    opcode: Schema | None = by_opcode.get(body["x-opcode"])
    if opcode is None:
        return {"type": "object"}
    schema = deepcopy(opcode)
    old_names = {new: old for old, new in body["x-renamed"].items()}
    hidden = {"OP_ID", *body["x-fixed"]}
    schema["properties"] = {
        old_names.get(name, name): each for name, each in schema["properties"].items() if name not in hidden
    } | body["x-more"]
    needed = [old_names.get(each, each) for each in schema.get("required", ()) if each not in hidden]
    schema["required"] = [*needed, *body["x-more"]]
    return schema


def served(routes: Callable[[], Sequence[Route]]) -> Callable[[Call], Any]:
    """
    The handler that serves the description, which is made when it is first asked for.
    """
    made: list[bytes] = []

    async def handler(call: Call) -> object:
        if not made:
            made.append(msgspec.json.encode(describe(routes())) + b"\n")
        call.write(made[0], b"application/json")
        return WRITTEN

    return handler
