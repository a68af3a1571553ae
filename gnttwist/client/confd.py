"""
Asking confd: which answers count, without I/O; and a blocking round of questions for the command line. For programs
with an event loop there is L{gnttwist.client.confd_async}.
"""

import random
import selectors
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from attrs import define, field, frozen

from gnttwist.errors import GnttwistError, Rejected
from gnttwist.wire.confd import MAX_REPLY, PROTOCOL, Fields, Reply, Request, decode_reply, encode_request

PORT = 1814

MOST_PEERS = 6
"""
Candidates asked by default, as Ganeti's client does.
"""


ALL = -1
"""
The coverage that asks all candidates.
"""


class BadCoverage(GnttwistError):
    """
    More peers are to be asked than there are, or addresses of both families are mixed.
    """


class NoAnswer(GnttwistError):
    """
    Nobody gave a properly signed answer in time.
    """


@frozen
class Answered:
    """
    One candidate's answer.
    """

    address: str
    reply: Reply


def enough(peers: int) -> int:
    """
    How many of so many peers must have answered: Ganeti's rule.
    """
    if peers < 3:
        return peers
    return peers - 1 if peers < 5 else peers // 2 + 1


def choose(candidates: Sequence[str], coverage: int = 0, source: random.Random | None = None) -> list[str]:
    """
    Whom to ask: a random choice, so that the candidates share the work. The rules are those of Ganeti's client.

    @param coverage: How many; 0 stands for L{MOST_PEERS} or all if they are fewer, L{ALL} for all.
    @raise BadCoverage: There are not so many.
    """
    wanted = len(candidates) if coverage == ALL else coverage or min(len(candidates), MOST_PEERS)
    if not 0 < wanted <= len(candidates):
        raise BadCoverage(f"cannot ask {wanted} of {len(candidates)} candidates")
    return (source or random.SystemRandom()).sample(candidates, wanted)


@define(repr=False)
class Question:
    """
    One question and the answers to it. Pure.

    @ivar peers: The addresses that are asked.
    @ivar datagram: What to send to each of them.
    """

    _key: bytes
    peers: Sequence[str]
    datagram: bytes
    _rsalt: str
    _answers: dict[str, Answered] = field(factory=dict, init=False)

    @classmethod
    def of(
        cls, key: bytes, peers: Sequence[str], type: int, query: Any, now: float, rsalt: str
    ) -> "Question":
        """
        A question of this type.

        @param query: A text, C{None}, or L{Fields}, which may be a mapping in their wire form.
        @param rsalt: Something that nobody can guess.
        """
        if isinstance(query, Mapping):
            query = msgspec.convert(query, Fields)
        return cls(key, peers, encode_request(key, Request(PROTOCOL, type, rsalt, query), now), rsalt)

    def receive(self, datagram: bytes, address: str) -> None:
        """
        Take a datagram.

        @raise Rejected: It is not an answer to this question from somebody who was asked.
        """
        if address not in self.peers:
            raise Rejected(f"{address} was not asked")
        salt, reply = decode_reply(self._key, datagram)
        if salt != self._rsalt:
            raise Rejected("the answer to another question")
        self._answers.setdefault(address, Answered(address, reply))

    @property
    def complete(self) -> bool:
        """
        Whether enough have answered.
        """
        return len(self._answers) >= enough(len(self.peers))

    @property
    def best(self) -> Answered | None:
        """
        The answer with the highest serial, if there is any.
        """
        return max(self._answers.values(), key=lambda each: each.reply.serial, default=None)

    @property
    def answers(self) -> dict[str, Answered]:
        """
        Each peer's first answer.
        """
        return dict(self._answers)

    @property
    def waiting(self) -> list[str]:
        """
        Peers that have not answered.
        """
        return [each for each in self.peers if each not in self._answers]

    @property
    def disagreement(self) -> bool:
        """
        Whether two answers of the same serial differ.
        """
        replies = [each.reply for each in self._answers.values()]
        return any(one.serial == two.serial and one != two for one in replies for two in replies)


def ask(question: Question, *, timeout: float, port: int = PORT, interval: float = 1.0) -> Answered:
    """
    Ask all peers, again every C{interval} seconds, and block until enough have answered or C{timeout} is over.

    @raise NoAnswer: There was no acceptable answer.
    """
    end = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        sockets: list[tuple[socket.socket, str]] = []
        try:
            for peer in question.peers:
                family = socket.AF_INET6 if ":" in peer else socket.AF_INET
                opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                sockets.append((opened, peer))
                # Connected, so that only this peer's datagrams come in and a closed port is noticed.
                opened.connect((peer, port))
                selector.register(opened, selectors.EVENT_READ, peer)
            again = 0.0
            while not question.complete and (now := time.monotonic()) < end:
                if now >= again:
                    again = now + interval
                    _send(sockets, question)
                _receive(selector, question, min(end, again) - now)
        finally:
            for opened, _ in sockets:
                opened.close()
    best = question.best
    if best is None:
        raise NoAnswer(f"no properly signed answer from {', '.join(question.peers)} within {timeout:g} s")
    return best


def _send(sockets: Sequence[tuple[socket.socket, str]], question: Question) -> None:
    for each, peer in sockets:
        if peer not in question.waiting:
            continue
        try:
            each.send(question.datagram)
        except (ConnectionRefusedError, BlockingIOError):
            # Nobody listens there now; others may, and it is asked again.
            continue


def _receive(selector: selectors.BaseSelector, question: Question, timeout: float) -> None:
    for key, _ in selector.select(max(timeout, 0)):
        source = key.fileobj
        assert isinstance(source, socket.socket)
        try:
            question.receive(source.recv(MAX_REPLY), key.data)
        except (ConnectionRefusedError, BlockingIOError, Rejected):
            continue
