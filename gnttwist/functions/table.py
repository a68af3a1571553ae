"""
All node functions. Importing this module imports the code of every one of them.
"""

from collections.abc import Mapping

from gnttwist.functions import (
    administration,
    allocator,
    delay,
    instances,
    master_ip,
    membership,
    migration,
    node,
    renewal,
    transfer_keys,
    uploads,
    verify,
    watcher_pause,
)
from gnttwist.functions.osapi import calls
from gnttwist.functions.registry import Function, registered
from gnttwist.functions.storage import blockdev, conversion, listing, mirrors, places

MODULES = (
    delay,
    node,
    verify,
    uploads,
    blockdev,
    places,
    calls,
    instances,
    migration,
    administration,
    allocator,
    transfer_keys,
    membership,
    master_ip,
    listing,
    mirrors,
    conversion,
    renewal,
    watcher_pause,
)
"""
The modules that register functions; a new one is added here.
"""


def functions() -> Mapping[str, Function]:
    """
    The code of every function by its name.
    """
    return registered()
