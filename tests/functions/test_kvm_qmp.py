"""
Tests for L{gnttwist.functions.hypervisor.kvm.qmp} and L{gnttwist.functions.hypervisor.kvm.monitor}.
"""

import contextlib
import socket
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.functions.hypervisor.kvm.monitor import Monitor, MonitorError
from gnttwist.functions.hypervisor.kvm.qmp import (
    Answer,
    Decoder,
    Event,
    Greeting,
    Message,
    QMPBroken,
    Refusal,
    command,
)

# As QEMU 7.2 sends them.
GREETING = (
    b'{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, '
    b'"capabilities": ["oob"]}}\r\n'
)
EVENT = (
    b'{"timestamp": {"seconds": 1795230511, "microseconds": 7}, "event": "SHUTDOWN", '
    b'"data": {"guest": true, "reason": "guest-shutdown"}}\r\n'
)
NOTHING = b'{"return": {}}\r\n'
REFUSAL = b'{"error": {"class": "CommandNotFound", "desc": "The command x has not been found"}}\r\n'
STREAM = GREETING + NOTHING + EVENT + REFUSAL
MESSAGES: list[Message] = [
    Greeting((7, 2, 22)),
    Answer({}),
    Event("SHUTDOWN", {"guest": True, "reason": "guest-shutdown"}),
    Refusal("CommandNotFound", "The command x has not been found"),
]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class DecoderTests(SynchronousTestCase):
    """
    Tests for L{Decoder} and L{command}.
    """

    @given(st.lists(st.integers(0, len(STREAM)), max_size=6))
    def test_any_pieces(self, cuts: list[int]) -> None:
        """
        The same messages come however the bytes are cut.
        """
        decoder = Decoder()
        edges = [0, *sorted(cuts), len(STREAM)]
        found = [each for begin, end in pairwise(edges) for each in decoder.feed(STREAM[begin:end])]
        self.assertEqual(found, MESSAGES)

    @given(JSON)
    def test_answers(self, value: Any) -> None:
        """
        Any value can be answered.
        """
        line = msgspec.json.encode({"return": value}) + b"\r\n"
        self.assertEqual(list(Decoder().feed(line)), [Answer(value)])

    @given(st.binary(max_size=60) | JSON.map(msgspec.json.encode))
    def test_garbage(self, data: bytes) -> None:
        """
        What is not QMP is refused as broken, and nothing else.
        """
        with contextlib.suppress(QMPBroken):
            list(Decoder().feed(data + b"\n"))

    def test_too_long(self) -> None:
        """
        A line without an end is given up at the limit, not kept.
        """
        decoder = Decoder(limit=100)
        self.assertEqual(list(decoder.feed(b"x" * 100)), [])
        self.assertRaises(QMPBroken, list, decoder.feed(b"x"))

    def test_too_deep(self) -> None:
        """
        Deeply nested JSON is broken, and does not end the process.
        """
        self.assertRaises(QMPBroken, list, Decoder().feed(b'{"return": ' + b"[" * 100_000 + b"\n"))

    def test_command(self) -> None:
        """
        A command is a line; arguments are left out where there are none.
        """
        self.assertEqual(command("cont"), b'{"execute":"cont"}\r\n')
        self.assertEqual(
            command("balloon", {"value": 1}), b'{"execute":"balloon","arguments":{"value":1}}\r\n'
        )


class MonitorTests(SynchronousTestCase):
    """
    Tests for L{Monitor}.
    """

    def setUp(self) -> None:
        ours, self.qemu = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(self.qemu.close)
        self.monitor = Monitor(ours)

    def test_conversation(self) -> None:
        """
        After the greeting, each command has its own answer, whatever events come between.
        """
        self.qemu.sendall(EVENT + GREETING + NOTHING + EVENT + b'{"return": 5}\r\n' + REFUSAL)
        self.monitor.begin(1)
        self.assertEqual(self.monitor.version, (7, 2, 22))
        self.assertEqual(self.monitor.execute("query-x", {"a": 1}, 1), 5)
        reason = self.assertRaises(MonitorError, self.monitor.execute, "x", None, 1)
        self.assertEqual(str(reason), "QEMU refuses x: The command x has not been found")
        self.assertEqual(
            self.qemu.recv(1000),
            b'{"execute":"qmp_capabilities"}\r\n{"execute":"query-x","arguments":{"a":1}}\r\n{"execute":"x"}\r\n',
        )

    def test_silence(self) -> None:
        """
        A QEMU that says nothing is given up when the time is over.
        """
        self.assertRaises(MonitorError, self.monitor.begin, 0.01)

    def test_closed(self) -> None:
        """
        A QEMU that ends in the middle of it is an error at once.
        """
        self.qemu.sendall(GREETING[:20])
        self.qemu.close()
        reason = self.assertRaises(MonitorError, self.monitor.begin, 60)
        self.assertIn("closed", str(reason))

    def test_not_qmp(self) -> None:
        """
        Something else that listens there is an error.
        """
        self.qemu.sendall(b"220 mail.example.com ESMTP\r\n")
        self.assertRaises(MonitorError, self.monitor.begin, 60)
