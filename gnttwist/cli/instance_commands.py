"""
C{gnt instance}.
"""

from collections.abc import Callable, Sequence
from typing import Any

import click

from gnttwist.cli import output, parameters, watching
from gnttwist.cli.session import Session, named, pass_session

USUAL = ("name", "hypervisor", "os", "pnode", "status", "oper_ram")
DETAILS = (
    "name", "uuid", "status", "admin_state", "hypervisor", "os", "pnode", "disk_template", "disk.sizes", "nic.macs",
    "be/maxmem", "be/vcpus", "oper_ram", "oper_vcpus", "custom_hvparams", "custom_beparams", "custom_osparams",
    "ctime", "mtime", "serial_no", "tags",
)  # fmt: skip

required_names = click.argument("names", nargs=-1, required=True)
timeout_option = click.option(
    "--timeout",
    type=click.IntRange(min=0),
    default=120,
    show_default=True,
    help="Seconds a guest has to stop by itself.",
)


@click.group("instance")
def group() -> None:
    """
    Virtual machines.
    """


@group.command("list")
@click.argument("names", nargs=-1)
@output.fields_option
@output.json_option
@output.no_headers_option
@pass_session
def list_instances(
    session: Session, names: Sequence[str], fields: str | None, as_json: bool, no_headers: bool
) -> None:
    """
    List instances, all or those with these names.
    """
    wanted = output.chosen(USUAL, fields)
    output.show(session.query("instance", wanted, named(names)), as_json=as_json, no_headers=no_headers)


@group.command()
@required_names
@output.json_option
@pass_session
def info(session: Session, names: Sequence[str], as_json: bool) -> None:
    """
    Tell all about instances.
    """
    result = session.query("instance", DETAILS, named(names))
    if as_json:
        output.show(result, as_json=True)
        return
    for number, row in enumerate(result["data"]):
        if number:
            click.echo()
        output.facts(
            [
                (field["name"], output.MARKS.get(status) or output.text(value, field["kind"]))
                for field, (status, value) in zip(result["fields"], row, strict=True)
            ]
        )


@group.command()
@click.argument("name")
@click.option("-t", "--disk-template", metavar="TEMPLATE", help="file, sharedfile or diskless.")
@click.option("--disk", "disks", multiple=True, metavar="N:size=SIZE[,...]", help="A disk; may be repeated.")
@click.option("-s", "--os-size", metavar="SIZE", help="Short for --disk 0:size=SIZE.")
@click.option("-o", "--os-type", metavar="OS", help="What to install, as gnt os list has it.")
@click.option("-n", "--node", metavar="NODE", help="Where to run it; by default the node with most room.")
@click.option("-I", "--iallocator", metavar="NAME", help="Who chooses the node.")
@click.option("-H", "--hypervisor-parameters", "hv", metavar="HV:NAME=VALUE,...")
@click.option("-B", "--backend-parameters", "be", metavar="NAME=VALUE,...", help="memory, vcpus, ...")
@click.option("-O", "--os-parameters", "osp", metavar="NAME=VALUE,...")
@click.option(
    "--net", "nets", multiple=True, metavar="N:NAME=VALUE,...", help="A network interface; may be repeated."
)
@click.option("--no-nics", is_flag=True, help="No network interface.")
@click.option("--start/--no-start", default=True, help="Start it when it is installed.")
@click.option("--install/--no-install", default=True, help="Run the OS's script.")
@click.option("--ignore-ipolicy", is_flag=True)
@click.option("--tags", default="", metavar="TAG,...")
@watching.submit_option
@pass_session
def add(session: Session, /, name: str, submit_only: bool, **options: Any) -> None:
    """
    Make an instance, install its OS and start it.
    """
    watching.run(session, creation(name, **options), submit_only=submit_only)


def creation(name: str, **options: Any) -> dict[str, Any]:
    """
    The opcode for the options of C{gnt instance add}.

    @raise click.BadParameter: They contradict each other.
    """
    template = options["disk_template"]
    given = options["disks"]
    if options["os_size"] is not None:
        if given:
            raise click.BadParameter("-s and --disk exclude each other")
        given = (f"0:size={options['os_size']}",)
    if template == "diskless" and given:
        raise click.BadParameter("an instance of the template diskless has no disks")
    if options["no_nics"] and options["nets"]:
        raise click.BadParameter("--no-nics and --net exclude each other")
    disks = [
        {**each, "size": parameters.size(each["size"])} if "size" in each else each
        for each in parameters.numbered(given, "disk")
    ]
    nics = [] if options["no_nics"] else parameters.numbered(options["nets"], "net") or [{}]
    hypervisor, hvparams = parameters.hypervisor(options["hv"]) if options["hv"] else (None, {})
    return {
        "OP_ID": "OP_INSTANCE_CREATE",
        "instance_name": name,
        "mode": "create",
        "disk_template": template,
        "disks": disks,
        "nics": nics,
        "os_type": options["os_type"],
        "pnode": options["node"],
        "iallocator": options["iallocator"],
        "hypervisor": hypervisor,
        "hvparams": hvparams,
        "beparams": parameters.backend(options["be"]) if options["be"] else {},
        "osparams": parameters.pairs(options["osp"]) if options["osp"] else {},
        "start": options["start"],
        "no_install": not options["install"],
        "ignore_ipolicy": options["ignore_ipolicy"],
        "tags": [each for each in options["tags"].split(",") if each],
        "name_check": False,
        "ip_check": False,
    }


def _on_each(
    session: Session, names: Sequence[str], submit_only: bool, opcode: Callable[[str], dict[str, Any]]
) -> None:
    watching.run_each(session, [opcode(each) for each in names], submit_only=submit_only)


@group.command()
@required_names
@watching.submit_option
@pass_session
def start(session: Session, names: Sequence[str], submit_only: bool) -> None:
    """
    Start instances.
    """
    _on_each(
        session, names, submit_only, lambda name: {"OP_ID": "OP_INSTANCE_STARTUP", "instance_name": name}
    )


@group.command()
@required_names
@timeout_option
@click.option("--force", is_flag=True, help="Do not ask the guest, switch it off.")
@watching.submit_option
@pass_session
def stop(session: Session, names: Sequence[str], timeout: int, force: bool, submit_only: bool) -> None:
    """
    Stop instances: ask the guests, and switch them off if they take too long.
    """
    _on_each(
        session,
        names,
        submit_only,
        lambda name: {
            "OP_ID": "OP_INSTANCE_SHUTDOWN",
            "instance_name": name,
            "timeout": timeout,
            "force": force,
        },
    )


@group.command()
@required_names
@timeout_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--ignore-failures", is_flag=True, help="Remove it from the configuration whatever fails.")
@watching.submit_option
@pass_session
def remove(
    session: Session, names: Sequence[str], timeout: int, yes: bool, ignore_failures: bool, submit_only: bool
) -> None:
    """
    Remove instances and their disks.
    """
    if not yes:
        click.confirm(f"Remove {', '.join(names)} and all data on their disks?", abort=True, err=True)
    _on_each(
        session,
        names,
        submit_only,
        lambda name: {
            "OP_ID": "OP_INSTANCE_REMOVE",
            "instance_name": name,
            "shutdown_timeout": timeout,
            "ignore_failures": ignore_failures,
        },
    )


@group.command()
@click.argument("name")
@click.option("--show", is_flag=True, help="Only say how to reach it.")
@pass_session
def console(session: Session, name: str, show: bool) -> int:
    """
    Talk to a guest's serial console. Ctrl-] ends it.
    """
    from gnttwist.cli import console as terminal

    result = session.query(
        "instance", ["name", "pnode", "hypervisor", "oper_state", "console"], named([name])
    )
    (full, node, hypervisor, running, found) = (value for _, value in result["data"][0])
    if show:
        output.print_json(found)
        return 0
    if not running:
        raise click.ClickException(f"{full} is not running")
    place = terminal.serial_socket(session.paths, full, node, hypervisor, found)
    return terminal.relay(place)
