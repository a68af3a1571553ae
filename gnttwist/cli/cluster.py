"""
C{gnt cluster}.
"""

from typing import Any

import click

from gnttwist.cli.follow import follow, run, submit, view
from gnttwist.cli.output import moment, print_json, print_members
from gnttwist.cli.session import Session, json_option, opcode, pass_session
from gnttwist.privileges.accounts import load
from gnttwist.privileges.ensure import ensure

TIMES = ("ctime", "mtime")
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
@click.option("--error-codes", is_flag=True, help="Errors in the form for programs.")
@click.option("-v", "--verbose", is_flag=True, help="Tell of each step.")
@click.option("--submit", "submit_only", is_flag=True, help="Print the job's number and do not wait for it.")
@json_option
@pass_session
def verify(session: Session, error_codes: bool, verbose: bool, submit_only: bool, as_json: bool) -> int:
    """
    Check the configuration and all nodes; exit code 1 when something is wrong.
    """
    op = opcode("OP_CLUSTER_VERIFY", error_codes=error_codes, verbose=verbose)
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
