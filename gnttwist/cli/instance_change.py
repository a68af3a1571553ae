"""
C{gnt instance}: the commands that change what an instance is, and remove it.
"""

from typing import Any

import click

from gnttwist.cli import parameters
from gnttwist.cli.instance_power import Selection, selection
from gnttwist.cli.output import plain
from gnttwist.cli.session import Session, opcode, pass_session
from gnttwist.cli.submitting import How, carry_out, carry_out_each, confirm, force_option, job_options


@click.command()
@click.argument("name")
@click.option("-B", "--backend-parameters", "be", metavar="NAME=VALUE,...", help="memory=512m, vcpus=2, ...")
@click.option("-H", "--hypervisor-parameters", "hv", metavar="NAME=VALUE,...", help="acpi=false, ...")
@click.option("-O", "--os-parameters", "osp", metavar="NAME=VALUE,...", help="What its OS understands.")
@click.option("--os-parameters-private", "private", metavar="NAME=VALUE,...", help="Those that nobody sees.")
@click.option(
    "--disk",
    "disks",
    multiple=True,
    metavar="N:...",
    help="add:size=2g, 0:mode=ro, 1:remove, ...; may be repeated.",
)
@click.option(
    "--net",
    "nets",
    multiple=True,
    metavar="N:...",
    help="add:ip=192.0.2.7, 0:link=br1, -1:remove, ...; may be repeated.",
)
@click.option("-m", "--runtime-memory", metavar="SIZE", help="Memory that it has now, while it runs.")
@click.option("-o", "--os-type", metavar="OS[+VARIANT]", help="What is recorded as its OS; installs nothing.")
@click.option("-t", "--disk-template", metavar="TEMPLATE", help="Convert its disks, while it is stopped.")
@click.option("--file-storage-dir", metavar="PATH", help="With -t: where, below the cluster's directory.")
@click.option("--file-driver", metavar="DRIVER", help="With -t: the file's driver; it means nothing to kvm.")
@click.option("--offline", "offline", flag_value="offline", help="Mark it offline: it cannot be started.")
@click.option("--online", "offline", flag_value="online", help="Mark it down, after it was offline.")
@click.option("--hotplug", is_flag=True, help="Change devices while it runs.")
@click.option("--hotplug-if-possible", is_flag=True, help="The same, but without it where it cannot be had.")
@click.option("--force-variant", is_flag=True, help="Also a variant that the OS does not list.")
@click.option("--ignore-ipolicy", is_flag=True, help="Also beyond what the instance policy allows.")
@click.option("--no-conflicts-check", is_flag=True, help="Also addresses that a network has for others.")
@click.option("-f", "--force", is_flag=True, help="Leave checks of memory and of the OS out.")
@job_options
@pass_session
def modify(session: Session, /, name: str, how: How, **options: Any) -> None:
    """
    Change an instance. Most of it takes effect when it is started the next time.

    The value "default" stands for what the cluster has.
    """
    changed = carry_out(session, modification(name, **options), how)
    if changed and not how.as_json:
        for parameter, value in changed:
            click.echo(f"{parameter}: {plain(value)}")


def modification(
    name: str,
    *,
    be: str | None,
    hv: str | None,
    osp: str | None,
    private: str | None,
    disks: tuple[str, ...],
    nets: tuple[str, ...],
    runtime_memory: str | None,
    os_type: str | None,
    disk_template: str | None,
    file_storage_dir: str | None,
    file_driver: str | None,
    offline: str | None,
    hotplug: bool,
    hotplug_if_possible: bool,
    force_variant: bool,
    ignore_ipolicy: bool,
    no_conflicts_check: bool,
    force: bool,
) -> dict[str, Any]:
    """
    The opcode for the options of C{gnt instance modify}.

    @raise click.UsageError: Nothing is to be changed.
    """
    wanted = (be, hv, osp, private, disks, nets, runtime_memory, os_type, disk_template, offline)
    if not any(wanted):
        raise click.UsageError("what shall be changed? Say at least one parameter")
    return opcode(
        "OP_INSTANCE_SET_PARAMS",
        instance_name=name,
        beparams=parameters.backend(be or ""),
        hvparams=parameters.typed(parameters.pairs(hv or "")),
        osparams=parameters.pairs(osp or ""),
        osparams_private=None if private is None else parameters.pairs(private),
        disks=[[action, which, parameters.sized(given)] for action, which, given in _items(disks, "disk")],
        nics=_items(nets, "net"),
        runtime_mem=None if runtime_memory is None else parameters.size(runtime_memory),
        os_name=os_type,
        disk_template=disk_template,
        file_storage_dir=file_storage_dir,
        file_driver=file_driver,
        offline=None if offline is None else offline == "offline",
        hotplug=hotplug,
        hotplug_if_possible=hotplug_if_possible,
        force_variant=force_variant,
        ignore_ipolicy=ignore_ipolicy,
        conflicts_check=not no_conflicts_check,
        force=force,
    )


def _items(texts: tuple[str, ...], what: str) -> list[list[Any]]:
    return [parameters.item_change(each, what) for each in texts]


@click.command()
@click.argument("name")
@click.argument("new_name")
@click.option("--no-name-check", is_flag=True, help="As gnt-instance has it; names are not looked up here.")
@click.option("--no-ip-check", is_flag=True, help="As gnt-instance has it; names are not looked up here.")
@job_options
@pass_session
def rename(
    session: Session, name: str, new_name: str, no_name_check: bool, no_ip_check: bool, how: How
) -> None:
    """
    Give a stopped instance another name.
    """
    op = opcode("OP_INSTANCE_RENAME", instance_name=name, new_name=new_name, name_check=False, ip_check=False)
    result = carry_out(session, op, how)
    if result and not how.as_json:
        click.echo(f"Instance {name} is now {result}")


@click.command()
@click.argument("name")
@click.option("-n", "--target-node", metavar="NODE", help="Where it goes.")
@click.option("-I", "--iallocator", metavar="NAME", help="What chooses where. Default: the cluster's.")
@click.option(
    "--shutdown-timeout",
    type=click.IntRange(0),
    default=120,
    show_default=True,
    help="Seconds that the guest has to shut down by itself.",
)
@click.option("--ignore-consistency", is_flag=True, help="Go on where the node that it is on fails.")
@click.option("--ignore-ipolicy", is_flag=True, help="Also beyond what the instance policy allows.")
@force_option
@job_options
@pass_session
def failover(
    session: Session,
    /,
    name: str,
    target_node: str | None,
    iallocator: str | None,
    shutdown_timeout: int,
    ignore_consistency: bool,
    ignore_ipolicy: bool,
    force: bool,
    how: How,
) -> None:
    """
    Stop an instance on shared disks and start it on another node.
    """
    if target_node is not None and iallocator is not None:
        raise click.UsageError("-n names a node and -I what chooses one; give one of the two")
    confirm(f"Stop {name} and start it on another node?", force or how.dry_run)
    op = opcode(
        "OP_INSTANCE_FAILOVER",
        instance_name=name,
        target_node=target_node,
        iallocator=iallocator,
        shutdown_timeout=shutdown_timeout,
        ignore_consistency=ignore_consistency,
        ignore_ipolicy=ignore_ipolicy,
    )
    carry_out(session, op, how)


@click.command()
@selection
@click.option("-o", "--os-type", metavar="OS[+VARIANT]", help="Another one than it has.")
@click.option("-O", "--os-parameters", "osp", metavar="NAME=VALUE,...", help="What its OS understands.")
@click.option("--os-parameters-private", "private", metavar="NAME=VALUE,...", help="Those that nobody sees.")
@click.option(
    "--os-parameters-secret", "secret", metavar="NAME=VALUE,...", help="Those that are never stored."
)
@click.option("--force-variant", is_flag=True, help="Also a variant that the OS does not list.")
@force_option
@job_options
@pass_session
def reinstall(
    session: Session,
    /,
    chosen: Selection,
    os_type: str | None,
    osp: str | None,
    private: str | None,
    secret: str | None,
    force_variant: bool,
    force: bool,
    how: How,
) -> None:
    """
    Install stopped instances anew. What is on their disks is lost.
    """
    names = chosen.resolve(session, "Reinstall")
    confirm(f"Install {', '.join(names)} anew? All data on the disks will be lost", force or how.dry_run)
    ops = [
        opcode(
            "OP_INSTANCE_REINSTALL",
            instance_name=name,
            os_type=os_type,
            osparams=None if osp is None else parameters.pairs(osp),
            osparams_private=None if private is None else parameters.pairs(private),
            osparams_secret=None if secret is None else parameters.pairs(secret),
            force_variant=force_variant,
        )
        for name in names
    ]
    carry_out_each(session, ops, how)


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option(
    "--shutdown-timeout",
    "--timeout",
    "timeout",
    type=click.IntRange(0),
    default=120,
    show_default=True,
    help="Seconds that the guest has to shut down by itself.",
)
@force_option
@click.option("--ignore-failures", is_flag=True, help="Go on where a node fails; what is left there stays.")
@job_options
@pass_session
def remove(
    session: Session, names: tuple[str, ...], timeout: int, force: bool, ignore_failures: bool, how: How
) -> None:
    """
    Stop instances and destroy them with their disks.
    """
    confirm(f"Destroy {', '.join(names)} with all disks?", force or how.dry_run)
    ops = [
        opcode(
            "OP_INSTANCE_REMOVE",
            instance_name=name,
            shutdown_timeout=timeout,
            ignore_failures=ignore_failures,
        )
        for name in names
    ]
    carry_out_each(session, ops, how)
