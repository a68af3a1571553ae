"""
C{gnt confd}.
"""

import time
import uuid
from typing import Any

import click

from gnttwist.cli.output import print_json, print_members
from gnttwist.cli.session import Session, json_option, pass_session
from gnttwist.client import confd
from gnttwist.errors import ECode, OpPrereqError

QUERIES = {
    "ping": 0,
    "node-role": 1,
    "node-ip-of-instance-ip": 2,
    "master": 3,
    "node-ips": 4,
    "candidate-ips": 5,
    "instance-ips": 6,
    "node-drbd": 7,
    "node-instances": 8,
    "instance-disks": 9,
    "config": 10,
}
"""
Names of confd's query types (reference: confd, section 5.4).
"""

TIMEOUT = 10.0
"""
Seconds to wait for answers: as long as Ganeti's client.
"""


@click.group()
def group() -> None:
    """
    Ask the configuration daemon.
    """


@group.command()
@click.argument("what", type=click.Choice(sorted(QUERIES)))
@click.argument("argument", required=False)
@click.option(
    "-a", "--address", "addresses", multiple=True, help="Whom to ask. Default: the master candidates."
)
@json_option
@pass_session
def query(
    session: Session, what: str, argument: str | None, addresses: tuple[str, ...], as_json: bool
) -> None:
    """
    Ask, and check the answers' signatures.

    "config" takes a JSON pointer, such as /cluster/cluster_name.
    """
    paths = session.paths
    peers = list(addresses) or paths.ssconf("master_candidates_ips").read_text().split()
    answered = ask(paths.hmac_key.read_bytes(), peers, QUERIES[what], argument)
    if answered.reply.status != 0:
        raise OpPrereqError(f"{answered.address} answers with error {answered.reply.answer}", ECode.NOENT)
    reply = {"answer": answered.reply.answer, "serial": answered.reply.serial, "from": answered.address}
    if as_json:
        print_json(reply)
    else:
        print_members(reply)


def ask(key: bytes, peers: list[str], kind: int, argument: Any) -> confd.Answered:
    """
    Ask the configuration daemons of these addresses.

    @raise NoAnswer: There was no properly signed answer.
    """
    chosen = peers[: confd.MOST_PEERS]
    question = confd.Question.of(key, chosen, kind, argument, time.time(), str(uuid.uuid4()))
    return confd.ask(question, timeout=TIMEOUT)
