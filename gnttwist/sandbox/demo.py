"""
C{make demo}: a cluster on this machine and an instance that runs on it, shown step by step.

Everything is done by the commands that a user would type; they are shown.
"""

import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from gnttwist.client import confd
from gnttwist.client.console import serial_socket
from gnttwist.client.luxi import LuxiClient
from gnttwist.errors import GnttwistError
from gnttwist.sandbox import lifecycle, requirements
from gnttwist.sandbox.greeting import Greeting
from gnttwist.sandbox.layout import DOMAIN, STATE, Sandbox, SandboxError, read_state
from gnttwist.sandbox.processes import Process

INSTANCE = f"demo1.{DOMAIN}"
GREETING = f"tinylinux: this is {INSTANCE}"
"""
What the guest says on its console when it is up.
"""

CREATE = ("instance", "add", "-t", "file", "-s", "64m", "-B", "memory=128m", "--no-nics")

BOOT_TIMEOUT = 120.0
"""
Seconds for the guest to come up; with TCG on two busy cores it takes 15.
"""

CONFIG_QUERY = 10
"""
confd's query for a place in the configuration.
"""

CONFD_TIMEOUT = 10.0
FRESH_TIMEOUT = 10.0
"""
Seconds for confd to answer, and to know of what was changed a moment ago.
"""


def main(arguments: list[str] | None = None) -> int:
    """
    Do C{up} or C{down}.

    @return: The exit code.
    """
    wanted = (sys.argv[1:] if arguments is None else arguments) or ["up"]
    actions: Mapping[str, Callable[[], int]] = {"up": up, "down": down}
    action = actions.get(wanted[0]) if len(wanted) == 1 else None
    if action is None:
        click.echo("usage: python -m gnttwist.sandbox.demo up|down", err=True)
        return 2
    try:
        return action()
    except (GnttwistError, OSError) as reason:
        click.echo(f"demo: {reason}", err=True)
        return 1
    except KeyboardInterrupt:
        click.echo("demo: interrupted; `make demo-down` removes what is there", err=True)
        return 130


def directory() -> Path:
    """
    Where the demonstration lives: the same place every time, and a short path, for sockets' sake.
    """
    given = os.environ.get("GNT_DEMO_DIR")
    return Path(given).absolute() if given else Path(tempfile.gettempdir()) / f"gnt-demo-{os.getuid()}"


def up() -> int:
    """
    Make the cluster and the instance, and show that they work.
    """
    place = directory()
    if (place / STATE).exists():
        return _there_already(read_state(place))
    chosen = requirements.hypervisor(os.environ, os.getuid(), say)
    requirements.private_directory(place)
    say(f"a virtual cluster of one node, hypervisor {chosen}")
    shown(f"gnt sandbox up --dir {place} --hypervisor {chosen}")
    sandbox = lifecycle.up(place, 1, chosen, None, lambda text: say(f"  {text}"))
    if chosen == "kvm":
        _boot(sandbox)
    else:
        gnt(sandbox, *CREATE, "-o", "noop", INSTANCE)
    _ask_confd(sandbox)
    _look_around(sandbox)
    click.echo(_accelerator(sandbox, chosen))
    return 0


def down() -> int:
    """
    Stop and remove it.
    """
    place = directory()
    if not (place / STATE).exists():
        say("there is no demonstration")
        return 0
    lifecycle.down(place)
    say(f"stopped, and removed {place}")
    return 0


def say(text: str) -> None:
    """
    Tell what is going on.
    """
    click.echo(f"demo: {text}")


def shown(command: str) -> None:
    """
    Show a command.
    """
    click.echo(f"\n$ {command}")


def gnt(sandbox: Sandbox, *arguments: str) -> None:
    """
    Run a command of ours, its output where ours goes.

    @raise SandboxError: It failed, and has said why.
    """
    shown(shlex.join(["gnt", *arguments]))
    done = subprocess.run(
        [str(Path(sys.executable).parent / "gnt"), *arguments],
        stdin=subprocess.DEVNULL,
        env={**os.environ, **sandbox.variables()},
    )
    if done.returncode != 0:
        raise SandboxError(
            f"that failed; the cluster is still up for a look (logs in "
            f"{sandbox.paths(sandbox.master).log}), and `make demo-down` removes it"
        )


def _boot(sandbox: Sandbox) -> None:
    with Greeting(serial_socket(sandbox.paths(sandbox.master), INSTANCE), GREETING) as greeting:
        gnt(sandbox, *CREATE, "-o", "tinylinux", INSTANCE)
        say("waiting for the guest")
        line = greeting.wait(BOOT_TIMEOUT)
    say("the guest's own line, read from its serial console:")
    click.echo(f"\n    {line}\n")


def _there_already(sandbox: Sandbox) -> int:
    if not any(Process(each.pid, each.started).alive for each in sandbox.daemons):
        raise SandboxError(
            f"the one in {sandbox.directory} does not run any more; `make demo-down` removes it"
        )
    say(f"one is running already, in {sandbox.directory}")
    _look_around(sandbox)
    return 0


def _ask_confd(sandbox: Sandbox) -> None:
    """
    Ask gnt-confd for the instance's primary node.

    @raise SandboxError: It does not know of the instance.
    """
    paths = sandbox.paths(sandbox.master)
    with LuxiClient(paths.luxi_socket) as client:
        rows = client.call("Query", "instance", ["uuid", "pnode"], ["==", "name", INSTANCE])["data"]
    [[(_, instance), (_, expected)]] = rows
    node = _config(sandbox, f"/instances/{instance}/primary_node")
    name = _config(sandbox, f"/nodes/{node.reply.answer}/name")
    if name.reply.answer != expected:
        raise SandboxError(f"gnt-confd says {name.reply.answer}, gnt-masterd says {expected}")
    say(
        f"gnt-confd at {name.address} says that the primary node of {INSTANCE} is {name.reply.answer} "
        f"(signature verified, configuration serial {name.reply.serial})"
    )


def _config(sandbox: Sandbox, pointer: str) -> confd.Answered:
    key = sandbox.paths(sandbox.master).hmac_key.read_bytes()
    end = time.monotonic() + FRESH_TIMEOUT
    while True:
        question = confd.Question.of(
            key, [sandbox.master.address], CONFIG_QUERY, pointer, time.time(), str(uuid.uuid4())
        )
        answered = confd.ask(question, timeout=CONFD_TIMEOUT, interval=0.2)
        if answered.reply.status == 0:
            return answered
        if time.monotonic() >= end:
            raise SandboxError(f"gnt-confd does not know {pointer}")
        threading.Event().wait(0.05)


def _look_around(sandbox: Sandbox) -> None:
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in sandbox.variables().items())
    gnt_path = shlex.quote(str(Path(sys.executable).parent / "gnt"))
    click.echo(
        f"""
The cluster is up. To look around:

    export {variables}
    {gnt_path} instance list
    {gnt_path} instance console {INSTANCE}
    {gnt_path} job list
    {gnt_path} sandbox status --dir {sandbox.directory}

Ganeti's own tools work as well with these two variables. To stop it and remove everything: make demo-down
"""
    )


def _accelerator(sandbox: Sandbox, hypervisor: str) -> str:
    if hypervisor == "fake":
        return "demo: hypervisor fake, accelerator none"
    pid_file = sandbox.paths(sandbox.master).run / "kvm-hypervisor/pid" / INSTANCE
    words: list[Any] = Path(f"/proc/{int(pid_file.read_text())}/cmdline").read_text().split("\0")
    options = ",".join(words).split(",")
    found = [each.removeprefix("accel=").upper() for each in options if each.startswith("accel=")]
    return f"demo: hypervisor kvm, accelerator {found[0] if found else 'unknown'}"


if __name__ == "__main__":
    sys.exit(main())
