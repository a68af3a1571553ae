"""
How much one source may ask. Pure: the time is told.

The bounds keep one client, or one attacker, from taking all of the daemon's time. Somebody who writes a client's
address on datagrams of his own must not silence that client: so a source that has lately signed is still listened to
when too much of what comes in its name is not signed.
"""

from attrs import define, field

UNSIGNED = 100
"""
Datagrams a second and source that are looked at though they prove not to be signed. A client with an old key sends a
few; beyond, a datagram costs a tenth of what checking its signature does.
"""

SIGNED = 50_000
"""
Questions a second and source that are answered: more than one machine asks, less than a worker can answer.
"""

SOURCES = 4096
"""
Most sources that are counted in a second or remembered as clients; about half a megabyte for each table. Further
sources are not counted: checking their signatures is what the bound saves, so that is all they can cost.
"""

TRUSTED = 60
"""
Seconds, or up to twice as many, for which somebody who has signed is remembered.
"""


REPLAYS = 8192
"""
Questions that are remembered at least, twice as many at most: some 3 MB. Where fewer than 27 a second are asked, that
is as long as a question is valid.
"""

MULTIPLE = 8
"""
How many times as long as the question an answer may be that goes to somebody other than the one who asked it first.
"""


@define(repr=False)
class SourceLimits:
    """
    Counts in windows of a second.
    """

    _unsigned_rate: int = UNSIGNED
    _signed_rate: int = SIGNED
    _second: int = field(default=0, init=False)
    _minute: int = field(default=0, init=False)
    _unsigned: dict[str, int] = field(factory=dict, init=False)
    _signed: dict[str, int] = field(factory=dict, init=False)
    _clients: set[str] = field(factory=set, init=False)
    _clients_before: set[str] = field(factory=set, init=False)

    def may_ask(self, host: str, now: float) -> bool:
        """
        Whether to look at a datagram at all.

        @param now: Seconds; where they come from is the caller's.
        """
        second = int(now)
        if second != self._second:
            self._turn(second)
        return self._unsigned.get(host, 0) < self._unsigned_rate or self._is_client(host)

    def unsigned(self, host: str) -> None:
        """
        A datagram was not signed.
        """
        self._count(self._unsigned, host)

    def signed(self, host: str) -> bool:
        """
        A datagram was signed.

        @return: Whether to answer it.
        """
        if len(self._clients) < SOURCES:
            self._clients.add(host)
        return self._count(self._signed, host) <= self._signed_rate

    def _is_client(self, host: str) -> bool:
        return host in self._clients or host in self._clients_before

    def _count(self, table: dict[str, int], host: str) -> int:
        found = table.get(host, 0) + 1
        if found > 1 or len(table) < SOURCES:
            table[host] = found
        return found

    def _turn(self, second: int) -> None:
        self._second = second
        self._unsigned.clear()
        self._signed.clear()
        if second // TRUSTED != self._minute:
            self._minute = second // TRUSTED
            self._clients_before, self._clients = self._clients, set()


@define(repr=False)
class Replays:
    """
    Who has asked which question. A recorded question can be sent again in somebody else's name, so that he gets the
    answer: that is no reason to send him a long one.
    """

    _asked: dict[str, str] = field(factory=dict, init=False)
    _asked_before: dict[str, str] = field(factory=dict, init=False)

    def is_first(self, signature: str, host: str) -> bool:
        """
        Whether this question was asked by nobody else.
        """
        known = self._asked.get(signature) or self._asked_before.get(signature)
        if known is None:
            if len(self._asked) >= REPLAYS:
                self._asked_before, self._asked = self._asked, {}
            self._asked[signature] = host
        return known is None or known == host
