"""
Making, starting, looking at and removing a sandbox.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from attrs import define, frozen

from gnttwist.paths import Paths
from gnttwist.sandbox import addresses, probes, processes, separation
from gnttwist.sandbox.layout import (
    SHARED,
    STATE,
    Daemon,
    Sandbox,
    SandboxError,
    SandboxNode,
    new_sandbox,
    read_state,
    write_state,
)
from gnttwist.sandbox.making import make
from gnttwist.sandbox.processes import Process

START_TIMEOUT = 60.0
"""
Seconds until every daemon of a wave must answer; on two idle cores it takes two.
"""

WAVE = 4
"""
Nodes whose daemons are started at once: more only wait for each other's imports.
"""

RAPI_ELSEWHERE = 1
"""
Nodes beside the master whose gnt-rapi runs, and sends clients on to it: enough to try that, at 40 MB each.
"""

PROGRAMS = {"fake": (), "kvm": ("qemu-system-x86_64",)}
"""
Hypervisors, and the programs that they need.
"""

Say = Callable[[str], None]


@frozen
class Health:
    """
    One daemon, as C{gnt sandbox status} shows it.

    @ivar memory: Resident bytes.
    @ivar illness: What is wrong; C{None} when it answers.
    """

    node: str
    daemon: str
    pid: int | None
    memory: int
    illness: str | None


def up(
    directory: Path,
    nodes: int,
    hypervisor: str,
    network: str | None,
    say: Say,
    *,
    users: bool = False,
    spares: int = 0,
) -> Sandbox:
    """
    Make a sandbox in C{directory}, which must be empty or not exist, and start it.

    @param say: Told what is being done.
    @param users: Whether its daemons run as users of their own, which needs root.
    @param spares: Machines that are made and stay outside of the cluster.
    @return: The sandbox, every daemon answering.
    @raise SandboxError: It cannot be made or does not start; whatever was started is stopped again.
    """
    directory = _normal(directory)
    _check_programs(hypervisor)
    if users:
        separation.check(directory)
    if (directory / STATE).exists():
        raise SandboxError(
            f"{directory} holds a sandbox already; `gnt sandbox down --dir {directory}` removes it"
        )
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise SandboxError(f"{directory} is in use: a sandbox needs a new or empty directory")
    chosen = (
        addresses.choose(directory, nodes + spares)
        if network is None
        else addresses.check(network, nodes + spares)
    )
    sandbox = new_sandbox(directory, nodes, hypervisor, chosen, users=users, spares=spares)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_state(sandbox)
    except OSError as reason:
        raise SandboxError(f"cannot make {directory}: {reason.strerror}") from reason
    say(f"making {_count(nodes, 'node')} in {directory}")
    make(sandbox)
    return start(sandbox, say)


def start(sandbox: Sandbox, say: Say) -> Sandbox:
    """
    Start all daemons of a sandbox that was made, and wait until they answer.

    @raise SandboxError: One does not; whatever was started is stopped again.
    """
    children: list[subprocess.Popen[bytes]] = []
    try:
        for position in range(0, len(sandbox.nodes), WAVE):
            wave = sandbox.nodes[position : position + WAVE]
            say(f"starting the daemons of {', '.join(each.name for each in wave)}")
            fresh: list[Daemon] = []
            for node in wave:
                for daemon in daemons_of(sandbox, node):
                    started, child = processes.start(daemon, sandbox.paths(node))
                    children.append(child)
                    fresh.append(started)
                    sandbox = msgspec.structs.replace(sandbox, daemons=[*sandbox.daemons, started])
                    write_state(sandbox)
            _await_health(sandbox, fresh)
    except SandboxError:
        processes.stop(_all_processes(sandbox))
        for child in children:
            child.wait()
        raise
    return sandbox


def down(directory: Path) -> None:
    """
    Stop a sandbox, and remove what L{up} made.

    @raise SandboxError: There is none, or it cannot be removed.
    """
    sandbox = read_state(_normal(directory))
    halt(sandbox)
    try:
        for node in sandbox.machines:
            _remove(sandbox.path / node.name)
        _remove(sandbox.path / SHARED)
        (sandbox.path / STATE).unlink()
        if not any(sandbox.path.iterdir()):
            sandbox.path.rmdir()
    except OSError as reason:
        raise SandboxError(f"cannot remove {reason.filename}: {reason.strerror}") from reason


HALTS = 5
"""
How often to look for processes that were being forked while others were ended.
"""


def halt(sandbox: Sandbox) -> None:
    """
    End every process of a sandbox: daemons in order, then launchers, what they forked, and guests.
    """
    processes.stop(Process(each.pid, each.started) for each in sandbox.daemons)
    for _ in range(HALTS):
        found = list(_all_processes(sandbox))
        if not found:
            break
        processes.stop(found)


def status(directory: Path) -> list[Health]:
    """
    Every daemon's health, launchers included.

    @raise SandboxError: There is no sandbox.
    """
    sandbox = read_state(_normal(directory))
    return [
        each
        for node in _members(sandbox)
        for each in (
            *(_health(sandbox, node, daemon) for daemon in daemons_of(sandbox, node)),
            _launcher_health(sandbox, node),
        )
    ]


def _members(sandbox: Sandbox) -> list[SandboxNode]:
    """
    The machines that are nodes now: some may have joined since, and some left.
    """
    return [
        each for each in sandbox.machines if each == sandbox.master or sandbox.paths(each).client_pem.exists()
    ]


def daemons_of(sandbox: Sandbox, node: SandboxNode) -> Sequence[str]:
    """
    Which daemons a node runs.
    """
    ours = ("gnt-noded", "gnt-confd")
    if node == sandbox.master:
        return (*ours, "gnt-masterd", "gnt-rapi")
    return (*ours, "gnt-rapi") if node in sandbox.nodes[: 1 + RAPI_ELSEWHERE] else ours


def _health(sandbox: Sandbox, node: SandboxNode, daemon: str) -> Health:
    process = _daemon_process(sandbox, node, daemon)
    if process is None:
        return Health(node.name, daemon, None, 0, "does not run")
    return Health(
        node.name,
        daemon,
        process.pid,
        process.memory,
        probes.illness(daemon, sandbox.paths(node), node.address),
    )


def _launcher_health(sandbox: Sandbox, node: SandboxNode) -> Health:
    process = _from_pid_file(sandbox.paths(node).launcher_pid)
    if process is None:
        return Health(node.name, "launcher", None, 0, "does not run")
    return Health(node.name, "launcher", process.pid, process.memory, None)


def _daemon_process(sandbox: Sandbox, node: SandboxNode, daemon: str) -> Process | None:
    # Somebody may have restarted it by hand, so its own pid file goes first.
    found = _from_pid_file(sandbox.paths(node).pid(daemon))
    if found is not None:
        return found
    recorded = (
        Process(each.pid, each.started)
        for each in sandbox.daemons
        if (each.daemon, each.node) == (daemon, node.name)
    )
    return next((each for each in recorded if each.alive), None)


def _from_pid_file(path: Path) -> Process | None:
    try:
        pid = int(path.read_text())
    except (OSError, ValueError):
        return None
    started = processes.start_time(pid)
    return None if started is None else Process(pid, started)


def _all_processes(sandbox: Sandbox) -> Iterator[Process]:
    yield from (Process(each.pid, each.started) for each in sandbox.daemons)
    for node in sandbox.machines:
        yield from processes.belonging(sandbox.path / node.name)


@define
class _Starting:
    """
    A daemon that has been started and does not answer yet.
    """

    daemon: Daemon
    paths: Paths
    address: str
    illness: str | None = "never asked"

    @property
    def alive(self) -> bool:
        return Process(self.daemon.pid, self.daemon.started).alive

    def settled(self) -> bool:
        """
        Whether it answers, or never will.
        """
        self.illness = probes.illness(self.daemon.daemon, self.paths, self.address)
        return self.illness is None or not self.alive


def _await_health(sandbox: Sandbox, fresh: Sequence[Daemon]) -> None:
    nodes = {each.name: each for each in sandbox.nodes}
    for each in fresh:
        node = nodes[each.node]
        starting = _Starting(each, sandbox.paths(node), node.address)
        processes.wait_until(starting.settled, START_TIMEOUT)
        # What answers may be somebody else's, who had the address first.
        if not starting.alive or starting.illness is not None:
            why = f"does not answer: {starting.illness}" if starting.alive else "ended at once"
            raise _did_not_start(each, starting.paths, why)


def _did_not_start(daemon: Daemon, paths: Paths, why: str) -> SandboxError:
    log = paths.daemon_log(daemon.daemon)
    lines = "".join(f"\n  {line}" for line in processes.tail(log))
    return SandboxError(f"{daemon.daemon} of {daemon.node} {why}; the end of {log}:{lines}")


def _check_programs(hypervisor: str) -> None:
    try:
        programs = PROGRAMS[hypervisor]
    except KeyError:
        raise SandboxError(
            f"unknown hypervisor {hypervisor}; there are {', '.join(sorted(PROGRAMS))}"
        ) from None
    for program in programs:
        if shutil.which(program) is None:
            raise SandboxError(
                f"{program} is missing, which hypervisor {hypervisor} needs (Debian: qemu-system-x86)"
            )


def _remove(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)


def _normal(directory: Path) -> Path:
    # Without "..", because roots and sockets are named by it.
    return Path(os.path.abspath(directory))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
