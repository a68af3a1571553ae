"""
C{gnt confd}.
"""

import time
import uuid
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from gnttwist.cli.output import plain, print_json, print_members, print_table
from gnttwist.cli.session import Session, json_option, pass_session
from gnttwist.client import confd
from gnttwist.errors import ECode, OpPrereqError
from gnttwist.wire.confd import ARGUMENT, INTERNAL, STATISTICS, UNKNOWN_ENTRY

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
    "collectors": 11,
    "offline-nodes": 1001,
    "instance-list": 1002,
    "primary-nodes": 1003,
    "statistics": STATISTICS,
}
"""
Names of confd's query types (reference: confd, section 5.4; from 1001 on our own).
"""

NODE_OF_IP = 2

TIMEOUT = 10.0
"""
Seconds to wait for answers: as long as Ganeti's client.
"""

ERRORS = {UNKNOWN_ENTRY: "no such entry", INTERNAL: "internal error", ARGUMENT: "wrong argument"}

SHOWN = 60
"""
Characters of an answer that the table of C{watch} shows.
"""

addresses_option = click.option(
    "-a", "--address", "addresses", multiple=True, help="Whom to ask. Default: the master candidates."
)


@click.group()
def group() -> None:
    """
    Ask the configuration daemon.
    """


@group.command()
@click.argument("what", type=click.Choice(sorted(QUERIES)))
@click.argument("argument", required=False)
@addresses_option
@click.option("--coverage", type=int, default=0, help="How many to ask; -1: all. Default: up to 6.")
@json_option
@pass_session
def query(
    session: Session,
    what: str,
    argument: str | None,
    addresses: tuple[str, ...],
    coverage: int,
    as_json: bool,
) -> None:
    """
    Ask, and check the answers' signatures.

    "config" takes a JSON pointer, such as /cluster/cluster_name; "node-ip-of-instance-ip" an address;
    "instance-ips" a link.
    """
    key, peers = _cluster(session, addresses)
    question = _question(key, confd.choose(peers, coverage), QUERIES[what], argument)
    answered = confd.ask(question, timeout=TIMEOUT)
    if answered.reply.status != 0:
        raise OpPrereqError(f"{answered.address} answers: {error_text(answered.reply.answer)}", ECode.NOENT)
    if question.disagreement and QUERIES[what] != STATISTICS:
        click.echo("Warning: answers of one serial differ; see gnt confd watch", err=True)
    reply = {"answer": answered.reply.answer, "serial": answered.reply.serial, "from": answered.address}
    if as_json:
        print_json(reply)
    else:
        print_members(reply)


@group.command()
@click.argument("what", type=click.Choice(sorted(QUERIES)), default="master")
@click.argument("argument", required=False)
@addresses_option
@click.option(
    "-n", "--count", type=click.IntRange(1), default=None, help="How often. Default: until stopped."
)
@click.option("--interval", type=click.FloatRange(0.1), default=2.0, help="Seconds between two looks.")
@json_option
@pass_session
def watch(
    session: Session,
    what: str,
    argument: str | None,
    addresses: tuple[str, ...],
    count: int | None,
    interval: float,
    as_json: bool,
) -> None:
    """
    Show the answers of all candidates side by side, with their serials and how long they took.
    """
    looks = 0
    while count is None or looks < count:
        if looks:
            time.sleep(interval)  # noqa: TID251  # a command: there is nothing else to do meanwhile
            click.echo()
        looks += 1
        key, peers = _cluster(session, addresses)
        seen = [look(key, each, QUERIES[what], argument, min(interval, TIMEOUT)) for each in sorted(peers)]
        if as_json:
            print_json(seen)
        else:
            _show(seen)


def look(key: bytes, peer: str, kind: int, argument: str | None, timeout: float) -> dict[str, Any]:
    """
    What one candidate answers, and after how many milliseconds.
    """
    begin = time.perf_counter()
    try:
        reply = ask(key, [peer], kind, argument, timeout=timeout).reply
    except confd.NoAnswer:
        return {"from": peer, "status": None, "answer": None, "serial": None, "latency": None}
    taken = round((time.perf_counter() - begin) * 1000, 2)
    return {
        "from": peer, "status": reply.status, "answer": reply.answer, "serial": reply.serial, "latency": taken
    }  # fmt: skip


def _show(seen: Sequence[dict[str, Any]]) -> None:
    rows = []
    for each in seen:
        if each["status"] is None:
            rows.append([each["from"], "-", "-", "no answer"])
            continue
        text = plain(each["answer"]).replace("\n", " ")
        text = text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
        if each["status"] != 0:
            text = f"error: {error_text(each['answer'])}"
        rows.append([each["from"], str(each["serial"]), f"{each['latency']:.2f}", text])
    print_table(["From", "Serial", "ms", "Answer"], rows, ["left", "right", "right", "left"])
    answers = {msgspec.json.encode([each["serial"], each["answer"]]) for each in seen if each["status"] == 0}
    if len(answers) > 1:
        click.echo("the answers differ")


def error_text(answer: Any) -> str:
    """
    An error in words, in one line.
    """
    return ERRORS.get(answer) or " ".join(str(answer).split())


def _cluster(session: Session, addresses: Sequence[str]) -> tuple[bytes, list[str]]:
    paths = session.paths
    peers = list(addresses) or paths.ssconf("master_candidates_ips").read_text().split()
    return paths.hmac_key.read_bytes(), peers


def _question(key: bytes, peers: list[str], kind: int, argument: str | None) -> confd.Question:
    query = {"1": argument} if kind == NODE_OF_IP and argument is not None else argument
    return confd.Question.of(key, peers, kind, query, time.time(), str(uuid.uuid4()))


def ask(
    key: bytes, peers: list[str], kind: int, argument: str | None, *, timeout: float = TIMEOUT
) -> confd.Answered:
    """
    Ask the configuration daemons of these addresses.

    @raise NoAnswer: There was no properly signed answer.
    """
    return confd.ask(_question(key, peers, kind, argument), timeout=timeout)
