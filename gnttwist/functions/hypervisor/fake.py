"""
The hypervisor without guests: an instance runs where its file exists.

For tests and sandboxes. The files are Ganeti's: three lines with an id, the memory in MiB and the number of
processors, in C{run/ganeti/fake-hypervisor}.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from gnttwist.functions import arguments, files
from gnttwist.functions.facts import node_facts
from gnttwist.functions.hypervisor.interface import AttachedDisk, GuestInfo
from gnttwist.functions.registry import Context, FunctionError
from gnttwist.wire.call_types import DiskArgument, InstanceArgument

PARAMETERS = frozenset({"migration_mode"})
"""
Ganeti's parameters of the fake hypervisor.
"""

MIGRATION_MODES = ("live", "non-live")


@frozen
class FakeHypervisor:
    """
    Starts nothing, and remembers it.
    """

    name: str = "fake"

    def start(
        self, context: Context, instance: Mapping[str, Any], disks: Sequence[AttachedDisk], paused: bool
    ) -> None:
        """
        Write the instance's file.
        """
        wanted = arguments.instance(instance)
        if self._file(context, wanted.name).exists():
            raise FunctionError(f"Failed to start instance {wanted.name}: already running")
        memory = arguments.size(wanted.beparams.get("maxmem"), "memory size (maxmem)")
        vcpus = arguments.shaped(int, wanted.beparams.get("vcpus"), "number of processors (vcpus)")
        self._write(context, wanted.name, memory, vcpus)

    def stop(self, context: Context, name: str, *, force: bool, timeout: float) -> None:
        """
        Remove the instance's file.
        """
        try:
            self._file(context, name).unlink()
        except FileNotFoundError as reason:
            raise FunctionError(f"Failed to stop instance {name}: not running") from reason

    def balloon(self, context: Context, name: str, memory: int) -> None:
        """
        Write another size into the instance's file.
        """
        found = self.info(context, name)
        if found is None:
            raise FunctionError(f"Failed to change the memory of instance {name}: not running")
        self._write(context, name, memory, found.vcpus)

    def resize(self, context: Context, name: str, disk: DiskArgument, size: int) -> None:
        """
        Nobody looks.
        """

    def travel_papers(self, context: Context, name: str) -> str:
        """
        The instance's file.
        """
        try:
            return self._file(context, name).read_text()
        except FileNotFoundError as reason:
            raise FunctionError(f"Instance {name} does not run here") from reason

    def send(self, context: Context, name: str, target: str, live: bool) -> None:
        """
        There is nothing to send.
        """
        self.travel_papers(context, name)

    def sent(self, context: Context, name: str) -> str:
        """
        So it has arrived.
        """
        return "completed"

    def leave(self, context: Context, name: str) -> None:
        """
        Remove the instance's file.
        """
        with suppress(FileNotFoundError):
            self._file(context, name).unlink()

    def arrive(self, context: Context, instance: InstanceArgument, papers: str) -> None:
        """
        Write the instance's file as it was on the other node. Ganeti's nodes do not tell: then as at a start.
        """
        if self._file(context, instance.name).exists():
            return
        try:
            _, memory, vcpus = papers.split() or (0, *(instance.beparams[key] for key in ("maxmem", "vcpus")))
            self._write(context, instance.name, int(memory), int(vcpus))
        except (KeyError, TypeError, ValueError) as reason:
            raise FunctionError(
                f"Instance {instance.name} arrives without its memory and processors"
            ) from reason

    def info(self, context: Context, name: str) -> GuestInfo | None:
        """
        Read the instance's file.
        """
        try:
            lines = self._file(context, name).read_text().splitlines()
        except FileNotFoundError:
            return None
        try:
            _, memory, vcpus = lines
            return GuestInfo(int(memory), int(vcpus))
        except ValueError as reason:
            raise FunctionError(f"The state file of instance {name} is damaged") from reason

    def names(self, context: Context) -> list[str]:
        """
        The files' names.
        """
        try:
            found = os.listdir(self._directory(context))
        except FileNotFoundError:
            return []
        return sorted(each for each in found if not each.startswith("."))

    def all_info(self, context: Context) -> dict[str, GuestInfo]:
        """
        All files; one that is removed meanwhile is left out.
        """
        found = {each: self.info(context, each) for each in self.names(context)}
        return {each: info for each, info in found.items() if info is not None}

    def node_info(self, context: Context, hvparams: Mapping[str, Any]) -> dict[str, Any]:
        """
        The machine's own numbers, less the memory that instances would have.
        """
        facts = node_facts()
        used = sum(each.memory for each in self.all_info(context).values())
        return dict(evolve(facts, memory_free=max(0, facts.memory_free - used)).to_wire())

    def verify(self, context: Context, hvparams: Mapping[str, Any]) -> str | None:
        """
        Nothing can be wrong, except that the directory is a file.
        """
        directory = self._directory(context)
        if directory.exists() and not directory.is_dir():
            return f"{context.paths.canonical(directory)} is not a directory"
        return None

    def validate(self, context: Context, hvparams: Mapping[str, Any]) -> None:
        """
        Only Ganeti's parameters are known, and their values.
        """
        unknown = sorted(set(hvparams) - PARAMETERS)
        if unknown:
            raise FunctionError(f"Unknown parameters of the fake hypervisor: {', '.join(unknown)}")
        mode = hvparams.get("migration_mode", MIGRATION_MODES[0])
        if mode not in MIGRATION_MODES:
            raise FunctionError(
                f"migration_mode of the fake hypervisor: {mode!r:.60} is none of {', '.join(MIGRATION_MODES)}"
            )

    def console(
        self,
        context: Context,
        instance: Mapping[str, Any],
        node: Mapping[str, Any],
        group: Mapping[str, Any],
        hvparams: Mapping[str, Any],
        beparams: Mapping[str, Any],
    ) -> dict[str, Any]:
        """
        There is none.
        """
        return {
            "instance": instance["name"],
            "kind": "msg",
            "message": "Instances of the fake hypervisor have no console",
        }

    def _write(self, context: Context, name: str, memory: int, vcpus: int) -> None:
        file = self._file(context, name)
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        files.replace(file, f"0\n{memory}\n{vcpus}\n".encode(), mode=0o644)

    def _directory(self, context: Context) -> Path:
        return context.paths.run / "fake-hypervisor"

    def _file(self, context: Context, name: str) -> Path:
        return self._directory(context) / arguments.name(name, "instance name")
