"""
C{gnt completion}, and what the shell is offered for half-typed names.

Which words stand for objects of the cluster is told by the arguments' and options' names, so that a new command gets
completion by calling its argument C{node} or C{names}. All of it is only looked up while a shell asks.
"""

import os
from typing import Any

import click
from click.shell_completion import CompletionItem

from gnttwist.cli.session import Session
from gnttwist.client.luxi import LuxiClient
from gnttwist.errors import GnttwistError

VARIABLE = "_GNT_COMPLETE"
"""
Set by the shell's part while it asks (click's convention for a program called gnt).
"""

TIMEOUT = 2.0
"""
Seconds that a shell's user waits for names at most.
"""

LIMIT = 200
"""
Names that are offered: nobody reads more, and shells ask whether to show that many.
"""

OWN = {"instance": "name", "node": "name", "group": "name", "network": "name", "job": "id", "filter": "uuid"}
"""
Resources, and by which field people call their objects. A command's C{name} or C{names} are of its own group's.
"""

BY_NAME = {
    "instance": "instance",
    "instances": "instance",
    "node": "node",
    "nodes": "node",
    "pnode": "node",
    "group": "group",
    "groups": "group",
    "network": "network",
    "networks": "network",
    "job": "job",
    "jobs": "job",
}
"""
What else an argument or option may be called, and what it stands for then.
"""

MAKES_NAMES = frozenset({"add", "batch-create"})
"""
Commands whose own C{name} is a new one, for which there is nothing to offer.
"""


class Named(click.ParamType[Any]):
    """
    A parameter that stands for an object of the cluster: another type with names to offer.
    """

    def __init__(self, inner: click.ParamType[Any], resource: str) -> None:
        self.inner = inner
        self.resource = resource
        self.name = inner.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """
        As the other type does.
        """
        return self.inner.convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """
        The objects whose names begin so; none where there is no daemon to ask.
        """
        # While a shell asks no command runs, not even the one that makes the session.
        root = ctx.find_root().params.get("root")
        try:
            names = _names(Session(root), self.resource)
        except (GnttwistError, OSError):
            # A shell's user is typing: no answer is the answer.
            return []
        return [CompletionItem(each) for each in names if each.startswith(incomplete)][:LIMIT]

    def __repr__(self) -> str:
        return f"Named({self.inner!r}, {self.resource!r})"


def asked() -> bool:
    """
    Whether this run answers a shell.
    """
    return VARIABLE in os.environ


def offer(group: str, command: click.Command) -> None:
    """
    Give the parameters of a command, and of those below it, names to offer.

    @param group: The group of commands, such as C{instance}.
    """
    if isinstance(command, click.Group):
        for each in command.commands.values():
            offer(group, each)
        return
    for parameter in command.params:
        resource = _resource(group, command, parameter.name or "")
        if resource is not None and not isinstance(parameter.type, Named):
            parameter.type = Named(parameter.type, resource)


def _resource(group: str, command: click.Command, name: str) -> str | None:
    if name in ("name", "names", "uuid", "uuids") and group in OWN:
        return None if command.name in MAKES_NAMES else group
    return BY_NAME.get(name)


def _names(session: Session, resource: str) -> list[str]:
    client = LuxiClient(session.paths.luxi_socket, patience=0, read_timeout=TIMEOUT, connect_timeout=TIMEOUT)
    with client:
        answer = client.call("Query", resource, [OWN[resource]], None)
    return [str(value) for [(_, value)] in answer["data"]]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def group(shell: str) -> None:
    """
    Print what makes a shell complete gnt's commands, options and names.

    For bash, put this into ~/.bashrc: eval "$(gnt completion bash)"
    """
    from click.shell_completion import get_completion_class

    source = get_completion_class(shell)
    if source is None:
        raise click.UsageError(f"there is no completion for {shell}")
    root = click.get_current_context().find_root().command
    click.echo(source(root, {}, "gnt", VARIABLE).source())
