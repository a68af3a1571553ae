"""
What a hypervisor on a node can do, whatever it is.

Every method may block and raises L{FunctionError} for what can be expected to fail, with a text for the
administrator. Names of instances have been checked by the caller: they are safe as file names.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from attrs import frozen

from gnttwist.functions.registry import Context
from gnttwist.wire.call_types import DiskArgument, InstanceArgument

RUNNING = 0
SHUT_DOWN = 1
"""
States of a guest: at work, or ended by itself and not yet cleaned up.
"""


@frozen
class GuestInfo:
    """
    What is known of one guest.

    @ivar memory: MiB that it has now.
    @ivar vcpus: Virtual processors that it has now.
    @ivar state: L{RUNNING} or L{SHUT_DOWN}.
    @ivar time: Seconds of processor time, where the hypervisor counts them.
    """

    memory: int
    vcpus: int
    state: int = RUNNING
    time: float = 0

    def to_wire(self) -> dict[str, Any]:
        """
        As C{instance_info} answers.
        """
        return {"memory": self.memory, "vcpus": self.vcpus, "state": self.state, "time": self.time}


@frozen
class AttachedDisk:
    """
    A disk that a guest is started with.

    @ivar disk: The disk as the call has it: a config object's members.
    @ivar path: Where it is on this machine: a link in C{run/ganeti/instance-disks}.
    """

    disk: Mapping[str, Any]
    path: Path


class Hypervisor(Protocol):
    """
    One kind of hypervisor. Has no state of its own: each call may be in another process.
    """

    @property
    def name(self) -> str:
        """
        Its name in the configuration: C{fake}, C{kvm}.
        """

    def start(
        self,
        context: Context,
        instance: Mapping[str, Any],
        disks: Sequence[AttachedDisk],
        paused: bool,
    ) -> None:
        """
        Start a guest.

        @param instance: An instance as calls carry it (reference: node daemon RPC, section 4.3), its parameter
            dictionaries filled.
        @param paused: Leave it stopped before its first instruction.
        @raise FunctionError: It runs already, or cannot be started.
        """

    def stop(self, context: Context, name: str, *, force: bool, timeout: float) -> None:
        """
        End a guest: ask it, wait for C{timeout} seconds, then end it. When this returns it has ended.

        @param force: Do not ask and wait.
        @raise FunctionError: It still runs.
        """

    def balloon(self, context: Context, name: str, memory: int) -> None:
        """
        Change the memory of a guest that runs.

        @param memory: In MiB.
        @raise FunctionError: It does not run, or cannot have another size.
        """

    def resize(self, context: Context, name: str, disk: DiskArgument, size: int) -> None:
        """
        Tell a guest that runs that one of its disks has grown.

        @param size: In bytes.
        @raise FunctionError: It does not have this disk, or cannot be told.
        """

    def info(self, context: Context, name: str) -> GuestInfo | None:
        """
        What is known of a guest, or C{None} where there is none of this name.
        """

    def names(self, context: Context) -> Sequence[str]:
        """
        The guests on this node that run.
        """

    def all_info(self, context: Context) -> Mapping[str, GuestInfo]:
        """
        All guests by name.
        """

    def node_info(self, context: Context, hvparams: Mapping[str, Any]) -> dict[str, Any]:
        """
        The node's memory (MiB) and processors as guests can have them; the members are those of L{facts.NodeFacts}
        and, where the hypervisor has a version, C{hv_version}.
        """

    def verify(self, context: Context, hvparams: Mapping[str, Any]) -> str | None:
        """
        What keeps this node from running guests, or C{None}.
        """

    def validate(self, context: Context, hvparams: Mapping[str, Any]) -> None:
        """
        Check a full parameter dictionary against this node.

        @raise FunctionError: A parameter is unknown or wrong.
        """

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
        How to reach a guest's console (reference: KVM, section 10.6); members without a value are left out.
        """


@runtime_checkable
class Migrating(Protocol):
    """
    A hypervisor whose guests can go to other nodes while they run. What it takes may be repeated.
    """

    def travel_papers(self, context: Context, name: str) -> str:
        """
        What the target has to know of a guest that runs here.

        @raise FunctionError: It does not run.
        """

    def send(self, context: Context, name: str, target: str, live: bool) -> None:
        """
        Begin to send a guest.

        @param target: The other node's address.
        @param live: Whether it goes on running meanwhile.
        @raise FunctionError: It does not run, or cannot be sent.
        """

    def sent(self, context: Context, name: str) -> str:
        """
        How far that is: C{active}, C{completed} or C{failed}.
        """

    def leave(self, context: Context, name: str) -> None:
        """
        Forget a guest that has been sent; one that is not here is forgotten already.
        """

    def arrive(self, context: Context, instance: InstanceArgument, papers: str) -> None:
        """
        Take a guest that has been sent as one of this node's; one that is so already stays.

        @raise FunctionError: The papers are not a guest's.
        """
