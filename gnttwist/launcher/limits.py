"""
Putting on a call's process those limits that its control group has not: resource limits, which everything it starts
inherits.

Only the soft ones are set: guests, which a call's limits must not reach, take theirs back
(L{gnttwist.functions.children.without_limits}).
"""

import resource

from gnttwist.wire.limits import CallLimits


def apply(limits: CallLimits) -> None:
    """
    Limit this process. Where an administrator's limit is lower, that one holds.
    """
    # A function's memory is its caller's secrets too: they are not written to disk when it crashes.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for which, wanted in (
        (resource.RLIMIT_CPU, limits.cpu),
        (resource.RLIMIT_AS, None if limits.memory is None else limits.memory << 20),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_NPROC, limits.processes),
    ):
        if wanted is not None:
            _, hard = resource.getrlimit(which)
            resource.setrlimit(which, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
