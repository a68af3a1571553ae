"""
C{gnt instance}: listing, making and talking to instances; the other commands are in the modules beside this one.
"""

from typing import Any

import click

from gnttwist.cli import instance_change, instance_disks, instance_power, migration, parameters, tags
from gnttwist.cli.instance_batch import batch_create
from gnttwist.cli.instance_info import info
from gnttwist.cli.listing import any_of, chosen, fields_option, listing
from gnttwist.cli.output import print_json
from gnttwist.cli.session import Session, json_option, opcode, pass_session
from gnttwist.cli.submitting import How, carry_out, job_options

LIST_FIELDS = ("name", "hypervisor", "os", "pnode", "status", "oper_ram")


@click.group()
def group() -> None:
    """
    Add, list, change, start, stop and remove instances; their disks and consoles.
    """


for each in (
    info,
    batch_create,
    instance_power.start,
    instance_power.stop,
    instance_power.reboot,
    instance_change.modify,
    instance_change.rename,
    instance_change.reinstall,
    instance_change.failover,
    instance_change.remove,
    instance_disks.grow_disk,
    instance_disks.activate_disks,
    instance_disks.deactivate_disks,
    instance_disks.recreate_disks,
):
    group.add_command(each)
group.add_command(migration.migrate_instance, "migrate")
tags.add_to(group, "instance")


@group.command("list")
@click.argument("names", nargs=-1)
@fields_option
@json_option
@pass_session
def list_instances(session: Session, names: tuple[str, ...], fields: str | None, as_json: bool) -> None:
    """
    List instances.
    """
    listing(session, "instance", chosen(LIST_FIELDS, fields), any_of("name", names), as_json)


@group.command()
@click.argument("name")
@click.option("-t", "--disk-template", metavar="TEMPLATE", help="file, sharedfile or diskless.")
@click.option(
    "--disk", "disks", multiple=True, metavar="N:size=SIZE[,...]", help="Disk number N; may be repeated."
)
@click.option("-s", "--os-size", metavar="SIZE", help="The same as --disk 0:size=SIZE.")
@click.option("-o", "--os-type", metavar="OS[+VARIANT]", help="What to install.")
@click.option("-n", "--node", metavar="NODE", help="Where it runs. Default: an allocator chooses.")
@click.option("-I", "--iallocator", metavar="NAME", help="What chooses a node. Default: the cluster's.")
@click.option("-g", "--node-group", "group_name", metavar="GROUP", help="Choose a node of this group.")
@click.option(
    "-H",
    "--hypervisor-parameters",
    "hv",
    metavar="HYPERVISOR[:NAME=VALUE,...]",
    help="As gnt-instance has it.",
)
@click.option("-B", "--backend-parameters", "be", metavar="NAME=VALUE,...", help="memory=512m, vcpus=2, ...")
@click.option("-O", "--os-parameters", "osp", metavar="NAME=VALUE,...", help="What its OS understands.")
@click.option("--os-parameters-private", "private", metavar="NAME=VALUE,...", help="Those that nobody sees.")
@click.option(
    "--os-parameters-secret", "secret", metavar="NAME=VALUE,...", help="Those that are never stored."
)
@click.option(
    "--net", "nets", multiple=True, metavar="N:NAME=VALUE,...", help="Network interface N; may be repeated."
)
@click.option("--no-nics", is_flag=True, help="No network interface at all.")
@click.option("--start/--no-start", default=True, help="Start it when it is made. Default: yes.")
@click.option("--install/--no-install", default=True, help="Run its OS's script. Default: yes.")
@click.option("--tags", metavar="TAG,...", help="Tags that it gets.")
@click.option("--file-storage-dir", metavar="DIR", help="Below the cluster's directory of files.")
@click.option("--file-driver", type=click.Choice(["loop", "blktap", "blktap2"]), help="As Ganeti has it.")
@click.option("--force-variant", is_flag=True, help="Also a variant that the OS does not list.")
@click.option("--identify-defaults", is_flag=True, help="Let parameters that are as the cluster's follow it.")
@click.option("--opportunistic-locking", is_flag=True, help="Do not wait for nodes that others have locked.")
@click.option("--ignore-ipolicy", is_flag=True, help="Also beyond what the instance policy allows.")
@click.option("--no-conflicts-check", is_flag=True, help="Also addresses that a network has for others.")
@click.option("--no-name-check", is_flag=True, help="As gnt-instance has it; names are not looked up here.")
@click.option("--no-ip-check", is_flag=True, help="As gnt-instance has it; names are not looked up here.")
@click.option("--wait-for-sync/--no-wait-for-sync", default=True, help="For replicated disks only.")
@job_options
@pass_session
def add(
    session: Session, /, how: How, no_name_check: bool, no_ip_check: bool, wait_for_sync: bool, **options: Any
) -> None:
    """
    Make an instance, install it and start it.
    """
    carry_out(session, creation(**options), how)


def creation(
    *,
    name: str,
    disk_template: str | None,
    disks: tuple[str, ...],
    os_size: str | None,
    os_type: str | None,
    node: str | None,
    iallocator: str | None,
    group_name: str | None,
    hv: str | None,
    be: str | None,
    osp: str | None,
    private: str | None,
    secret: str | None,
    nets: tuple[str, ...],
    no_nics: bool,
    start: bool,
    install: bool,
    tags: str | None,
    file_storage_dir: str | None,
    file_driver: str | None,
    force_variant: bool,
    identify_defaults: bool,
    opportunistic_locking: bool,
    ignore_ipolicy: bool,
    no_conflicts_check: bool,
) -> dict[str, Any]:
    """
    The opcode for the options of C{gnt instance add}.

    @raise click.UsageError: They contradict each other.
    """
    if os_size is not None and disks:
        raise click.UsageError("-s is short for one --disk; give one of the two")
    if no_nics and nets:
        raise click.UsageError("--no-nics and --net contradict each other")
    if node is not None and iallocator is not None:
        raise click.UsageError("-n names a node and -I what chooses one; give one of the two")
    if disk_template is None and not disks and os_size is None:
        raise click.UsageError("which disks? Use -t file -s SIZE, or -t diskless")
    given = disks if os_size is None else (f"0:size={os_size}",)
    if disk_template == "diskless" and given:
        raise click.UsageError("a diskless instance has no disks")
    hypervisor, hvparams = parameters.hypervisor(hv) if hv else (None, {})
    pnode, _, snode = (node or "").partition(":")
    return opcode(
        "OP_INSTANCE_CREATE",
        instance_name=name,
        mode="create",
        disk_template=disk_template,
        disks=[parameters.sized(each) for each in parameters.numbered(given, "disk")],
        nics=[] if no_nics else parameters.numbered(nets, "net") or [{}],
        os_type=os_type,
        pnode=pnode or None,
        snode=snode or None,
        iallocator=iallocator,
        group_name=group_name,
        hypervisor=hypervisor,
        hvparams=hvparams,
        beparams=parameters.backend(be or ""),
        osparams=parameters.pairs(osp or ""),
        osparams_private=None if private is None else parameters.pairs(private),
        osparams_secret=None if secret is None else parameters.pairs(secret),
        start=start,
        no_install=not install,
        tags=[each for each in (tags or "").split(",") if each],
        file_storage_dir=file_storage_dir,
        file_driver=file_driver,
        force_variant=force_variant,
        identify_defaults=identify_defaults,
        opportunistic_locking=opportunistic_locking,
        ignore_ipolicy=ignore_ipolicy,
        conflicts_check=not no_conflicts_check,
        # Names of guests are the user's business; nothing here resolves them.
        name_check=False,
        ip_check=False,
    )


@group.command()
@click.argument("name")
@click.option("--show", is_flag=True, help="Only say how it could be reached.")
@pass_session
def console(session: Session, name: str, show: bool) -> int:
    """
    Talk to the guest on its serial console. Ctrl-] ends it.
    """
    from gnttwist.cli import console as terminal

    fields = ["name", "pnode", "hypervisor", "oper_state", "console"]
    [row] = session.client.call("Query", "instance", fields, any_of("name", [name]))["data"]
    full, node, hypervisor, running, found = (value for _, value in row)
    if show:
        print_json(found)
        return 0
    if not running:
        raise click.ClickException(f"{full} is not running")
    return terminal.relay(terminal.find(session.paths, full, node, hypervisor, found))
