"""
Wrong input to a real cluster: one clear error in Ganeti's shape, the daemon alive, and nothing half-made.
"""

import socket
from typing import Any

import msgspec

from twisted.trial.unittest import TestCase

from gnttwist.client.luxi import LuxiClient
from gnttwist.errors import ECode, OpCodeUnknown, OperationError, OpPrereqError
from tests.faults.victims import NODE, Victims

GOOD: dict[str, Any] = {
    "OP_ID": "OP_INSTANCE_CREATE",
    "instance_name": "good.sandbox.test",
    "mode": "create",
    "disk_template": "file",
    "disks": [{"size": 16}],
    "nics": [],
    "os_type": "noop",
    "pnode": NODE,
    "name_check": False,
    "ip_check": False,
}
"""
An opcode with nothing wrong in it.
"""


class BadInputTests(TestCase):
    """
    One sandbox, and everything that users and programs get wrong.
    """

    timeout = 120

    def setUp(self) -> None:
        self.victims = Victims()
        self.addCleanup(self.victims.stop)
        self.client = LuxiClient(self.victims.paths.luxi_socket)
        self.addCleanup(self.client.close)

    def raw(self, data: bytes) -> bytes:
        """
        What the master answers to these bytes, until it closes the connection.
        """
        answer = b""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(str(self.victims.paths.luxi_socket))
            try:
                connection.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                # It was refused before all of it had been sent.
                self.assertGreater(len(data), 1_000_000)
            while part := connection.recv(65536):
                answer += part
                if answer.endswith(b"\x03") and not data.endswith(b"}}\x03"):
                    break
        return answer

    def refusal(self, data: bytes) -> Any:
        """
        The C{result} of the master's refusal of these bytes.
        """
        answer = msgspec.json.decode(self.raw(data).rstrip(b"\x03"))
        self.assertIs(answer["success"], False)
        return answer["result"]

    def submit(self, **changes: Any) -> str | OperationError:
        """
        Submit the creation of an instance with something changed, and see it through.

        @return: C{"success"}, or the error of the submission or of the job.
        """
        try:
            job = self.client.call("SubmitJob", [{**GOOD, **changes}])
        except OperationError as error:
            return error
        for (_status,), _log in self.client.wait_for_job(job):
            pass
        status, results = self.client.call("QueryJobs", [job], ["status", "opresult"])[0]
        if status == "success":
            return "success"
        name, arguments = results[0]
        self.assertEqual(name, "OpPrereqError", results)
        return OpPrereqError(*arguments)

    def test_protocol(self) -> None:
        """
        An unknown method, text that is not JSON and an endless frame each draw one error; others are served
        meanwhile and afterwards.
        """
        unknown = self.refusal(b'{"method":"Frobnicate","args":[]}\x03')
        self.assertIn("Frobnicate", str(unknown))
        self.assertIsInstance(self.refusal(b"not json\x03"), str)
        self.assertIsInstance(self.refusal(b'{"method":"QueryJobs","args":{}}\x03'), str)
        long = self.refusal(b'{"method":"SubmitJob","args":["' + b"x" * 100_000_000)
        self.assertIn("bytes", str(long))
        self.assertEqual(self.client.call("QueryConfigValues", ["master_node"]), [NODE])

    def test_opcodes(self) -> None:
        """
        Opcodes that do not exist, that are not supported, and parameters that do not exist are refused by name.
        """
        for changes, words in (
            ({"OP_ID": "OP_MAKE_COFFEE"}, "OP_MAKE_COFFEE"),
            ({"OP_ID": "OP_INSTANCE_MOVE"}, "not supported"),
            ({"flavour": "large"}, "flavour"),
            ({"mode": "clone"}, "mode"),
            ({"disks": "big"}, "disks"),
        ):
            error = self.submit(**changes)
            self.assertIsInstance(error, OpPrereqError | OpCodeUnknown)
            self.assertIn(words, str(error))

    def test_instances(self) -> None:
        """
        Names, disks and systems that cannot be are refused with Ganeti's codes, and leave no trace.
        """
        self.assertEqual(self.submit(instance_name="taken.sandbox.test"), "success")
        before = self.traces()
        for changes, code, words in (
            ({"instance_name": "taken.sandbox.test"}, ECode.EXISTS, "taken.sandbox.test"),
            ({"instance_name": "no spaces.test"}, ECode.INVAL, "no spaces.test"),
            ({"instance_name": "-x"}, ECode.INVAL, "-x"),
            ({"instance_name": ""}, ECode.INVAL, "name"),
            ({"disks": [{"size": 0}]}, ECode.INVAL, "0"),
            ({"disks": [{"size": "huge"}]}, ECode.INVAL, "huge"),
            ({"disks": [{"size": 10**9}], "ignore_ipolicy": True}, ECode.NORES, "MiB"),
            ({"os_type": "plan9"}, ECode.INVAL, "plan9"),
            ({"os_type": "noop+extra"}, ECode.INVAL, "extra"),
            ({"pnode": "nowhere"}, ECode.NOENT, "nowhere"),
            ({"disk_template": "drbd"}, ECode.INVAL, "drbd"),
            ({"hypervisor": "xen-pvm"}, ECode.STATE, "xen-pvm"),
            ({"beparams": {"memory": "lots"}}, ECode.INVAL, "lots"),
            ({"beparams": {"wings": 2}}, ECode.INVAL, "wings"),
        ):
            error = self.submit(**{"instance_name": "new.sandbox.test", **changes})
            self.assertIsInstance(error, OpPrereqError, changes)
            assert isinstance(error, OpPrereqError)
            self.assertEqual(error.args[1], code, f"{changes}: {error}")
            self.assertIn(words, str(error), changes)
        self.assertEqual(self.traces(), before)
        self.assertEqual(self.submit(), "success")

    def traces(self) -> tuple[Any, ...]:
        """
        What a half-made instance would leave behind.
        """
        storage = self.victims.paths.srv / "file-storage"
        locks = self.client.call("Query", "lock", ["name"], None)["data"]
        instances = self.client.call("Query", "instance", ["name", "status"], None)["data"]
        return sorted(str(each) for each in storage.rglob("*")), locks, instances
