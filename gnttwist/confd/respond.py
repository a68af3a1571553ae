"""
From a datagram to its answer; without I/O. The datagrams are L{gnttwist.wire.confd}'s, what to answer is
L{gnttwist.confd.answers}'.
"""

from collections.abc import Callable, Sequence

from attrs import define, field

from gnttwist.confd.answers import TOO_LONG, Answers
from gnttwist.confd.limits import MULTIPLE, Replays, SourceLimits
from gnttwist.errors import Rejected
from gnttwist.net.datagram import Address
from gnttwist.wire.confd import (
    MAX_REPLY,
    OK,
    PROTOCOL,
    STATISTICS,
    Reply,
    Signed,
    encode_prepared,
    open_request,
    prepare,
)


@define
class Statistics:
    """
    What has happened since the daemon started.

    @ivar answered: Questions.
    @ivar unsigned: Datagrams that were not signed.
    @ivar silent: Signed datagrams that meet silence.
    @ivar limited: Datagrams beyond what their source may send.
    @ivar loaded: Configurations that were taken into service.
    @ivar unusable: Files that could not be: missing, half-written or damaged.
    """

    answered: int = 0
    unsigned: int = 0
    silent: int = 0
    limited: int = 0
    loaded: int = 0
    unusable: int = 0

    def members(self) -> dict[str, int]:
        """
        As the answer to L{STATISTICS}.
        """
        return {
            "answered": self.answered,
            "unsigned": self.unsigned,
            "silent": self.silent,
            "limited": self.limited,
            "loaded": self.loaded,
            "unusable": self.unusable,
        }


@define(repr=False)
class Responder:
    """
    Answers each acceptable datagram with exactly one datagram.

    Anything else meets silence, so that a stranger can neither test guesses at the cluster's key nor aim our replies,
    which may be a hundred times as long as their questions, at a third party.

    @ivar _keys: Reads the keys that are accepted.
    @ivar _answers: Reads the newest answers; C{None} where this node has no configuration.
    @ivar _now: Reads the wall clock, in seconds since the epoch.
    """

    _keys: Callable[[], Sequence[bytes]]
    _answers: Callable[[], Answers | None]
    _now: Callable[[], float]
    statistics: Statistics = field(factory=Statistics)
    _limits: SourceLimits = field(factory=SourceLimits)
    _replays: Replays = field(factory=Replays, init=False)

    def answer(self, datagram: bytes, address: Address) -> bytes | None:
        """
        The answer to a datagram, or C{None}.
        """
        host, now = address[0], self._now()
        if not self._limits.may_ask(host, now):
            self.statistics.limited += 1
            return None
        try:
            key, signature, request = open_request(self._keys(), datagram, now)
            if not self._limits.signed(host):
                self.statistics.limited += 1
                return None
            answers = self._answers()
            if answers is None:
                raise Signed("there is no configuration here")
            if request.type == STATISTICS:
                reply = prepare(Reply(PROTOCOL, OK, self.statistics.members(), answers.serial))
            else:
                reply = answers.reply(request.type, request.query)
        except Signed:
            self._limits.signed(host)
            self.statistics.silent += 1
            return None
        except Rejected:
            self._limits.unsigned(host)
            self.statistics.unsigned += 1
            return None
        sealed = encode_prepared(key, request.rsalt, reply)
        if len(sealed) > MAX_REPLY:
            # Only by a very long salt.
            sealed = encode_prepared(key, request.rsalt, TOO_LONG)
        if not self._replays.is_first(signature, host) and len(sealed) > MULTIPLE * len(datagram):
            self.statistics.limited += 1
            return None
        self.statistics.answered += 1
        return sealed
