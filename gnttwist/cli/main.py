"""
C{gnt}: the command line's entry, and where every failure becomes one line.

Commands are imported when they are called: C{gnt job list} does not wait for what only C{gnt sandbox up} needs. What
all of them import, and the commands about instances, are written without attrs: its import takes 10 ms, a tenth of
a short command.
"""

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

import click

from gnttwist.cli import completion
from gnttwist.cli.session import Session
from gnttwist.errors import GnttwistError

COMMANDS: Mapping[str, tuple[str, str]] = {
    "cluster": ("gnttwist.cli.cluster", "Make, describe and verify the cluster."),
    "node": ("gnttwist.cli.node", "Add, list, change and remove nodes; look after this one's files."),
    "group": ("gnttwist.cli.group", "Make, list, change and remove node groups."),
    "network": ("gnttwist.cli.network", "Make, list, change and remove networks; connect groups to them."),
    "os": ("gnttwist.cli.os", "List and diagnose operating systems that can be installed."),
    "instance": ("gnttwist.cli.instance", "Add, list, start, stop and remove instances; their consoles."),
    "tags": ("gnttwist.cli.tags", "Find objects by their tags."),
    "job": ("gnttwist.cli.job", "List, describe, follow, cancel and archive jobs; what they wait for."),
    "filter": ("gnttwist.cli.filter", "Rules that hold back or refuse jobs."),
    "watcher": ("gnttwist.cli.watcher", "Start again what should be up and is not; for timers."),
    "watch": ("gnttwist.cli.watch", "Watch the cluster as it moves."),
    "debug": ("gnttwist.cli.debug", "Test jobs; who holds which lock."),
    "confd": ("gnttwist.cli.confd", "Ask the configuration daemon."),
    "sandbox": ("gnttwist.cli.sandbox", "Virtual clusters on this machine, for trying and testing."),
    "completion": ("gnttwist.cli.completion", "Let a shell complete commands, options and names."),
}
"""
Where each group of commands is, and what it is for. The module's C{group} is the group.
"""

INTERRUPTED = 130
"""
The exit code after Ctrl-C, as shells have it.
"""


class LazyGroup(click.Group):
    """
    Imports a group of commands when it is needed.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """
        All groups, in the order above.
        """
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """
        The group of this name.
        """
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).group
        if completion.asked():
            completion.offer(cmd_name, command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """
        The list in C{gnt --help}, which imports none of them.
        """
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--root",
    metavar="DIR",
    help="Below which directory the node's files are; its name is the node's. "
    "Default: $GANETI_ROOTDIR, or the system's own.",
)
@click.version_option(package_name="gnttwist", message="gnttwist %(version)s")
@click.pass_context
def gnt(ctx: click.Context, root: str | None) -> None:
    """
    Run clusters of virtual machines.
    """
    ctx.obj = session = Session(root)
    ctx.call_on_close(session.close)


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Run a command and exit: 0 when it succeeded, else 1 after one line on stderr.
    """
    _leave(run(arguments))


def _leave(code: int) -> NoReturn:
    """
    Exit at once. Python would take everything apart first, which is a fifth of a short command's own time.
    """
    try:
        for each in (sys.stdout, sys.stderr):
            if each is not None:
                each.flush()
    except BrokenPipeError:
        pass  # The reader has seen enough.
    except OSError:
        code = code or 1
    os._exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command.

    @return: The exit code.
    """
    try:
        result = gnt.main(arguments, prog_name="gnt", standalone_mode=False)
    except click.exceptions.Exit as reason:
        return reason.exit_code
    except click.exceptions.NoArgsIsHelpError as reason:
        click.echo(reason.format_message(), err=True)
        return 1
    except click.UsageError as reason:
        path = reason.ctx.command_path if reason.ctx else "gnt"
        return _fail(f"{reason.format_message().removesuffix('.')} (see {path} --help)", path)
    except click.ClickException as reason:
        return _fail(reason.format_message())
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (GnttwistError, OSError) as reason:
        return _fail(str(reason) or type(reason).__name__)
    except Exception as reason:  # the edge: a traceback helps nobody who types commands
        if os.environ.get("GNT_DEBUG"):
            raise
        return _fail(f"internal error: {type(reason).__name__}: {reason} (GNT_DEBUG=1 shows where)")
    return result if isinstance(result, int) else 0


def _fail(text: str, command: str = "gnt") -> int:
    first, *rest = text.splitlines() or [""]
    click.echo(f"{command}: {first}", err=True)
    for line in rest:
        click.echo(line, err=True)
    return 1
