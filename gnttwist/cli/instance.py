"""
C{gnt instance}.
"""

import sys
from typing import Any

import click

from gnttwist.cli import parameters
from gnttwist.cli.follow import JobFailed, follow, run, submit, submit_option, view
from gnttwist.cli.listing import any_of, chosen, fields_option, listing
from gnttwist.cli.output import MISSING, print_json, print_members
from gnttwist.cli.session import Session, json_option, opcode, pass_session
from gnttwist.errors import OperationError

LIST_FIELDS = ("name", "hypervisor", "os", "pnode", "status", "oper_ram")
INFO_FIELDS = (
    "name", "uuid", "status", "admin_state", "pnode", "hypervisor", "os", "oper_ram", "oper_vcpus", "disk_template",
    "disk.count", "disk.sizes", "nic.count", "nic.macs", "beparams", "custom_hvparams", "custom_osparams", "tags",
    "serial_no", "ctime", "mtime", "console",
)  # fmt: skip

names_argument = click.argument("names", nargs=-1, required=True)
timeout_option = click.option(
    "--timeout",
    type=click.IntRange(0),
    default=120,
    show_default=True,
    help="Seconds that the guest has to shut down by itself.",
)


@click.group()
def group() -> None:
    """
    Add, list, start, stop and remove instances; their consoles.
    """


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
@names_argument
@json_option
@pass_session
def info(session: Session, names: tuple[str, ...], as_json: bool) -> None:
    """
    Everything about instances.
    """
    answer = session.client.call("Query", "instance", list(INFO_FIELDS), any_of("name", names))
    if as_json:
        print_json(
            [dict(zip(INFO_FIELDS, (value for _, value in row), strict=True)) for row in answer["data"]]
        )
        return
    for number, row in enumerate(answer["data"]):
        if number:
            click.echo()
        print_members(
            {
                name: value if status == 0 else MISSING.get(status, "?")
                for name, (status, value) in zip(INFO_FIELDS, row, strict=True)
            }
        )


@group.command()
@click.argument("name")
@click.option("-t", "--disk-template", metavar="TEMPLATE", help="file, sharedfile or diskless.")
@click.option(
    "--disk", "disks", multiple=True, metavar="N:size=SIZE[,...]", help="Disk number N; may be repeated."
)
@click.option("-s", "--os-size", metavar="SIZE", help="The same as --disk 0:size=SIZE.")
@click.option("-o", "--os-type", metavar="OS[+VARIANT]", help="What to install.")
@click.option("-n", "--node", metavar="NODE", help="Where it runs. Default: the node with most memory free.")
@click.option(
    "-H",
    "--hypervisor-parameters",
    "hv",
    metavar="HYPERVISOR[:NAME=VALUE,...]",
    help="As gnt-instance has it.",
)
@click.option("-B", "--backend-parameters", "be", metavar="NAME=VALUE,...", help="memory=512m, vcpus=2, ...")
@click.option("-O", "--os-parameters", "osp", metavar="NAME=VALUE,...", help="What its OS understands.")
@click.option(
    "--net", "nets", multiple=True, metavar="N:NAME=VALUE,...", help="Network interface N; may be repeated."
)
@click.option("--no-nics", is_flag=True, help="No network interface at all.")
@click.option("--start/--no-start", default=True, help="Start it when it is made. Default: yes.")
@click.option("--install/--no-install", default=True, help="Run its OS's script. Default: yes.")
@click.option("--ignore-ipolicy", is_flag=True, help="Also beyond what the instance policy allows.")
@submit_option
@json_option
@pass_session
def add(session: Session, /, submit: bool, as_json: bool, **options: Any) -> None:
    """
    Make an instance, install it and start it.
    """
    run(session, [creation(**options)], submit_only=submit, as_json=as_json)


def creation(
    *,
    name: str,
    disk_template: str | None,
    disks: tuple[str, ...],
    os_size: str | None,
    os_type: str | None,
    node: str | None,
    hv: str | None,
    be: str | None,
    osp: str | None,
    nets: tuple[str, ...],
    no_nics: bool,
    start: bool,
    install: bool,
    ignore_ipolicy: bool,
) -> dict[str, Any]:
    """
    The opcode for the options of C{gnt instance add}.

    @raise click.UsageError: They contradict each other.
    """
    if os_size is not None and disks:
        raise click.UsageError("-s is short for one --disk; give one of the two")
    if no_nics and nets:
        raise click.UsageError("--no-nics and --net contradict each other")
    if disk_template is None and not disks and os_size is None:
        raise click.UsageError("which disks? Use -t file -s SIZE, or -t diskless")
    given = disks if os_size is None else (f"0:size={os_size}",)
    if disk_template == "diskless" and given:
        raise click.UsageError("a diskless instance has no disks")
    hypervisor, hvparams = parameters.hypervisor(hv) if hv else (None, {})
    return opcode(
        "OP_INSTANCE_CREATE",
        instance_name=name,
        mode="create",
        disk_template=disk_template,
        disks=[_disk(each) for each in parameters.numbered(given, "disk")],
        nics=[] if no_nics else parameters.numbered(nets, "net") or [{}],
        os_type=os_type,
        pnode=node,
        hypervisor=hypervisor,
        hvparams=hvparams,
        beparams=parameters.backend(be) if be else {},
        osparams=parameters.pairs(osp) if osp else {},
        start=start,
        no_install=not install,
        ignore_ipolicy=ignore_ipolicy,
        # Names of guests are the user's business; nothing here resolves them.
        name_check=False,
        ip_check=False,
    )


def _disk(members: dict[str, Any]) -> dict[str, Any]:
    return {**members, "size": parameters.size(members["size"])} if "size" in members else members


@group.command()
@names_argument
@submit_option
@json_option
@pass_session
def start(session: Session, names: tuple[str, ...], submit: bool, as_json: bool) -> None:
    """
    Start instances.
    """
    _each(session, [opcode("OP_INSTANCE_STARTUP", instance_name=name) for name in names], submit, as_json)


@group.command()
@names_argument
@timeout_option
@click.option("--force", is_flag=True, help="Do not ask the guest; switch it off.")
@submit_option
@json_option
@pass_session
def stop(
    session: Session, names: tuple[str, ...], timeout: int, force: bool, submit: bool, as_json: bool
) -> None:
    """
    Stop instances: ask the guest to shut down, and switch it off when it does not.
    """
    ops = [opcode("OP_INSTANCE_SHUTDOWN", instance_name=name, timeout=timeout, force=force) for name in names]
    _each(session, ops, submit, as_json)


@group.command()
@names_argument
@timeout_option
@click.option("-f", "--force", is_flag=True, help="Do not ask whether it is meant.")
@click.option("--ignore-failures", is_flag=True, help="Go on where a node fails; what is left there stays.")
@submit_option
@json_option
@pass_session
def remove(
    session: Session,
    names: tuple[str, ...],
    timeout: int,
    force: bool,
    ignore_failures: bool,
    submit: bool,
    as_json: bool,
) -> None:
    """
    Stop instances and destroy them with their disks.
    """
    if not force:
        if not sys.stdin.isatty():
            raise click.UsageError(
                "there is no terminal to ask on: say -f to destroy them without being asked"
            )
        click.confirm(f"Destroy {', '.join(names)} with all disks?", abort=True, err=True)
    ops = [
        opcode(
            "OP_INSTANCE_REMOVE",
            instance_name=name,
            shutdown_timeout=timeout,
            ignore_failures=ignore_failures,
        )
        for name in names
    ]
    _each(session, ops, submit, as_json)


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


def _each(session: Session, ops: list[dict[str, Any]], submit_only: bool, as_json: bool) -> None:
    """
    One job for each opcode; all are queued before the first is followed.

    @raise JobFailed: Some failed; the others went on.
    """
    if len(ops) == 1:
        run(session, ops, submit_only=submit_only, as_json=as_json)
        return
    jobs = [submit(session.client, each) for each in ops]
    if submit_only:
        if as_json:
            print_json({"jobs": jobs})
        else:
            click.echo("\n".join(str(each) for each in jobs))
        return
    failed = []
    with view(quiet=as_json) as shown:
        for op, job in zip(ops, jobs, strict=True):
            try:
                follow(session.client, job, shown)
            except (OperationError, JobFailed) as reason:
                failed.append(f"{op['instance_name']}: {reason}")
    if as_json:
        print_json({"jobs": jobs, "failed": failed})
    if failed:
        raise JobFailed("; ".join(failed))
