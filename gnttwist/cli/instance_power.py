"""
C{gnt instance}: starting, stopping and rebooting, one or many at once.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from gnttwist.cli import parameters
from gnttwist.cli.session import Session, opcode, pass_session
from gnttwist.cli.submitting import How, carry_out_each, confirm, job_options

F = TypeVar("F", bound=Callable[..., Any])

MODES = {
    "all": ("--all", "All instances; give no names."),
    "node": ("--node", "The names are nodes: all instances on them."),
    "primary": ("--primary", "The names are nodes: the instances whose primary node is one of them."),
    "tags": ("--tags", "The names are tags: all instances with one of them."),
}
"""
Ways to choose instances, other than by their names.
"""


class Selection(msgspec.Struct, frozen=True):
    """
    Which instances a command is about.

    @ivar mode: One of L{MODES}, or empty where C{names} are the instances.
    @ivar sure: Whether several need not be asked about.
    """

    names: tuple[str, ...]
    mode: str
    sure: bool

    def resolve(self, session: Session, verb: str) -> list[str]:
        """
        The instances' names; where they were not given by name, after asking.

        @param verb: What will be done to them.
        @raise click.UsageError: None are meant.
        """
        if not self.mode:
            if not self.names:
                raise click.UsageError("which instances? Give names, or --all, --node, --primary or --tags")
            return list(dict.fromkeys(self.names))
        if (self.mode == "all") == bool(self.names):
            raise click.UsageError("--all takes no names" if self.names else f"--{self.mode} of what?")
        rows = session.client.call("Query", "instance", ["name"], self._filter())["data"]
        found = [value for [[_, value]] in rows]
        if not found:
            raise click.ClickException("there are no such instances")
        confirm(f"{verb} {', '.join(found)}?", self.sure, "--force-multiple")
        return found

    def _filter(self) -> list[Any] | None:
        match self.mode:
            case "all":
                return None
            case "node":
                fields = [["==", "pnode", each] for each in self.names]
                return ["|", *fields, *(["=[]", "snodes", each] for each in self.names)]
            case "primary":
                return ["|", *(["==", "pnode", each] for each in self.names)]
            case "tags":
                return ["|", *(["=[]", "tags", each] for each in self.names)]
        raise AssertionError(self.mode)


def selection(command: F) -> F:
    """
    Give a command names and the ways of choosing many, which it gets as C{chosen}.
    """

    @functools.wraps(command)
    def wrapped(*arguments: Any, names: tuple[str, ...], mode: str, sure: bool, **options: Any) -> Any:
        return command(*arguments, chosen=Selection(names, mode, sure), **options)

    sure = click.option("--force-multiple", "sure", is_flag=True, help="Do not ask about those chosen so.")
    wrapped = click.argument("names", nargs=-1)(sure(wrapped))
    for value, (name, text) in reversed(MODES.items()):
        wrapped = click.option(name, "mode", flag_value=value, default="", help=text)(wrapped)
    return wrapped  # type: ignore[return-value]  # it takes more options than the command itself


offline_option = click.option(
    "--ignore-offline", is_flag=True, help="Of one on a node that is offline, only record it."
)
remember_option = click.option(
    "--no-remember", is_flag=True, help="Do not record it; the watcher may turn it round."
)


@click.command()
@selection
@click.option("-H", "--hypervisor-parameters", "hv", metavar="NAME=VALUE,...", help="Other ones, this time.")
@click.option("-B", "--backend-parameters", "be", metavar="NAME=VALUE,...", help="Other ones, this time.")
@click.option("--paused", is_flag=True, help="Leave it stopped before its first instruction.")
@offline_option
@remember_option
@job_options
@pass_session
def start(
    session: Session,
    /,
    chosen: Selection,
    hv: str | None,
    be: str | None,
    paused: bool,
    ignore_offline: bool,
    no_remember: bool,
    how: How,
) -> None:
    """
    Start instances.
    """
    ops = [
        opcode(
            "OP_INSTANCE_STARTUP",
            instance_name=name,
            hvparams=parameters.typed(parameters.pairs(hv or "")),
            beparams=parameters.backend(be or ""),
            startup_paused=paused,
            ignore_offline_nodes=ignore_offline,
            no_remember=no_remember,
        )
        for name in chosen.resolve(session, "Start")
    ]
    carry_out_each(session, ops, how)


@click.command()
@selection
@click.option(
    "--timeout",
    type=click.IntRange(0),
    default=120,
    show_default=True,
    help="Seconds that the guest has to shut down by itself.",
)
@click.option("-f", "--force", is_flag=True, help="Do not ask the guest; switch it off.")
@offline_option
@remember_option
@job_options
@pass_session
def stop(
    session: Session,
    /,
    chosen: Selection,
    timeout: int,
    force: bool,
    ignore_offline: bool,
    no_remember: bool,
    how: How,
) -> None:
    """
    Stop instances: ask the guest to shut down, and switch it off when it does not.
    """
    ops = [
        opcode(
            "OP_INSTANCE_SHUTDOWN",
            instance_name=name,
            timeout=timeout,
            force=force,
            ignore_offline_nodes=ignore_offline,
            no_remember=no_remember,
        )
        for name in chosen.resolve(session, "Stop")
    ]
    carry_out_each(session, ops, how)


@click.command()
@selection
@click.option(
    "-t",
    "--type",
    "reboot_type",
    type=click.Choice(["soft", "hard", "full"]),
    default="hard",
    show_default=True,
    help="How: full gives its disks back meanwhile.",
)
@click.option(
    "--shutdown-timeout",
    type=click.IntRange(0),
    default=120,
    show_default=True,
    help="Seconds that the guest has to shut down by itself.",
)
@click.option("--ignore-secondaries", is_flag=True, help="For disks on two nodes, of which there are none.")
@job_options
@pass_session
def reboot(
    session: Session,
    /,
    chosen: Selection,
    reboot_type: str,
    shutdown_timeout: int,
    ignore_secondaries: bool,
    how: How,
) -> None:
    """
    Restart instances; those that do not run are started.
    """
    ops = [
        opcode(
            "OP_INSTANCE_REBOOT",
            instance_name=name,
            reboot_type=reboot_type,
            shutdown_timeout=shutdown_timeout,
            ignore_secondaries=ignore_secondaries,
        )
        for name in chosen.resolve(session, "Reboot")
    ]
    carry_out_each(session, ops, how)
