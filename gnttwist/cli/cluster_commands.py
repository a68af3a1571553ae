"""
C{gnt cluster}.
"""

from typing import Any

import click

from gnttwist.cli import output, watching
from gnttwist.cli.session import Session, pass_session

SHOWN = (
    ("name", "name"),
    ("UUID", "uuid"),
    ("master", "master"),
    ("software", "software_version"),
    ("created", "ctime"),
    ("changed", "mtime"),
    ("hypervisors", "enabled_hypervisors"),
    ("disk templates", "enabled_disk_templates"),
    ("master address", ""),
    ("file storage", "file_storage_dir"),
    ("shared file storage", "shared_file_storage_dir"),
    ("jobs at once", "max_running_jobs"),
    ("MAC prefix", "mac_prefix"),
    ("hidden OSes", "hidden_os"),
    ("blacklisted OSes", "blacklisted_os"),
    ("tags", "tags"),
)


@click.group("cluster")
def group() -> None:
    """
    The cluster as a whole.
    """


@group.command()
@output.json_option
@pass_session
def info(session: Session, as_json: bool) -> None:
    """
    Show the cluster's parameters.
    """
    found: dict[str, Any] = session.client.call("QueryClusterInfo")
    if as_json:
        output.print_json(found)
        return
    output.facts(
        [
            (label, output.moment(found[name]) if name in ("ctime", "mtime") else found[name])
            for label, name in SHOWN
            if name in found
        ]
    )


@group.command()
@click.option("--error-codes", is_flag=True, help="Print problems in the form that programs read.")
@click.option("-v", "--verbose", is_flag=True, help="Tell of each step.")
@watching.submit_option
@pass_session
def verify(session: Session, error_codes: bool, verbose: bool, submit_only: bool) -> int:
    """
    Check the configuration and the nodes.
    """
    opcode = {"OP_ID": "OP_CLUSTER_VERIFY", "error_codes": error_codes, "verbose": verbose}
    results = watching.run(session, opcode, submit_only=submit_only)
    if results is None:
        return 0
    jobs = [int(value) for accepted, value in results[0]["jobs"] if accepted]
    refused = [str(value) for accepted, value in results[0]["jobs"] if not accepted]
    if refused:
        raise click.ClickException(f"jobs were not accepted: {'; '.join(refused)}")
    watching.follow(session, jobs)
    found = [watching.outcome(session, each)[0] for each in jobs]
    if not all(found):
        raise click.ClickException("the cluster has problems; they are listed above")
    return 0
