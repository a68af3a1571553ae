"""
C{gnt cluster}.
"""

import time
from pathlib import Path
from typing import Any

import click

from gnttwist.cli import tags
from gnttwist.cli.cluster_address import activate_master_ip, deactivate_master_ip, rename
from gnttwist.cli.cluster_certificates import redist_conf, renew_certs
from gnttwist.cli.cluster_destroy import destroy
from gnttwist.cli.cluster_disks import repair_disk_sizes, verify_disks
from gnttwist.cli.cluster_modify import modify
from gnttwist.cli.cluster_queue import queue, watcher
from gnttwist.cli.follow import follow, run, submit, view
from gnttwist.cli.output import moment, print_json, print_members
from gnttwist.cli.session import Session, json_option, opcode, pass_session
from gnttwist.privileges.accounts import load
from gnttwist.privileges.ensure import ensure

TIMES = ("ctime", "mtime")
VERSIONS = (
    "vcs_version",
    "software_version",
    "protocol_version",
    "config_version",
    "os_api_version",
    "export_version",
)
DETAILS = (
    "hvparams",
    "beparams",
    "nicparams",
    "ndparams",
    "diskparams",
    "ipolicy",
    "data_collector_interval",
)
"""
Members of the cluster's description that fill pages.
"""


@click.group()
def group() -> None:
    """
    Make, describe and verify the cluster.
    """


group.add_command(activate_master_ip)
group.add_command(deactivate_master_ip)
group.add_command(destroy)
group.add_command(modify)
group.add_command(queue)
group.add_command(rename)
group.add_command(renew_certs)
group.add_command(redist_conf)
group.add_command(repair_disk_sizes)
group.add_command(verify_disks)
group.add_command(watcher)
tags.add_to(group, "cluster")
group.add_command(tags.search, "search-tags")


@group.command()
@click.argument("name")
@click.option("--address", required=True, metavar="IP", help="This node's own address, for its daemons.")
@click.option(
    "--hypervisor", "hypervisors", multiple=True, default=("kvm",), show_default=True, help="May be repeated."
)
@click.option("--rsa", is_flag=True, help="Certificates with RSA keys, for very old clients; slower.")
@pass_session
def init(session: Session, name: str, address: str, hypervisors: tuple[str, ...], rsa: bool) -> None:
    """
    Make a cluster of which this node is the master.
    """
    # Imported here: it brings Twisted with it.
    from gnttwist.sandbox.founding import Founding, NewNode, found, run_once

    paths = session.paths
    founding = Founding(name, [NewNode(paths, address)], hypervisors, rsa=rsa)
    run_once(lambda reactor: found(reactor, founding))
    accounts = load(paths)
    if accounts.separate:
        # Founding made everything its own user's, so there is a difference for every file.
        for each in ensure(paths, accounts, repair=True):
            if not each.repaired:
                click.echo(f"{each.path} {each.wrong}", err=True)
    root = f" --root {paths.root}" if str(paths.root) != "/" else ""
    click.echo(f"cluster {name} is made; start its daemons:")
    for daemon in ("gnt-noded", "gnt-confd", "gnt-masterd"):
        click.echo(f"  twistd -n --pidfile= {daemon}{root}")


@group.command("import")
@click.option(
    "--config",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Ganeti's configuration file, of 3.0 or 3.1.",
)
@click.option("--check", "only_check", is_flag=True, help="Only see whether it can be imported.")
@click.option(
    "--serial",
    type=click.IntRange(0),
    help="The last number that a job was given; by default what the file queue/serial beside the configuration says.",
)
@json_option
@pass_session
def import_config(session: Session, path: Path, only_check: bool, serial: int | None, as_json: bool) -> None:
    """
    Take over a cluster from Ganeti, on its master node, with its daemons stopped.

    Keys, certificates and everything else stay where they are; the old configuration is kept beside ours.
    """
    from gnttwist.config.importing import read

    imported = read(path.read_bytes())
    # Imported here: it brings Twisted with it.
    from gnttwist.config.adopting import adopt, check, contents, last_job_of

    paths = session.paths
    check(imported, paths)
    last_job = last_job_of(path) if serial is None else serial
    if not only_check:
        from gnttwist.sandbox.founding import run_once

        run_once(lambda reactor: adopt(reactor, imported, paths, time.time(), last_job))
    found = contents(imported)
    if as_json:
        members = ("cluster", "nodes", "instances", "disks")
        counts = {each: getattr(found, each) for each in members}
        print_json(counts | {"last_job": last_job, "imported": not only_check})
        return
    done = "can be imported" if only_check else "is imported"
    click.echo(
        f"cluster {found.cluster} {done}: {found.nodes} nodes, {found.instances} instances, {found.disks} disks"
    )
    if last_job is None:
        click.echo(f"gnt: there is no {path.parent / 'queue' / 'serial'}: jobs are counted from 1", err=True)
    else:
        click.echo(f"jobs are counted on from {last_job}")


@group.command("master-failover")
def master_failover() -> None:
    """
    Not in this version: the cluster's store is on the master alone.
    """
    raise click.ClickException(
        "the cluster's store is on the master alone; to make another node the master, restore a backup of the store "
        "there (docs/operations.md, Back up)"
    )


@group.command()
@click.option("--all", "everything", is_flag=True, help="All parameters, too.")
@json_option
@pass_session
def info(session: Session, everything: bool, as_json: bool) -> None:
    """
    The cluster's name, master, parameters.
    """
    found: dict[str, Any] = session.client.call("QueryClusterInfo")
    if as_json:
        print_json(found)
        return
    print_members(
        {
            name: moment(value) if name in TIMES else value
            for name, value in found.items()
            if everything or name not in DETAILS
        }
    )


@group.command()
@pass_session
def getmaster(session: Session) -> None:
    """
    The master node's name.
    """
    [name] = session.client.call("QueryConfigValues", ["master_node"])
    click.echo(name)


@group.command()
@json_option
@pass_session
def version(session: Session, as_json: bool) -> None:
    """
    The versions of the software and of its formats.
    """
    found = session.client.call("QueryClusterInfo")
    told = {name: found[name] for name in VERSIONS}
    if as_json:
        print_json(told)
    else:
        print_members(told)


@group.command()
@click.option("--error-codes", is_flag=True, help="Errors in the form for programs.")
@click.option("-v", "--verbose", is_flag=True, help="Tell of each step.")
@click.option("-g", "--node-group", metavar="GROUP", help="Only this group, and not the configuration.")
@click.option(
    "--ignore-errors",
    multiple=True,
    metavar="CODE",
    help="Tell errors of this code as warnings; may be repeated.",
)
@click.option(
    "--debug-simulate-errors", is_flag=True, help="Tell each check as failed, to try what reads this."
)
@click.option("--submit", "submit_only", is_flag=True, help="Print the job's number and do not wait for it.")
@json_option
@pass_session
def verify(
    session: Session,
    /,
    node_group: str | None,
    ignore_errors: tuple[str, ...],
    submit_only: bool,
    as_json: bool,
    **flags: bool,
) -> int:
    """
    Check the configuration and all nodes; exit code 1 when something is wrong.
    """
    op = opcode("OP_CLUSTER_VERIFY", group_name=node_group, ignore_errors=list(ignore_errors), **flags)
    if submit_only:
        run(session, [op], submit_only=True, as_json=as_json)
        return 0
    client = session.client
    verdicts: dict[str, Any] = {}
    with view(quiet=as_json) as shown:
        [answer] = follow(client, submit(client, op), shown)
        for accepted, job in answer["jobs"]:
            if not accepted:
                raise click.ClickException(f"a part of the verification could not be queued: {job}")
            [verdicts[str(job)]] = follow(client, job, shown)
    fine = all(verdicts.values())
    if as_json:
        print_json({"jobs": verdicts, "ok": fine})
    elif fine:
        click.echo("The cluster is in order.")
    else:
        click.echo("gnt: the cluster has errors, listed above", err=True)
    return 0 if fine else 1
