"""
What one call may use, as its caller may say in StartFunction's C{limits}.
"""

from typing import Annotated

from msgspec import Meta, Struct

LEAST_MEMORY = 64
"""
MiB: below it no function process could tell its result.
"""

LEAST_FILES = 128
"""
Descriptors: a function process keeps its own above 64.
"""


class CallLimits(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    Limits of a call, but not of guests that it starts.

    @ivar cpu: Seconds of processor time of each process; then it gets SIGXCPU, which ends it.
    @ivar memory: MiB: where the node has the kernel's controller, the memory of all its processes together, and all
        of them end when it is not enough; elsewhere the address space of each.
    @ivar files: Open descriptors of each process.
    @ivar processes: Where the node has the kernel's controller, processes and threads of the call; elsewhere those of
        the user that it runs as, which does not limit root.
    """

    cpu: Annotated[int, Meta(ge=1, le=86400)] | None = None
    memory: Annotated[int, Meta(ge=LEAST_MEMORY, le=2**30)] | None = None
    files: Annotated[int, Meta(ge=LEAST_FILES, le=2**20)] | None = None
    processes: Annotated[int, Meta(ge=1, le=2**20)] | None = None


NO_LIMITS = CallLimits()
