"""
Running C{gnt} in this process against a server that plays a script.
"""

import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from attrs import frozen

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.cli.main import run
from gnttwist.testing.luxi import FakeMaster
from gnttwist.wire import luxi

NODE = "node1.sandbox.test"


@frozen
class Output:
    """
    What a command printed, and its exit code.
    """

    code: int
    out: str
    err: str


class CommandTestCase(SynchronousTestCase):
    """
    Tests of commands.

    @ivar answers: By method: a result, or a function from the call to one.
    """

    def setUp(self) -> None:
        # A unix socket's path is limited to 107 bytes, so it cannot be below trial's directory.
        directory = Path(tempfile.mkdtemp(prefix="gnt-"))
        self.addCleanup(shutil.rmtree, directory)
        self.root = directory / NODE
        socket = self.root / "var/run/ganeti/socket/ganeti-query"
        socket.parent.mkdir(parents=True)
        self.answers: dict[str, Any] = {}
        self.master = FakeMaster(socket, self.answer)
        self.addCleanup(self.master.stop)

    def answer(self, call: luxi.Call) -> Any:
        """
        What the script says.
        """
        answer = self.answers[type(call).__name__]
        return answer(call) if callable(answer) else answer

    def gnt(self, *arguments: str) -> Output:
        """
        Run a command.
        """
        out, err = io.StringIO(), io.StringIO()
        # Whatever the tests run under, commands find no terminal and no input.
        self.patch(sys, "stdin", io.StringIO())
        with redirect_stdout(out), redirect_stderr(err):
            code = run(["--root", str(self.root), *arguments])
        return Output(code, out.getvalue(), err.getvalue())

    def fails(self, *arguments: str) -> str:
        """
        Run a command that must fail in one line.

        @return: The line.
        """
        output = self.gnt(*arguments)
        self.assertEqual((output.code, output.err.count("\n")), (1, 1), output.out + output.err)
        self.assertRegex(output.err, r"^gnt( [a-z-]+)*: [^\n]")
        return output.err

    def job(self, result: Any, log: list[str] | None = None, status: str = "success") -> None:
        """
        Let every submitted job end like this.
        """
        lines = [[n, [1, 0], "message", text] for n, text in enumerate(log or [], 1)]
        final = "error" if status == "error" else "success"

        def change(call: luxi.WaitForJobChange) -> Any:
            return [[status, None], lines if call.log_serial is None else []]

        self.answers.update(
            SubmitJob=7,
            WaitForJobChange=change,
            QueryJobs=[[status, [final], [result]]],
        )

    def submitted(self) -> dict[str, Any]:
        """
        The opcode of the only job that was submitted.
        """
        [ops] = [call.ops for call in self.master.calls if isinstance(call, luxi.SubmitJob)]
        [op] = ops
        return op

    def table(self, fields: dict[str, str], *rows: list[Any]) -> Callable[[luxi.Query], Any]:
        """
        An answer to queries: a table of these fields and their kinds.
        """

        def query(call: luxi.Query) -> Any:
            return {
                "fields": [
                    {"name": each, "title": each.title(), "kind": fields.get(each, "unknown"), "doc": "x"}
                    for each in call.fields
                ],
                "data": [[[0, value] if value is not None else [2, None] for value in row] for row in rows],
            }

        return query
