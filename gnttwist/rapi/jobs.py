"""
Jobs and job filters.
"""

from typing import Any

from gnttwist.rapi.call import Call
from gnttwist.rapi.failures import BadRequest, NotFound
from gnttwist.rapi.fields import FIELDS
from gnttwist.rapi.reading import job_number

WAIT_TIME = 10.0
"""
Seconds that a request waits for a job if it does not say how long: Ganeti's own, which its clients reckon with.
"""

MANY = 1000
"""
Waiting requests from which on they wait longer, in proportion: each that ends is asked again, and with 5,000 that was
500 requests a second that nothing had happened for.
"""

CROWDED_WAIT_TIME = 30.0
"""
Seconds that they wait then at most: less than what clients and proxies wait for an answer.
"""

WAIT_LIMIT = 300
"""
Seconds that a request may ask for.
"""


async def jobs(call: Call) -> list[dict[str, Any]]:
    """
    All jobs that are not archived.
    """
    if call.flag("bulk"):
        rows = await call.services.luxi.call("QueryJobs", [], FIELDS["jobs"])
        return [dict(zip(FIELDS["jobs"], row, strict=True)) for row in rows]
    rows = await call.services.luxi.call("QueryJobs", [], ["id"])
    return [{"id": id, "uri": f"/2/jobs/{id}"} for (id,) in rows]


async def job(call: Call) -> dict[str, Any]:
    """
    One job.
    """
    number = job_number(call.names["job_id"])
    rows = await call.services.luxi.call("QueryJobs", [number], FIELDS["job"])
    found = dict(zip(FIELDS["job"], rows[0], strict=True)) if rows else {}
    # A number that no job has gives a row without values, for it was asked for by name.
    if found.get("status") is None:
        raise NotFound(f"There is no job {number}")
    return found


async def cancel(call: Call) -> Any:
    """
    Ask a job to end.
    """
    return await call.services.luxi.call("CancelJob", job_number(call.names["job_id"]))


async def submit(call: Call) -> int:
    """
    Submit a job of any opcodes.
    """
    body = call.members()
    superfluous = body.keys() - {"ops"}
    if superfluous:
        raise BadRequest(f"unknown body parameter {min(superfluous)}; known is ops")
    ops = body.get("ops")
    if not isinstance(ops, list) or not ops or not all(isinstance(each, dict) for each in ops):
        raise BadRequest("body parameter ops: a list of opcodes is expected, each an object with its OP_ID")
    return await call.submit(*ops)


async def wait(call: Call) -> dict[str, Any] | None:
    """
    Wait until a job has changed.
    """
    body = call.members()
    superfluous = body.keys() - {"fields", "previous_job_info", "previous_log_serial"}
    if superfluous:
        raise BadRequest(
            f"unknown body parameter {min(superfluous)}; known are fields, previous_job_info, previous_log_serial"
        )
    fields = body.get("fields")
    if not isinstance(fields, list) or not all(isinstance(each, str) for each in fields):
        raise BadRequest("body parameter fields: a list of names is expected")
    previous = body.get("previous_job_info")
    if previous is not None and not isinstance(previous, list):
        raise BadRequest("body parameter previous_job_info: a list or null is expected")
    serial = body.get("previous_log_serial")
    if serial is not None and (not isinstance(serial, int) or isinstance(serial, bool)):
        raise BadRequest("body parameter previous_log_serial: a number or null is expected")
    number = job_number(call.names["job_id"])
    waits = call.services.waits
    told = await waits.wait(number, fields, previous, serial, patience(call.number("timeout"), waits.count))
    return None if told is None else {"job_info": told[0], "log_entries": told[1]}


def patience(asked: int | None, waiting: int) -> float:
    """
    How many seconds a request waits.

    @param asked: What it asks for itself.
    @param waiting: How many others wait.
    @raise BadRequest: It asks for too long.
    """
    if asked is None:
        return min(WAIT_TIME * max(1.0, waiting / MANY), CROWDED_WAIT_TIME)
    if not 0 <= asked <= WAIT_LIMIT:
        raise BadRequest(f"query argument timeout: seconds from 0 to {WAIT_LIMIT} are expected")
    return float(asked)


async def filters(call: Call) -> list[dict[str, Any]]:
    """
    All job filters.
    """
    names = FIELDS["filter"]
    if call.flag("bulk"):
        rows = await call.services.luxi.call("QueryFilters", [], names)
        return [dict(zip(names, row, strict=True)) for row in rows]
    rows = await call.services.luxi.call("QueryFilters", [], ["uuid"])
    return [{"uuid": uuid, "uri": f"/2/filters/{uuid}"} for (uuid,) in rows]


async def job_filter(call: Call) -> dict[str, Any]:
    """
    One job filter.
    """
    names = FIELDS["filter"]
    rows = await call.services.luxi.call("QueryFilters", [call.names["filter_uuid"]], names)
    if not rows or rows[0] is None:
        raise NotFound(f"There is no filter {call.names['filter_uuid']}")
    return dict(zip(names, rows[0], strict=True))


async def replace_filter(call: Call) -> Any:
    """
    Add a job filter, or replace one.
    """
    body = call.members()
    superfluous = body.keys() - {"priority", "predicates", "action", "reason"}
    if superfluous:
        known = "action, predicates, priority, reason"
        raise BadRequest(f"unknown body parameter {min(superfluous)}; known are {known}")
    priority = body.get("priority", 0)
    if not isinstance(priority, int) or isinstance(priority, bool) or priority < 0:
        raise BadRequest("body parameter priority: a number from 0 is expected")
    predicates, reason = body.get("predicates", []), body.get("reason", [])
    for name, value in (("predicates", predicates), ("reason", reason)):
        if not isinstance(value, list):
            raise BadRequest(f"body parameter {name}: a list is expected")
    action = body.get("action", "CONTINUE")
    return await call.services.luxi.call(
        "ReplaceFilter", call.names.get("filter_uuid"), priority, predicates, action, reason
    )


async def delete_filter(call: Call) -> None:
    """
    Remove a job filter.
    """
    await call.services.luxi.call("DeleteFilter", call.names["filter_uuid"])
