"""
All node functions. Importing this module imports the code of every one of them.
"""

from collections.abc import Mapping

from gnttwist.functions import delay
from gnttwist.functions.registry import Function, registered

MODULES = (delay,)
"""
The modules that register functions; a new one is added here.
"""


def functions() -> Mapping[str, Function]:
    """
    The code of every function by its name.
    """
    return registered()
