"""
The kvm hypervisor.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Any

import msgspec
from attrs import frozen

from gnttwist.functions import arguments, files
from gnttwist.functions.facts import node_facts
from gnttwist.functions.hypervisor.interface import AttachedDisk, GuestInfo
from gnttwist.functions.hypervisor.kvm import ballooning, command, confinement, interfaces, machine
from gnttwist.functions.hypervisor.kvm import taps as taps_module
from gnttwist.functions.hypervisor.kvm.acceleration import Acceleration
from gnttwist.functions.hypervisor.kvm.cgroups import groups
from gnttwist.functions.hypervisor.kvm.command import Guest
from gnttwist.functions.hypervisor.kvm.confinement import Confinement
from gnttwist.functions.hypervisor.kvm.devices import FIRST_DISPLAY
from gnttwist.functions.hypervisor.kvm.ending import Ending
from gnttwist.functions.hypervisor.kvm.launch import Launch
from gnttwist.functions.hypervisor.kvm.monitor import monitor
from gnttwist.functions.hypervisor.kvm.parameters import Parameters, affinity, parameters
from gnttwist.functions.hypervisor.kvm.places import Places
from gnttwist.functions.hypervisor.kvm.presence import Taken, take
from gnttwist.functions.hypervisor.kvm.process import running
from gnttwist.functions.hypervisor.kvm.taps import Tap
from gnttwist.functions.registry import Context, FunctionError
from gnttwist.wire.call_types import DiskArgument, InstanceArgument

CONSOLE_WRAPPER = "/usr/lib/ganeti/tools/kvm-console-wrapper"
SOCAT = "/usr/bin/socat"
"""
What Ganeti's consoles are made of; the second has the way to the socket in its arguments.
"""

SSH_PORT = 22
"""
Where neither the group nor the node has another one.
"""

END_WAIT = 5.0
"""
Seconds for QEMU to end when it could not be set up.
"""

ESCAPE = "0x1d"
"""
What leaves the console: Ctrl-].
"""


@frozen
class KVMHypervisor:
    """
    Starts QEMU, asks it and ends it.
    """

    name: str = "kvm"

    def start(
        self, context: Context, instance: Mapping[str, Any], disks: Sequence[AttachedDisk], paused: bool
    ) -> None:
        """
        Start QEMU. It holds a lock from its fork on, so that there are never two of one guest.
        """
        wanted = arguments.instance(instance)
        places = Places(context.paths)
        places.check(wanted.name)
        if self._running(places, wanted.name) is not None:
            raise FunctionError(f"Failed to start instance {wanted.name}: already running")
        chosen = parameters(wanted.hvparams)
        places.make()
        program = machine.program(chosen.kvm_path)
        choice = Acceleration(places.acceleration).choose(program, chosen.kvm_flag)
        context.feedback("message", str(choice))
        guest = machine.guest(context, wanted, chosen, program, choice.accelerator, disks)
        with ExitStack() as descriptors:
            try:
                lock = take(places.presence(wanted.name))
            except Taken as reason:
                raise FunctionError(f"Failed to start instance {wanted.name}: already running") from reason
            descriptors.callback(os.close, lock)
            places.clean(wanted.name)
            confinement.clean(places, wanted.name, context.paths.uid_pool_locks)
            try:
                taps = self._taps(context, wanted, guest, descriptors)
                with self._confine(context, chosen, wanted.name) as confined:
                    self._launch(context, guest, wanted, disks, taps, lock, paused, confined)
                self._settle(context, guest)
            except (FunctionError, OSError) as reason:
                self._clean(context, wanted.name)
                raise FunctionError(f"Failed to start instance {wanted.name}: {reason}") from reason

    def stop(self, context: Context, name: str, *, force: bool, timeout: float) -> None:
        """
        Press the power button, wait, and end QEMU.
        """
        places = Places(context.paths)
        process = running(places, name)
        if process is None:
            self._clean(context, name)
            raise FunctionError(f"Failed to stop instance {name}: not running")
        with process:
            ending = Ending(context, name, places.socket(name, "qmp"))
            if force or not _has_acpi(places, name) or not ending.ask(process, timeout):
                ending.force(process)
        self._clean(context, name)

    def balloon(self, context: Context, name: str, memory: int) -> None:
        """
        Ask the guest's balloon driver, which may take its time.
        """
        places = Places(context.paths)
        process = running(places, name)
        if process is None:
            raise FunctionError(f"Failed to change the memory of instance {name}: not running")
        with process:
            ballooning.change(places, name, memory)

    def resize(self, context: Context, name: str, disk: DiskArgument, size: int) -> None:
        """
        Tell QEMU, which tells the guest's driver.
        """
        places = Places(context.paths)
        with monitor(places.socket(name, "qmp")) as connected:
            node = command.device_id("disk", disk.uuid, 0)
            connected.execute("block_resize", {"node-name": node, "size": size})

    def info(self, context: Context, name: str) -> GuestInfo | None:
        """
        What QEMU's command line says, and QEMU of a guest whose memory was changed since.
        """
        return self._running(Places(context.paths), name)

    def names(self, context: Context) -> list[str]:
        """
        All that have a living QEMU, in order.
        """
        return list(self.all_info(context))

    def all_info(self, context: Context) -> dict[str, GuestInfo]:
        """
        All that have a living QEMU.
        """
        places = Places(context.paths)
        names: set[str] = set()
        for directory in (places.pids, places.presence("").parent):
            with suppress(FileNotFoundError):
                names.update(os.listdir(directory))
        found = {each: self._running(places, each) for each in sorted(names)}
        return {each: info for each, info in found.items() if info is not None}

    def node_info(self, context: Context, hvparams: Mapping[str, Any]) -> dict[str, Any]:
        """
        The machine's own numbers; guests' memory is in use as any other.
        """
        return dict(node_facts().to_wire())

    def verify(self, context: Context, hvparams: Mapping[str, Any]) -> str | None:
        """
        QEMU must be there.
        """
        try:
            machine.program(parameters(hvparams).kvm_path)
        except FunctionError as reason:
            return str(reason)
        return None

    def validate(self, context: Context, hvparams: Mapping[str, Any]) -> None:
        """
        Check the values, and that the files are there.
        """
        found = parameters(hvparams)
        machine.program(found.kvm_path)
        confinement.check(found.security_model, found.security_domain)
        if found.security_model == "user":
            confinement.check_user(found.security_domain)
        for name in (
            "kernel_path",
            "initrd_path",
            "cdrom_image_path",
            "cdrom2_image_path",
            "floppy_image_path",
        ):
            machine.image(context, name, getattr(found, name))
        if found.vnc_password_file:
            machine.password(context, found.vnc_password_file)

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
        The way to the serial console's socket, by ssh to the node; or to the display, where there is no such console.
        """
        name = arguments.name(instance.get("name"), "instance name")
        if not hvparams.get("serial_console", True):
            if shown := _display(name, instance, node, str(hvparams.get("vnc_bind_address") or "")):
                return shown
            return {
                "instance": name,
                "kind": "msg",
                "message": f"Instance {name} has no serial console (hypervisor parameter serial_console)",
            }
        places = Places(context.paths)
        monitor, serial = (str(places.socket(name, kind)) for kind in ("monitor", "serial"))
        return {
            "instance": name,
            "kind": "ssh",
            "host": node["name"],
            "port": {**group.get("ndparams", {}), **node.get("ndparams", {})}.get("ssh_port", SSH_PORT),
            "user": "root",
            "command": [
                CONSOLE_WRAPPER,
                SOCAT,
                shlex.quote(name),
                shlex.quote(monitor),
                f"STDIO,raw,echo=0,escape={ESCAPE}",
                f"UNIX-CONNECT:{serial}",
            ],
        }

    def _confine(
        self, context: Context, chosen: Parameters, name: str
    ) -> AbstractContextManager[Confinement]:
        return confinement.prepared(
            Places(context.paths),
            name,
            model=chosen.security_model,
            domain=chosen.security_domain,
            use_chroot=chosen.use_chroot,
            pool=context.paths.ssconf("uid_pool"),
            uids=context.paths.uid_pool_locks,
        )

    def _taps(
        self, context: Context, instance: InstanceArgument, guest: Guest, opened: ExitStack
    ) -> list[Tap]:
        """
        Make and connect the tap devices; QEMU inherits them.
        """
        places = Places(context.paths)
        wanted = guest.parameters
        virtio = wanted.nic_type == "paravirtual"
        taps = []
        for index, (nic, interface) in enumerate(zip(instance.nics, guest.interfaces, strict=True)):
            tap = taps_module.open_tap(
                queues=interface.queues,
                vnet_hdr=virtio and wanted.vnet_hdr,
                vhost=virtio and wanted.vhost_net,
            )
            opened.callback(tap.close)
            interfaces.connect(context, instance.name, " ".join(instance.tags), index, nic, tap.name)
            places.nic(instance.name).mkdir(mode=0o755, parents=True, exist_ok=True)
            (places.nic(instance.name) / str(index)).write_text(tap.name)
            taps.append(tap)
        return taps

    def _settle(self, context: Context, guest: Guest) -> None:
        """
        What can be told to QEMU only when it runs: the display's password, and its processors.

        @raise FunctionError: It cannot be done; QEMU was ended.
        """
        places, wanted = Places(context.paths), guest.parameters
        process = running(places, guest.name)
        if process is None:
            raise FunctionError("QEMU has ended")
        with process:
            try:
                if wanted.vnc_bind_address and wanted.vnc_password_file:
                    password = machine.password(context, wanted.vnc_password_file)
                    with monitor(places.socket(guest.name, "qmp")) as connected:
                        connected.execute("set_password", {"protocol": "vnc", "password": password})
                if (chosen := affinity(wanted.cpu_mask)) is not None:
                    process.pin(chosen)
            except (FunctionError, OSError) as reason:
                process.end(0, END_WAIT)
                raise FunctionError(str(reason)) from reason

    def _launch(
        self,
        context: Context,
        guest: Guest,
        instance: InstanceArgument,
        disks: Sequence[AttachedDisk],
        taps: Sequence[Tap],
        lock: int,
        paused: bool,
        confined: Confinement,
    ) -> None:
        places = Places(context.paths)
        kept = command.kept(guest, places)
        drives = list(zip((each.disk for each in disks), guest.drives, strict=True))
        nics = [msgspec.to_builtins(each) for each in instance.nics]
        content = command.runtime(
            kept, instance.hvparams, drives, list(zip(nics, guest.interfaces, strict=True))
        )
        files.replace(places.runtime(guest.name), msgspec.json.encode(content), mode=0o600)
        added = command.added(guest, places, paused=paused, confined=confined.words(guest.program), taps=taps)
        inherited = (
            lock,
            *confined.descriptors,
            *(each for tap in taps for each in (*tap.queues, *tap.vhost)),
        )
        apart = places.pid(guest.name) if guest.parameters.use_namespaces else None
        words = command.relative([*kept, *added], places.sockets)
        if apart is not None:
            words = command.without(words, "-pidfile")
        known = groups(context.paths.hostname)
        group = None if known is None else known.join(guest.name)
        try:
            Launch(
                name=guest.name,
                words=words,
                directory=places.sockets,
                log=places.log(guest.name),
                qmp=places.socket(guest.name, "qmp"),
                inherited=inherited,
                group=group,
                apart=apart,
            ).run()
        finally:
            if group is not None:
                os.close(group)

    def _running(self, places: Places, name: str) -> GuestInfo | None:
        process = running(places, name)
        if process is None:
            return None
        with process:
            memory = ballooning.current(places, name, process.command.memory)
            return GuestInfo(memory, process.command.vcpus, time=process.seconds())

    def _clean(self, context: Context, name: str) -> None:
        places = Places(context.paths)
        places.clean(name)
        confinement.clean(places, name, context.paths.uid_pool_locks)
        with suppress(FileNotFoundError):
            places.presence(name).unlink()
        if (known := groups(context.paths.hostname)) is not None:
            known.leave(name)


def _display(
    name: str, instance: Mapping[str, Any], node: Mapping[str, Any], bind: str
) -> dict[str, Any] | None:
    """
    Where a guest's display is shown by VNC; C{None} where it has none on an address.
    """
    port = instance.get("network_port")
    if not bind or bind.startswith("/") or not isinstance(port, int):
        return None
    everywhere = bind in ("0.0.0.0", "::")  # looked at, not bound
    return {
        "instance": name,
        "kind": "vnc",
        "host": node["primary_ip"] if everywhere else bind,
        "port": port,
        "display": port - FIRST_DISPLAY,
    }


def _has_acpi(places: Places, name: str) -> bool:
    """
    Whether the guest was started with a power button.
    """
    try:
        _, _, hvparams, *_ = msgspec.json.decode(places.runtime(name).read_bytes(), type=list[Any])
        return bool(hvparams.get("acpi", True))
    except (FileNotFoundError, msgspec.DecodeError, ValueError, AttributeError):
        # A damaged file does not matter: a press that nobody feels costs the wait only.
        return True
