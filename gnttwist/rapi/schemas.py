"""
JSON schemas of answers and bodies that have no opcode.
"""

from typing import Any

Schema = dict[str, Any]

JOB: Schema = {"type": "integer", "minimum": 1, "description": "The number of the job that was submitted."}
NAMES: Schema = {"type": "array", "items": {"type": "string"}}
OBJECT: Schema = {"type": "object"}
NULL: Schema = {"type": "null"}
ANYTHING: Schema = {}
CANCELLED: Schema = {
    "type": "array",
    "items": {"type": ["boolean", "string"]},
    "minItems": 2,
    "maxItems": 2,
}
ERROR: Schema = {
    "type": "object",
    "required": ["code", "message", "explain"],
    "properties": {
        "code": {"type": "integer", "description": "The HTTP status."},
        "message": {"type": "string", "description": "The status in words."},
        "explain": {"type": "string", "description": "What is wrong, and with which field."},
    },
}


def listing(key: str) -> Schema:
    """
    A list of what there is: each one's name and address, or with C{bulk=1} all about it.
    """
    short = {
        "type": "object",
        "required": [key, "uri"],
        "properties": {key: {"type": ["string", "integer"]}, "uri": {"type": "string"}},
    }
    return {"type": "array", "items": {"anyOf": [short, OBJECT]}}


QUERY: Schema = {
    "type": "object",
    "properties": {
        "fields": NAMES,
        "qfilter": {"type": ["array", "null"]},
        "filter": {"type": ["array", "null"]},
    },
    "additionalProperties": False,
}
QUERIED: Schema = {
    "type": "object",
    "required": ["fields", "data"],
    "properties": {"fields": {"type": "array"}, "data": {"type": "array"}},
}
FIELDS: Schema = {"type": "object", "required": ["fields"], "properties": {"fields": {"type": "array"}}}
FILTER: Schema = {
    "type": "object",
    "properties": {
        "priority": {"type": "integer", "minimum": 0},
        "predicates": {"type": "array"},
        "action": {"type": ["string", "array"]},
        "reason": {"type": "array"},
    },
    "additionalProperties": False,
}
WAIT: Schema = {
    "type": "object",
    "required": ["fields"],
    "properties": {
        "fields": NAMES,
        "previous_job_info": {"type": ["array", "null"]},
        "previous_log_serial": {"type": ["integer", "null"]},
    },
    "additionalProperties": False,
}
WAITED: Schema = {
    "type": ["object", "null"],
    "required": ["job_info", "log_entries"],
    "properties": {"job_info": {"type": "array"}, "log_entries": {"type": ["array", "null"]}},
}
JOBS: Schema = {
    "type": "object",
    "required": ["ops"],
    "properties": {
        "ops": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["OP_ID"],
                "properties": {"OP_ID": {"type": "string"}},
            },
        }
    },
    "additionalProperties": False,
}
REINSTALL: Schema = {
    "type": "object",
    "properties": {
        "os": {"type": ["string", "null"]},
        "start": {"type": "boolean"},
        "osparams": {"type": ["object", "null"]},
    },
    "additionalProperties": False,
}
ROLE: Schema = {"enum": ["regular", "master-candidate", "drained", "offline"]}
ROLES: Schema = {"enum": ["regular", "master", "master-candidate", "drained", "offline"]}
