"""
The resource of events.
"""

from collections.abc import Mapping
from typing import Any

from gnttwist.rapi import event_stream
from gnttwist.rapi.call import WRITTEN, Call
from gnttwist.rapi.failures import BadRequest
from gnttwist.rapi.users import NOBODY, User


async def events(call: Call) -> Any:
    """
    Send what happens, from now on or from where the client was.
    """
    wanted = event_stream.wanted(call.texts("kind"), call.texts("job"))
    given = call.request.getHeader("Last-Event-ID") or call.text("last-event-id")
    after = None if not given else event_stream.cursor(given)
    if call.request.method == b"HEAD":
        raise BadRequest("events have no end, and so no length")

    def may(users: Mapping[str, User]) -> bool:
        found = users.get(call.user.name)
        # Who needs no name to read can read on.
        return call.user is NOBODY or (found is not None and call.route.permission in found.permissions)

    # So that the page offers only what its user may do; it is refused anyway.
    call.request.setHeader("Gnt-Permissions", ",".join(sorted(call.user.permissions)))
    await call.services.events.subscribe(call.request, wanted, after, may)
    return WRITTEN
