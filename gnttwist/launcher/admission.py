"""
What a start must be to be carried out.
"""

import fcntl
import os

from gnttwist.errors import GnttwistError
from gnttwist.launcher.protocol import ARGUMENTS_LIMIT

SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK


class StartRefusal(GnttwistError):
    """
    A process is not started; the text says why.
    """


def check_arguments(descriptor: int) -> None:
    """
    @raise StartRefusal: The descriptor could block or change under the child, or holds too much.
    """
    try:
        seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
        size = os.fstat(descriptor).st_size
    except OSError as reason:
        raise StartRefusal("the arguments are not a sealed memfd") from reason
    if seals & SEALS != SEALS:
        raise StartRefusal("the arguments are not sealed")
    if size > ARGUMENTS_LIMIT:
        raise StartRefusal(f"{size} bytes of arguments, at most {ARGUMENTS_LIMIT} are possible")
