"""
C{gnt cluster modify}.
"""

import re
from collections.abc import Callable
from typing import Any

import click

from gnttwist.cli import parameters
from gnttwist.cli.policy_options import OPTIONS, policy, policy_options
from gnttwist.cli.session import Session, opcode, pass_session
from gnttwist.cli.submitting import How, carry_out, job_options

_RANGE = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?")

TEXTS = (
    ("--default-iallocator", "NAME", "What places instances where nothing else is said."),
    ("--mac-prefix", "XX:XX:XX", "Of interfaces that are made from now on."),
    ("--master-netdev", "DEVICE", "Which device has the cluster's address."),
    ("--file-storage-dir", "DIRECTORY", "Where disks of template file lie."),
    ("--shared-file-storage-dir", "DIRECTORY", "Where disks of template sharedfile lie."),
    ("--install-image", "PATH", "The image that untrusted OS scripts are run in."),
    ("--zeroing-image", "PATH", "The image that disks are zeroed with."),
)
NUMBERS = (
    ("--candidate-pool-size", 1, "How many nodes have a copy of the configuration."),
    ("--max-running-jobs", 1, "How many jobs may run at once."),
    ("--max-tracked-jobs", 1, "How many jobs are looked at closely; Ganeti's."),
    ("--master-netmask", 0, "Of the cluster's address."),
)
SWITCHES = (
    ("--maintain-node-health", "Whether the watcher stops what runs on wrong nodes."),
    ("--prealloc-wipe-disks", "Whether new disks are overwritten."),
    ("--modify-etc-hosts", "Whether nodes' names are put in /etc/hosts; Ganeti's."),
    ("--use-external-mip-script", "Whether the cluster's address is set by a script."),
    ("--user-shutdown", "Whether guests that shut down by themselves stay down."),
)


def all_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """
    What can be changed.
    """
    options = [click.option(name, metavar=metavar, help=text) for name, metavar, text in TEXTS]
    options += [click.option(name, type=click.IntRange(least), help=text) for name, least, text in NUMBERS]
    options += [click.option(name, type=bool, metavar="yes|no", help=text) for name, text in SWITCHES]
    options += [
        click.option(
            "-B", "--backend-parameters", metavar="NAME=VALUE,...", help="memory=512m, vcpus=2, ..."
        ),
        click.option(
            "-H",
            "--hypervisor-parameters",
            multiple=True,
            metavar="HYPERVISOR:NAME=VALUE,...",
            help="May be repeated.",
        ),
        click.option("-N", "--nic-parameters", metavar="NAME=VALUE,...", help="mode, link, vlan."),
        click.option("--node-parameters", metavar="NAME=VALUE,...", help="ssh_port=22, ..."),
        click.option(
            "-D",
            "--disk-parameters",
            multiple=True,
            metavar="TEMPLATE:NAME=VALUE,...",
            help="May be repeated.",
        ),
        click.option("--enabled-hypervisors", metavar="NAME,...", help="The first is the default."),
        click.option("--enabled-disk-templates", metavar="NAME,...", help="The first is the default."),
        click.option("--compression-tools", metavar="NAME,...", help="What may compress data that is moved."),
        click.option("--uid-pool", metavar="RANGE,...", help="Users for guests: 4000-4999."),
        click.option("--add-uids", metavar="RANGE,...", help="Ranges that are added to the pool."),
        click.option("--remove-uids", metavar="RANGE,...", help="Ranges that are taken from the pool."),
    ]
    command = policy_options(command)
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@all_options
@job_options
@pass_session
def modify(
    session: Session,
    /,
    how: How,
    backend_parameters: str | None,
    hypervisor_parameters: tuple[str, ...],
    nic_parameters: str | None,
    node_parameters: str | None,
    disk_parameters: tuple[str, ...],
    user_shutdown: bool | None,
    **options: Any,
) -> None:
    """
    Change the cluster's parameters; in dictionaries, "default" is what a new cluster has.
    """
    bounds = {name.removeprefix("--").replace("-", "_") for name, _, _ in OPTIONS}
    wanted: dict[str, Any] = {
        **{name: value for name, value in options.items() if name not in bounds},
        "ipolicy": policy(**{name: options[name] for name in bounds}),
        "beparams": None if backend_parameters is None else parameters.backend(backend_parameters),
        "hvparams": dict(parameters.hypervisor(each) for each in hypervisor_parameters) or None,
        # A link's name may look like a number, and is text nevertheless.
        "nicparams": None if nic_parameters is None else parameters.pairs(nic_parameters),
        "ndparams": None if node_parameters is None else parameters.typed(parameters.pairs(node_parameters)),
        "diskparams": dict(parameters.hypervisor(each) for each in disk_parameters) or None,
        "enabled_user_shutdown": user_shutdown,
    }
    for name in ("enabled_hypervisors", "enabled_disk_templates", "compression_tools"):
        wanted[name] = None if wanted[name] is None else [each for each in wanted[name].split(",") if each]
    for name in ("uid_pool", "add_uids", "remove_uids"):
        wanted[name] = None if wanted[name] is None else ranges(wanted[name], name)
    if all(value is None for value in wanted.values()):
        raise click.UsageError("nothing to change: see the options")
    carry_out(session, opcode("OP_CLUSTER_SET_PARAMS", **wanted), how)


def ranges(text: str, option: str) -> list[list[int]]:
    """
    C{4000-4999,6000} as pairs of numbers.

    @raise click.UsageError: It is none.
    """
    found = []
    for each in text.split(",") if text else ():
        match = _RANGE.fullmatch(each.strip())
        if match is None:
            raise click.UsageError(f"--{option.replace('_', '-')}: {each!r} is no range such as 4000-4999")
        found.append([int(match[1]), int(match[2] or match[1])])
    return found
