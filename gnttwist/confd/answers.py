"""
Answers from one version of the configuration, each prepared once and kept for the same question again.
"""

from attrs import define, field

from gnttwist.confd.lookups import Failure, Lookups
from gnttwist.wire.confd import ERROR, MAX_REPLY, OK, PROTOCOL, Prepared, Query, Reply, prepare

PREPARED = 1024
"""
Most answers that are kept; beyond, the oldest makes room. A cluster's monitoring asks few different questions.
"""

PREPARED_BYTES = 8 * 1024 * 1024
"""
Most bytes of answers that are kept: so that a hundred of the longest do not drive the daemon over its memory's limit.
"""

ENVELOPE = 512
"""
Bytes of a datagram beside its message.
"""

TOO_LONG = prepare(
    Reply(PROTOCOL, ERROR, f"the answer is longer than the {MAX_REPLY} bytes that a client reads", 0)
)


@define(repr=False)
class Answers:
    """
    Prepared answers.

    @ivar _lookups: Where they come from.
    """

    _lookups: Lookups
    _prepared: dict[tuple[int, Query], Prepared] = field(factory=dict, init=False)
    _bytes: int = field(default=0, init=False)

    @property
    def serial(self) -> int:
        """
        The cluster's serial number.
        """
        return self._lookups.serial

    def reply(self, type: int, query: Query) -> Prepared:
        """
        The reply to a question.

        @raise gnttwist.wire.confd.Signed: The question meets silence.
        """
        key = (type, query)
        found = self._prepared.get(key)
        if found is None:
            found = self._compute(type, query)
            self._keep(key, found)
        return found

    def _compute(self, type: int, query: Query) -> Prepared:
        try:
            answer, serial = self._lookups.answer(type, query)
        except Failure as failure:
            return prepare(Reply(PROTOCOL, ERROR, failure.answer, 0))
        reply = prepare(Reply(PROTOCOL, OK, answer, serial))
        return TOO_LONG if len(reply.text) + ENVELOPE > MAX_REPLY else reply

    def _keep(self, key: tuple[int, Query], reply: Prepared) -> None:
        self._bytes += len(reply.message) + len(reply.text)
        self._prepared[key] = reply
        while len(self._prepared) > PREPARED or self._bytes > PREPARED_BYTES:
            oldest = self._prepared.pop(next(iter(self._prepared)))
            self._bytes -= len(oldest.message) + len(oldest.text)
