"""
The user's terminal on a guest's serial console.
"""

import os
import select
import socket
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from gnttwist.client.console import connect, serial_socket
from gnttwist.paths import Paths

ESCAPE = b"\x1d"
"""
Ctrl-], as Ganeti's console has it.
"""


def find(paths: Paths, instance: str, node: str, hypervisor: str, console: Any) -> Path:
    """
    The socket of an instance's serial console, on this machine.

    @param console: What the node says about the console.
    @raise click.ClickException: There is none, or it is on another machine.
    """
    if hypervisor != "kvm":
        said = console.get("message") if isinstance(console, dict) else None
        raise click.ClickException(said or f"guests of the hypervisor {hypervisor} have no serial console")
    # The nodes of a sandbox are beside each other.
    there = paths if node == paths.hostname else Paths(paths.root.with_name(node), node)
    place = serial_socket(there, instance)
    if not place.exists():
        raise click.ClickException(f"{instance} runs on {node}: run this command there")
    return place


def relay(place: Path) -> int:
    """
    Pass bytes between the terminal and the guest until either ends.
    """
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    with connect(place) as guest, _raw(keyboard) as is_terminal:
        if is_terminal:
            # Raw mode: the terminal does not add carriage returns.
            click.echo("connected; Ctrl-] ends this\r", err=True)
        _pass(guest, keyboard, screen)
    return 0


@contextmanager
def _raw(descriptor: int) -> Iterator[bool]:
    if not os.isatty(descriptor):
        yield False
        return
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield True
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


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
            before, escape, _ = typed.partition(ESCAPE)
            guest.sendall(before)
            if escape:
                return
            if not typed:
                # A file or a pipe has ended: go on showing what the guest says.
                sources.remove(keyboard)
