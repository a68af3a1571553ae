"""
Tests for L{gnttwist.functions.administration} and L{gnttwist.functions.programs}.
"""

import os
from pathlib import Path

from gnttwist.functions import administration, programs
from gnttwist.functions.administration import hooks_runner, restricted_command
from gnttwist.functions.registry import FunctionError
from tests.functions.context import NodeTestCase


class ProgramCase(NodeTestCase):
    """
    A node with an administrator's programs.
    """

    def program(self, place: str, text: str, mode: int = 0o755) -> Path:
        """
        Put a shell script below the configuration's directory.
        """
        path = self.context.paths.etc / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(mode)
        return path


class HooksTests(ProgramCase):
    """
    Tests for L{hooks_runner}.
    """

    def run_hooks(self, env: object = None) -> list[list[object]]:
        """
        Run those of one operation.
        """
        return hooks_runner(self.context, "instance-add", "pre", {} if env is None else env)

    def test_none(self) -> None:
        """
        Without a directory there are no results.
        """
        self.assertEqual(self.run_hooks(), [])

    def test_order_and_results(self) -> None:
        """
        Hooks run in the order of their names' bytes; what is no hook is skipped, and failures do not stop others.
        """
        self.program("hooks/instance-add-pre.d/b-fails", "echo no >&2; exit 3")
        self.program("hooks/instance-add-pre.d/a_works", "echo yes")
        self.program("hooks/instance-add-pre.d/B", "kill -9 $$")
        self.program("hooks/instance-add-pre.d/c.disabled", "echo never")
        self.program("hooks/instance-add-pre.d/d", "echo never", 0o644)
        self.program("hooks/instance-add-post.d/other", "echo never")
        self.assertEqual(
            self.run_hooks(),
            [
                ["instance-add-pre.d/B", 1, ""],
                ["instance-add-pre.d/a_works", 2, "yes"],
                ["instance-add-pre.d/b-fails", 1, "no"],
                ["instance-add-pre.d/c.disabled", 0, ""],
                ["instance-add-pre.d/d", 0, ""],
            ],
        )

    def test_environment(self) -> None:
        """
        A hook gets what the caller says and a path, and nothing of the node daemon's.
        """
        self.program("hooks/instance-add-pre.d/show", "unset PWD SHLVL _ OLDPWD; env | sort; cat; pwd")
        [[_, status, output]] = self.run_hooks({"GANETI_OP_CODE": "OP_X", "GANETI_EMPTY": ""})
        wanted = f"GANETI_EMPTY=\nGANETI_OP_CODE=OP_X\nPATH={programs.PATH}\n/"
        self.assertEqual((status, output), (2, wanted))

    def test_not_a_program(self) -> None:
        """
        A file that cannot be executed after all has failed.
        """
        self.program("hooks/instance-add-pre.d/odd", "").write_bytes(b"\x7fELF nonsense")
        self.assertEqual(self.run_hooks()[0][1], 1)

    def test_much_output(self) -> None:
        """
        Of a hook that prints without end the beginning is kept, in printable characters.
        """
        self.program(
            "hooks/instance-add-pre.d/loud", "printf '\\033'; head -c 1000000 /dev/zero | tr '\\0' x"
        )
        output = self.run_hooks()[0][2]
        assert isinstance(output, str)
        self.assertEqual((len(output), output[:2]), (programs.OUTPUT_LIMIT, "?x"))

    def test_hostile(self) -> None:
        """
        Paths that leave the hooks' directory, unknown phases and impossible environments are refused.
        """
        for hpath, phase, env in (
            ("../etc", "pre", {}),
            ("a/b", "pre", {}),
            (1, "pre", {}),
            ("x", "during", {}),
            ("x", "pre", {"A": 1}),
            ("x", "pre", {"A=B": "c"}),
            ("x", "pre", {"A": "b\0"}),
            ("x", "pre", {"A": "b" * 2_000_000}),
            ("x", "pre", []),
        ):
            self.assertRaises(FunctionError, hooks_runner, self.context, hpath, phase, env)


class RestrictedCommandTests(ProgramCase):
    """
    Tests for L{restricted_command}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.patch(administration, "REFUSAL_DELAY", 0.0)

    def refused(self, command: object) -> str:
        """
        Why a command is not run, or failed.
        """
        return str(self.assertRaises(FunctionError, restricted_command, self.context, command))

    def test_output(self) -> None:
        """
        A command's output is returned.
        """
        self.program("restricted-commands/uptime", "echo up; echo long >&2")
        self.assertEqual(restricted_command(self.context, "uptime"), "up\nlong")

    def test_failure(self) -> None:
        """
        A command that fails is a failure with its output.
        """
        self.program("restricted-commands/fails", "echo why; exit 4")
        self.assertIn("status 4; output: why", self.refused("fails"))

    def test_refused(self) -> None:
        """
        Names with slashes, links, and what others could have changed are not run.
        """
        good = self.program("restricted-commands/good", "echo run")
        self.program("restricted-commands/open", "echo run", 0o777)
        self.program("restricted-commands/text", "echo run", 0o644)
        (good.parent / "link").symlink_to("/bin/true")
        for each in ("../hooks/x", "/bin/true", "", None, ".", "open", "text", "link", "missing"):
            self.assertNotIn("run", self.refused(each).split())
        good.parent.chmod(0o777)
        self.assertIn("others may write", self.refused("good"))

    def test_foreign(self) -> None:
        """
        A program of another user is not run.
        """
        path = self.program("restricted-commands/foreign", "echo run")
        if os.geteuid():
            return
        os.chown(path, 12345, -1)
        self.assertIn("belongs to others", self.refused("foreign"))
