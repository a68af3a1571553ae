"""
The functions that start, stop and watch instances, whatever their hypervisor.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from gnttwist.functions import arguments, files
from gnttwist.functions.hypervisor.interface import AttachedDisk, GuestInfo
from gnttwist.functions.hypervisor.table import hypervisor
from gnttwist.functions.registry import Context, FunctionError, function
from gnttwist.functions.storage import links
from gnttwist.functions.storage.blockdev import usable
from gnttwist.wire.call_types import InstanceArgument
from gnttwist.wire.calls import FUNCTIONS

REBOOTS = ("soft", "hard")
"""
Ganeti's types of reboot that nodes do; the full one is a stop and a start.
"""

LOCK_WAIT = 60.0
"""
Seconds to wait for another start or stop of the same instance on this node.
"""


@contextmanager
def alone(context: Context, instance: str) -> Iterator[None]:
    """
    Keep other calls from starting or stopping the same instance meanwhile.

    A call that died and its repetition, or an abort and the undo that follows, may overlap.
    """
    with files.locked(context.paths.run / "instance-locks" / instance, LOCK_WAIT):
        yield


@function("instance_start")
def instance_start(context: Context, instance_hvp_bep: Any, startup_paused: Any, reason: Any) -> None:
    """
    Start an instance; one that runs is left alone.

    @param instance_hvp_bep: The instance, its parameters filled.
    @param startup_paused: Whether to leave it stopped before its first instruction.
    @param reason: The reason trail: C{[source, reason, nanoseconds since the epoch]} each.
    """
    instance = arguments.instance(instance_hvp_bep)
    trail = arguments.shaped(list[tuple[str, str, int]], reason, "reason trail")
    guests = hypervisor(instance.hypervisor)
    with alone(context, instance.name):
        if instance.name in guests.names(context):
            context.feedback("message", f"Instance {instance.name} runs already")
            return
        disks = attach(context, instance, instance_hvp_bep)
        try:
            guests.start(context, instance_hvp_bep, disks, bool(startup_paused))
        except FunctionError:
            links.remove(context, instance.name)
            raise
        _remember_reason(context, instance.name, trail)


@function("instance_shutdown")
def instance_shutdown(context: Context, instance: Any, timeout: Any, reason: Any) -> None:
    """
    Ask an instance to end, and end it after C{timeout} seconds; one that does not run is fine.
    """
    wanted = arguments.instance(instance)
    trail = arguments.shaped(list[tuple[str, str, int]], reason, "reason trail")
    patience = arguments.seconds(timeout, "timeout", FUNCTIONS["instance_shutdown"].limit)
    guests = hypervisor(wanted.hypervisor)
    with alone(context, wanted.name):
        if guests.info(context, wanted.name) is None:
            context.feedback("message", f"Instance {wanted.name} does not run")
        else:
            guests.stop(context, wanted.name, force=patience == 0, timeout=patience)
            _remember_reason(context, wanted.name, trail)
        links.remove(context, wanted.name)


@function("instance_reboot")
def instance_reboot(
    context: Context, inst: Any, reboot_type: Any, shutdown_timeout: Any, reason: Any
) -> None:
    """
    Restart an instance that runs, with the parameters that it is given here.

    Asking the guest to shut down, ending it where it does not, and starting it is what both kinds come to: the soft
    one leaves the links to its disks alone, the hard one makes them anew.

    @param reboot_type: C{soft} or C{hard}.
    @param shutdown_timeout: Seconds that the guest has to shut down by itself.
    """
    wanted = arguments.instance(inst)
    trail = arguments.shaped(list[tuple[str, str, int]], reason, "reason trail")
    patience = arguments.seconds(shutdown_timeout, "timeout", FUNCTIONS["instance_reboot"].limit)
    if reboot_type not in REBOOTS:
        raise FunctionError(f"Unknown type of reboot: {reboot_type!r}; there are {', '.join(REBOOTS)}")
    guests = hypervisor(wanted.hypervisor)
    with alone(context, wanted.name):
        if guests.info(context, wanted.name) is None:
            raise FunctionError(f"Cannot reboot instance {wanted.name}: it does not run")
        guests.stop(context, wanted.name, force=patience == 0, timeout=patience)
        if reboot_type == "hard":
            links.remove(context, wanted.name)
        guests.start(context, inst, attach(context, wanted, inst), False)
        _remember_reason(context, wanted.name, trail)


@function("instance_balloon_memory")
def instance_balloon_memory(context: Context, instance: Any, memory: Any) -> None:
    """
    Change the memory of an instance that runs.

    @param memory: In MiB.
    """
    wanted = arguments.instance(instance)
    size = arguments.size(memory, "memory size")
    with alone(context, wanted.name):
        hypervisor(wanted.hypervisor).balloon(context, wanted.name, size)


@function("resize_disk")
def resize_disk(context: Context, instance: Any, disk: Any, new_size: Any) -> bool:
    """
    Tell an instance that runs that one of its disks has grown.

    @param new_size: In bytes.
    @return: Whether it runs.
    """
    wanted = arguments.instance(instance)
    grown = arguments.disk(disk)
    size = arguments.shaped(int, new_size, "size")
    if not grown.uuid or size <= 0:
        raise FunctionError(f"Invalid disk {grown.uuid!r:.80} or size {size}")
    guests = hypervisor(wanted.hypervisor)
    with alone(context, wanted.name):
        if guests.info(context, wanted.name) is None:
            return False
        guests.resize(context, wanted.name, grown, size)
        return True


@function("instance_info")
def instance_info(context: Context, instance: Any, hname: Any, hvparams: Any) -> dict[str, Any]:
    """
    What is known of a running instance.

    @param instance: Its name.
    @return: C{{"memory": MiB, "vcpus": n, "state": 0 or 1, "time": s}}, or empty where it does not run.
    """
    found = hypervisor(hname).info(context, arguments.name(instance, "instance name"))
    return {} if found is None else found.to_wire()


@function("instance_list")
def instance_list(context: Context, hypervisor_list: Any, hvparams: Any) -> list[str]:
    """
    The names of all running instances of these hypervisors.
    """
    wanted = arguments.names(hypervisor_list, "hypervisor")
    return [name for each in wanted for name in hypervisor(each).names(context)]


@function("all_instances_info")
def all_instances_info(context: Context, hypervisor_list: Any, all_hvparams: Any) -> dict[str, Any]:
    """
    What is known of all running instances of these hypervisors, by name.
    """
    found: dict[str, GuestInfo] = {}
    for each in arguments.names(hypervisor_list, "hypervisor"):
        for name, info in hypervisor(each).all_info(context).items():
            if name in found:
                raise FunctionError(f"Instance {name} runs twice, under different hypervisors")
            found[name] = info
    return {name: info.to_wire() for name, info in found.items()}


@function("instance_console_info")
def instance_console_info(context: Context, instances: Any) -> dict[str, dict[str, Any]]:
    """
    How to reach instances' consoles.

    @param instances: By instance name: C{instance}, C{node}, C{group} (configuration objects), C{hvParams} and
        C{beParams} (filled).
    @return: By instance name (reference: KVM, section 10.6).
    """
    asked = arguments.shaped(dict[str, dict[str, dict[str, Any]]], instances, "instances")
    return {name: _console(context, each) for name, each in asked.items()}


def _console(context: Context, asked: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    try:
        instance = asked["instance"]
        checked = arguments.instance(instance)
        return hypervisor(checked.hypervisor).console(
            context, instance, asked["node"], asked["group"], asked["hvParams"], asked["beParams"]
        )
    except KeyError as reason:
        raise FunctionError(f"A console's description lacks {reason}") from reason


@function("hypervisor_validate_params")
def hypervisor_validate_params(context: Context, hvname: Any, hvfull: Any) -> None:
    """
    Check a full parameter dictionary against this node.
    """
    hypervisor(hvname).validate(context, arguments.shaped(dict[str, Any], hvfull, "hypervisor parameters"))


def attach(context: Context, instance: InstanceArgument, members: Mapping[str, Any]) -> list[AttachedDisk]:
    """
    Link to the instance's disks, which have been assembled.
    """
    attached = []
    for index, (disk, given) in enumerate(
        zip(instance.disks_info, members.get("disks_info", []), strict=True)
    ):
        link = links.make(context, instance.name, index, usable(context, disk).path)
        attached.append(AttachedDisk(given, link))
    return attached


def _remember_reason(context: Context, instance: str, trail: list[tuple[str, str, int]]) -> None:
    """
    Keep why the instance last changed its state, where Ganeti's monitoring looks for it.
    """
    path = context.paths.run / "instance-reason" / instance
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    # The last entry is the one that counts; ours says that the node did it.
    entries = [*trail, ("gnt:node", "", time.time_ns())]
    files.replace(path, msgspec.json.encode(entries), mode=0o644)
