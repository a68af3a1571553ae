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
    Limits of a call, each for every process that it starts, but not for guests.

    @ivar cpu: Seconds of processor time; then the process gets SIGXCPU, which ends it.
    @ivar memory: MiB of address space.
    @ivar files: Open descriptors.
    """

    cpu: Annotated[int, Meta(ge=1, le=86400)] | None = None
    memory: Annotated[int, Meta(ge=LEAST_MEMORY, le=2**30)] | None = None
    files: Annotated[int, Meta(ge=LEAST_FILES, le=2**20)] | None = None


NO_LIMITS = CallLimits()
