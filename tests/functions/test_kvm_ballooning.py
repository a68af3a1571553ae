"""
Tests for L{gnttwist.functions.hypervisor.kvm.ballooning}.
"""

import socket
from threading import Thread

from gnttwist.functions.hypervisor.kvm.ballooning import change, current
from gnttwist.functions.hypervisor.kvm.monitor import MonitorError
from gnttwist.functions.hypervisor.kvm.places import Places
from tests.functions.context import NodeTestCase
from tests.functions.test_kvm_qmp import GREETING, NOTHING, REFUSAL

NAME = "inst1"


class BallooningTests(NodeTestCase):
    """
    Tests for L{change} and L{current}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.places = Places(self.context.paths)
        self.places.make()
        self.heard: list[bytes] = []

    def qemu(self, *answers: bytes) -> None:
        """
        A QEMU that serves a connection for each answer to a command after the usual beginning.
        """
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        path = self.places.socket(NAME, "qmp")
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection, connection.makefile("rb") as lines:
                    connection.sendall(GREETING)
                    lines.readline()
                    connection.sendall(NOTHING)
                    self.heard.append(lines.readline().strip())
                    connection.sendall(answer)

        server = Thread(target=serve, daemon=True)
        server.start()
        self.addCleanup(server.join, 10)

    def test_untouched(self) -> None:
        """
        A guest that was never told to change has what it was started with; its QEMU is not asked.
        """
        self.assertEqual(current(self.places, NAME, 128), 128)

    def test_changed(self) -> None:
        """
        After a change QEMU says what the guest has by now, until it is gone.
        """
        self.qemu(NOTHING, b'{"return": {"actual": 100663296}}\r\n')
        change(self.places, NAME, 64)
        self.assertEqual(current(self.places, NAME, 128), 96)
        self.assertEqual(
            self.heard,
            [b'{"execute":"balloon","arguments":{"value":67108864}}', b'{"execute":"query-balloon"}'],
        )
        self.places.clean(NAME)
        self.assertEqual(current(self.places, NAME, 128), 128)

    def test_no_answer(self) -> None:
        """
        Where QEMU refuses, or says what makes no sense, it is what the guest was started with.
        """
        self.qemu(REFUSAL, REFUSAL, b'{"return": []}\r\n')
        self.assertRaises(MonitorError, change, self.places, NAME, 64)
        self.assertEqual(current(self.places, NAME, 128), 128)
        self.assertEqual(current(self.places, NAME, 128), 128)

    def test_gone(self) -> None:
        """
        The same where nobody listens any more.
        """
        self.assertRaises(MonitorError, change, self.places, NAME, 64)
        self.assertEqual(current(self.places, NAME, 128), 128)
