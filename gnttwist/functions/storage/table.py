"""
The disk templates that this node can be asked for.
"""

from gnttwist.functions.registry import FunctionError
from gnttwist.functions.storage.file import FileTemplate
from gnttwist.functions.storage.interface import DiskTemplate

_ALL: tuple[DiskTemplate, ...] = (FileTemplate("file"), FileTemplate("sharedfile"))
TEMPLATES: dict[str, DiskTemplate] = {each.name: each for each in _ALL}
"""
By name. A new one is added to the tuple above. An instance of template C{diskless} has no disks, so nothing is ever
asked of it.
"""


def template(name: str) -> DiskTemplate:
    """
    The disk template of this name.

    @raise FunctionError: There is none.
    """
    found = TEMPLATES.get(name)
    if found is None:
        raise FunctionError(f"Unknown disk template {name!r}; this node knows {', '.join(sorted(TEMPLATES))}")
    return found
