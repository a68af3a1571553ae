"""
The hypervisors that this node can be asked for.
"""

from gnttwist.functions.hypervisor.fake import FakeHypervisor
from gnttwist.functions.hypervisor.interface import Hypervisor
from gnttwist.functions.hypervisor.kvm.hypervisor import KVMHypervisor
from gnttwist.functions.registry import FunctionError

_ALL: tuple[Hypervisor, ...] = (FakeHypervisor(), KVMHypervisor())
HYPERVISORS: dict[str, Hypervisor] = {each.name: each for each in _ALL}
"""
By name. A new one is added to the tuple above.
"""


def hypervisor(name: object) -> Hypervisor:
    """
    The hypervisor of this name.

    @raise FunctionError: There is none.
    """
    found = HYPERVISORS.get(name) if isinstance(name, str) else None
    if found is None:
        raise FunctionError(f"Unknown hypervisor {name!r}; this node knows {', '.join(sorted(HYPERVISORS))}")
    return found
