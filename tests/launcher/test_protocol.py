"""
Tests for L{gnttwist.launcher.protocol}.
"""

from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.errors import LocalError, RemoteError
from gnttwist.launcher import protocol

NUMBERS = st.integers(0, 2**53 - 1)
TEXT = st.text(min_size=1, max_size=100)
MAYBE = st.none() | st.integers(0, 255)

REQUESTS: st.SearchStrategy[protocol.Request] = st.one_of(
    st.builds(protocol.Hello, st.integers(0, 1000)),
    st.builds(protocol.ListChildren, NUMBERS),
    st.builds(
        protocol.StartChild,
        request=NUMBERS,
        function=st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True),
        suffix=st.from_regex(r"[0-9]{1,10}\.[0-9]{1,6}:[0-9a-f]{16}", fullmatch=True),
        key=st.none() | TEXT,
        spool_limit=st.integers(protocol.SMALLEST_SPOOL, protocol.LARGEST_SPOOL),
    ),
    st.builds(protocol.SignalChild, NUMBERS, TEXT, st.integers(1, 64), st.booleans()),
    st.builds(protocol.Dismiss, TEXT),
)
CHILD = {
    "request": NUMBERS,
    "id": TEXT,
    "function": TEXT,
    "key": st.none() | TEXT,
    "pid": st.integers(1, 2**22),
    "started": st.floats(0, 1e10),
    "spool": TEXT,
    "wake": st.booleans(),
    "pidfd": st.booleans(),
    "ended": st.booleans(),
    "code": MAYBE,
    "signal": MAYBE,
}
REPLIES: st.SearchStrategy[protocol.Reply] = st.one_of(
    st.builds(protocol.Welcome, NUMBERS, NUMBERS),
    st.builds(protocol.Superseded),
    st.builds(protocol.Refused, st.none() | NUMBERS, TEXT),
    st.builds(protocol.Child, **CHILD),
    st.builds(protocol.Started, **CHILD),
    st.builds(protocol.Listed, NUMBERS, NUMBERS),
    st.builds(protocol.Signalled, NUMBERS),
    st.builds(protocol.Exited, TEXT, MAYBE, MAYBE),
)


class ProtocolTests(SynchronousTestCase):
    """
    Tests for the messages of the launcher's socket.
    """

    @given(REQUESTS)
    def test_requests(self, request: protocol.Request) -> None:
        """
        Every request survives the wire.
        """
        self.assertEqual(protocol.decode_request(protocol.encode(request)), request)

    @given(REPLIES)
    def test_replies(self, reply: protocol.Reply) -> None:
        """
        Every reply survives the wire.
        """
        self.assertEqual(protocol.decode_reply(protocol.encode(reply)), reply)

    @given(st.binary(max_size=200) | REPLIES.map(protocol.encode))
    def test_garbage(self, data: bytes) -> None:
        """
        What is not a request is refused as the peer's fault, replies included.
        """
        self.assertRaises(RemoteError, protocol.decode_request, data)

    @given(REQUESTS.map(protocol.encode), st.data())
    def test_torn(self, data: bytes, draw: st.DataObject) -> None:
        """
        A request of which the end is missing is refused.
        """
        end = draw.draw(st.integers(0, len(data) - 1))
        self.assertRaises(RemoteError, protocol.decode_request, data[:end])

    def test_deep(self) -> None:
        """
        Nesting as deep as a packet has room for is refused.
        """
        self.assertRaises(RemoteError, protocol.decode_request, b"[" * protocol.HEADER_LIMIT)
        self.assertRaises(RemoteError, protocol.decode_request, b'{"a":' * 800)

    def test_long(self) -> None:
        """
        A message above the limit is neither made nor read.
        """
        self.assertRaises(LocalError, protocol.encode, protocol.Dismiss("x" * protocol.HEADER_LIMIT))
        padded = protocol.encode(protocol.Hello(1)) + b" " * protocol.HEADER_LIMIT
        self.assertRaises(RemoteError, protocol.decode_request, padded)

    def test_names(self) -> None:
        """
        Names that mean something to a file system are refused.
        """
        good = protocol.StartChild(1, "version", "1.0:ab", None, protocol.SMALLEST_SPOOL)
        for function in ("../sh", "a/b", "", "A", "version\n", "x" * 65):
            data = protocol.encode(protocol.StartChild(1, function, good.suffix, None, good.spool_limit))
            self.assertRaises(RemoteError, protocol.decode_request, data)
        for suffix in ("..", ".x", "a/b", "", "a\n", "a\0b", "x" * 97):
            data = protocol.encode(protocol.StartChild(1, good.function, suffix, None, good.spool_limit))
            self.assertRaises(RemoteError, protocol.decode_request, data)

    def test_bounds(self) -> None:
        """
        Signals and spool limits have bounds.
        """
        for signal in (0, 65, -9):
            data = protocol.encode(protocol.SignalChild(1, "1:2:3:4", signal, False))
            self.assertRaises(RemoteError, protocol.decode_request, data)
        for limit in (0, protocol.SMALLEST_SPOOL - 1, protocol.LARGEST_SPOOL + 1):
            data = protocol.encode(protocol.StartChild(1, "version", "1:2", None, limit))
            self.assertRaises(RemoteError, protocol.decode_request, data)
