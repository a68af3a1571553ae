"""
What the kernel tells of the machine: memory, processors, and which boot this is.
"""

import re
from pathlib import Path

from attrs import asdict, frozen

from gnttwist.functions.registry import FunctionError

MEMINFO = Path("/proc/meminfo")
CPUINFO = Path("/proc/cpuinfo")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@frozen
class NodeFacts:
    """
    A node's memory and processors, with the names that C{node_info} has for them.

    @ivar memory_total: MiB.
    @ivar memory_free: MiB that guests could have: free, or only caching files.
    @ivar memory_dom0: MiB in use now.
    @ivar cpu_nodes: Always 1, as Ganeti answers.
    """

    memory_total: int
    memory_free: int
    memory_dom0: int
    cpu_total: int
    cpu_dom0: int
    cpu_nodes: int = 1
    cpu_sockets: int = 1

    def to_wire(self) -> dict[str, int]:
        """
        As the hypervisor's part of C{node_info} has it.
        """
        return asdict(self)


def node_facts(meminfo: Path = MEMINFO, cpuinfo: Path = CPUINFO) -> NodeFacts:
    """
    Read the kernel's tables.

    @raise FunctionError: They cannot be read or lack what is asked of them.
    """
    memory = _memory(_read(meminfo))
    try:
        total, active = memory["MemTotal"], memory["Active"]
        free = memory["MemFree"] + memory["Buffers"] + memory["Cached"]
    except KeyError as reason:
        raise FunctionError(f"{meminfo} has no line for {reason}") from reason
    processors = len(re.findall(r"^processor\s*:\s*\d+\s*$", _read(cpuinfo), re.MULTILINE))
    return NodeFacts(
        memory_total=total, memory_free=free, memory_dom0=active, cpu_total=processors, cpu_dom0=processors
    )


def boot_id(path: Path = BOOT_ID) -> str:
    """
    A UUID that changes with each boot.
    """
    return _read(path).strip()


def _memory(text: str) -> dict[str, int]:
    """
    Each line's value in MiB.
    """
    found = re.finditer(r"^(\w+):\s*(\d+) kB$", text, re.MULTILINE)
    return {each[1]: int(each[2]) // 1024 for each in found}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as reason:
        raise FunctionError(f"Cannot read {path}: {reason.strerror}") from reason
