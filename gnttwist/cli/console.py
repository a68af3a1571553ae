"""
A terminal on a guest's serial console.
"""

import os
import select
import socket
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from gnttwist.paths import Paths

ESCAPE = b"\x1d"
"""
Ctrl-], as Ganeti's console has it.
"""


def serial_socket(paths: Paths, instance: str, node: str, hypervisor: str, console: Any) -> Path:
    """
    The Unix socket of an instance's serial port, on this machine.

    @raise click.ClickException: It has none, or is on another machine.
    """
    if hypervisor != "kvm":
        said = (console or {}).get("message") or f"the hypervisor {hypervisor} has no serial console"
        raise click.ClickException(said)
    there = paths if node == paths.hostname else Paths(paths.root.with_name(node), node)
    place = there.run / "kvm-hypervisor/ctrl" / f"{instance}.serial"
    if not place.exists():
        raise click.ClickException(f"{instance} runs on {node}: run this command there")
    return place


def connect(place: Path) -> socket.socket:
    """
    Connect to a socket whose path may be longer than the system allows in one piece.
    """
    directory = os.open(place.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(f"/proc/self/fd/{directory}/{place.name}")
    except OSError:
        connection.close()
        raise
    finally:
        os.close(directory)
    return connection


@contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def relay(place: Path) -> int:
    """
    Pass bytes between the terminal and the guest until either ends.
    """
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    with connect(place) as guest:
        if os.isatty(keyboard):
            click.echo("Connected; Ctrl-] ends it.", err=True)
        with _raw(keyboard), suppress(KeyboardInterrupt):
            _pass(guest, keyboard, screen)
    return 0


def _pass(guest: socket.socket, keyboard: int, screen: int) -> None:
    sources: list[Any] = [guest, keyboard]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if guest in ready:
            data = guest.recv(65536)
            if not data:
                return
            os.write(screen, data)
        if keyboard in ready:
            typed = os.read(keyboard, 4096)
            if ESCAPE in typed:
                return
            if not typed:
                # A file or nothing at all: go on showing what the guest says.
                sources.remove(keyboard)
            else:
                guest.sendall(typed)
