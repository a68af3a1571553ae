"""
The memory of a guest after its start: its balloon driver takes some of it away and gives it back.

QEMU's command line has the memory at the start. What became of it only QEMU knows, so it is asked; but only about
guests that were once told to change, since each question takes the only connection that the monitor has.
"""

from gnttwist.functions.hypervisor.kvm.monitor import MonitorError, monitor
from gnttwist.functions.hypervisor.kvm.places import Places

PATIENCE = 0.5
"""
Seconds for QEMU to tell: lists of guests wait for it.
"""


def change(places: Places, name: str, memory: int) -> None:
    """
    Ask a guest's driver for another size.

    @param memory: In MiB.
    @raise FunctionError: QEMU does not take it.
    """
    note = places.ballooned(name)
    note.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    # Before it, so that a death in between leaves one question too many, not one too few.
    note.touch(mode=0o644)
    with monitor(places.socket(name, "qmp")) as connected:
        connected.execute("balloon", {"value": memory << 20})


def current(places: Places, name: str, started: int) -> int:
    """
    What a guest has now, in MiB. Where QEMU does not tell, that is what it was started with.

    @param started: What it was started with.
    """
    if not places.ballooned(name).exists():
        return started
    try:
        with monitor(places.socket(name, "qmp"), PATIENCE) as connected:
            match connected.execute("query-balloon", timeout=PATIENCE):
                case {"actual": int(actual)}:
                    return actual >> 20
    except MonitorError:
        pass
    return started
