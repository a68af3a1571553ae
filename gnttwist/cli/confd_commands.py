"""
C{gnt confd}.
"""

import secrets
import time
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from gnttwist.cli import output
from gnttwist.cli.session import Session, pass_session
from gnttwist.client.confd import MOST_PEERS, Answered, Question, ask
from gnttwist.errors import ECode, OpPrereqError
from gnttwist.wire import ssconf
from gnttwist.wire.confd import OK

TYPES = {
    "ping": 0,
    "node-role": 1,
    "node-of-instance-ip": 2,
    "master": 3,
    "node-ips": 4,
    "candidate-ips": 5,
    "instance-ips": 6,
    "node-drbd": 7,
    "node-instances": 8,
    "instance-disks": 9,
    "config": 10,
    "collectors": 11,
}
ERRORS = {0: "unknown entry", 1: "internal error", 2: "wrong argument"}
TIMEOUT = 5.0


@click.group("confd")
def group() -> None:
    """
    Ask the configuration daemon.
    """


@group.command()
@click.argument("what", metavar="TYPE", type=click.Choice([*TYPES]))
@click.argument("argument", required=False)
@click.option(
    "-a", "--address", "addresses", multiple=True, help="Whom to ask, instead of the master candidates."
)
@output.json_option
@pass_session
def query(session: Session, what: str, argument: str | None, addresses: Sequence[str], as_json: bool) -> None:
    """
    Ask the master candidates, and print the newest answer whose signature is right.

    The argument is a text, or JSON where the type takes an object.
    """
    answered = ask_candidates(session, TYPES[what], _argument(argument), addresses)
    reply = answered.reply
    if as_json:
        output.print_json({"from": answered.address, "serial": reply.serial, "answer": reply.answer})
    elif reply.status == OK:
        click.echo(output.text(reply.answer))
    if reply.status != OK:
        text = (
            ERRORS.get(reply.answer, str(reply.answer))
            if isinstance(reply.answer, int)
            else str(reply.answer)
        )
        raise OpPrereqError(text.rsplit("\n", 1)[-1], ECode.NOENT)


def _argument(given: str | None) -> Any:
    if given is None or not given.startswith("{"):
        return given
    try:
        return msgspec.json.decode(given)
    except msgspec.DecodeError as reason:
        raise click.BadParameter(f"not JSON: {reason}") from reason


def ask_candidates(session: Session, type: int, argument: Any, addresses: Sequence[str] = ()) -> Answered:
    """
    Ask some of the cluster's master candidates.

    @raise NoAnswer: Nobody answered properly.
    """
    paths = session.paths
    peers = list(addresses) or ssconf.lines(paths.ssconf("master_candidates_ips").read_text())
    asked = secrets.SystemRandom().sample(peers, min(len(peers), MOST_PEERS))
    question = Question.of(
        paths.hmac_key.read_bytes(), asked, type, argument, time.time(), secrets.token_hex(16)
    )
    return ask(question, timeout=TIMEOUT)
