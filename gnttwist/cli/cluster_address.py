"""
C{gnt cluster rename}, C{activate-master-ip} and C{deactivate-master-ip}.
"""

import click

from gnttwist.cli.session import Session, opcode, pass_session
from gnttwist.cli.submitting import How, carry_out, confirm, force_option, job_options


@click.command()
@click.argument("name")
@click.option("--address", "master_ip", metavar="IP", help="Another address, too; by default it stays.")
@force_option
@job_options
@pass_session
def rename(session: Session, name: str, master_ip: str | None, force: bool, how: How) -> None:
    """
    Give the cluster another name. It is not looked up: what it means to others is their name service's.
    """
    confirm(f"Rename the cluster to {name}?", force or how.dry_run)
    carry_out(session, opcode("OP_CLUSTER_RENAME", name=name, master_ip=master_ip), how)


@click.command("activate-master-ip")
@job_options
@pass_session
def activate_master_ip(session: Session, how: How) -> None:
    """
    Bring up the cluster's address on the master.
    """
    carry_out(session, opcode("OP_CLUSTER_ACTIVATE_MASTER_IP"), how)


@click.command("deactivate-master-ip")
@force_option
@job_options
@pass_session
def deactivate_master_ip(session: Session, force: bool, how: How) -> None:
    """
    Take down the cluster's address on the master; clients that use it lose their connections.
    """
    confirm("Take down the cluster's address?", force or how.dry_run)
    carry_out(session, opcode("OP_CLUSTER_DEACTIVATE_MASTER_IP"), how)
