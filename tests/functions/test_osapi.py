"""
Tests for L{gnttwist.functions.osapi}.
"""

import os
import select
import shutil
import subprocess
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from gnttwist.functions.osapi import environment
from gnttwist.functions.osapi.calls import (
    instance_os_add,
    instance_run_rename,
    os_diagnose,
    os_validate,
    os_versions,
)
from gnttwist.functions.osapi.definition import Definition, load
from gnttwist.functions.osapi.output import LINE_LIMIT, LINES_A_SECOND, TAIL, Output
from gnttwist.functions.osapi.script import Script
from gnttwist.functions.registry import FunctionError
from gnttwist.functions.storage.blockdev import blockdev_create
from gnttwist.wire.call_types import InstanceArgument
from tests.functions.context import NodeTestCase, disk, instance

NOOP = Path(str(files("gnttwist"))).parent / "conf/os/noop"


class DefinitionTestCase(NodeTestCase):
    """
    A node with an OS definition.
    """

    def define(
        self, name: str, create: str = "exit 0", *, where: str = "srv/ganeti/os", **texts: str
    ) -> Path:
        """
        Make a definition: the create script's body, and text files (C{variants} for C{variants.list}).
        """
        path = self.root / where / name
        path.mkdir(parents=True)
        for script in ("create", "import", "export", "rename", "verify"):
            body = create if script == "create" else texts.pop(script, "exit 0")
            (path / script).write_text(f"#!/bin/sh\n{body}\n")
            (path / script).chmod(0o755)
        (path / "ganeti_api_version").write_text(texts.pop("api", "20\n"))
        (path / "parameters.list").write_text(texts.pop("parameters", ""))
        if "variants" in texts:
            (path / "variants.list").write_text(texts.pop("variants"))
        return path


class DiagnoseTests(DefinitionTestCase):
    """
    Tests for finding and checking definitions.
    """

    def test_shape(self) -> None:
        """
        A usable definition is told as Ganeti tells it, its path without the root.
        """
        self.define(
            "debian", api="10\n 20 \n", variants="# all\nbuster\n\nsid\n", parameters="size  MiB of it\n\nx\n"
        )
        self.assertEqual(
            os_diagnose(self.context),
            [
                [
                    "debian",
                    "/srv/ganeti/os/debian",
                    True,
                    "",
                    ["buster", "sid"],
                    [["size", "MiB of it"], ["x", ""]],
                    [10, 20],
                    True,
                ]
            ],
        )

    def test_noop(self) -> None:
        """
        The definition C{noop} that comes with the project is usable.
        """
        shutil.copytree(NOOP, self.root / "srv/ganeti/os/noop")
        self.assertEqual(
            [each[:4] for each in os_diagnose(self.context)], [["noop", "/srv/ganeti/os/noop", True, ""]]
        )
        self.assertTrue(os_validate(self.context, True, "noop", ["parameters"], {}, False))
        instance_os_add(self.context, instance(), False, 0)
        self.assertEqual(self.context.told, [("message", "noop: nothing to install for inst1.example.com")])

    def test_search_path(self) -> None:
        """
        A name is told once for each directory that has it, the effective one first; hidden entries and files are not.
        """
        self.define("a")
        self.define("a", where="usr/share/ganeti/os")
        self.define(".hidden")
        (self.root / "srv/ganeti/os/file").touch()
        self.assertEqual(
            [each[1] for each in os_diagnose(self.context)], ["/srv/ganeti/os/a", "/usr/share/ganeti/os/a"]
        )

    def test_invalid(self) -> None:
        """
        Each way of being unusable is told in words, with the name of the file that is wrong.
        """

        def wrong(breakage: str, mentioned: str) -> None:
            path = self.define("broken")
            os.chdir(path)
            self.assertEqual(os.system(breakage), 0)
            [[_, _, valid, why, variants, parameters, versions, trusted]] = os_diagnose(self.context)
            os.chdir("/")
            shutil.rmtree(path)
            self.assertIn(mentioned, why)
            self.assertEqual((valid, variants, parameters, versions, trusted), (False, [], [], [], True))

        self.addCleanup(os.chdir, os.getcwd())
        wrong("rm ganeti_api_version", "ganeti_api_version")
        wrong("echo five > ganeti_api_version", "ganeti_api_version")
        wrong(": > ganeti_api_version", "no version")
        wrong("echo 5 > ganeti_api_version", "declares 5")
        wrong("rm create", "create")
        wrong("chmod -x import", "import' under")
        wrong("rm rename; mkdir rename", "not a regular file")
        wrong("rm verify", "verify")
        wrong("rm parameters.list", "parameters.list")

    def test_hostile(self) -> None:
        """
        Lists and scripts that are binary, huge, empty, ambiguous or ill-named are told, each in its own words.
        """

        def wrong(file: str, content: bytes, mentioned: str, name: str = "broken") -> None:
            path = self.define(name)
            (path / file).unlink(missing_ok=True)
            (path / file).write_bytes(content)
            (path / file).chmod(0o755)
            [diagnosis] = os_diagnose(self.context)
            shutil.rmtree(path)
            self.assertFalse(diagnosis[2])
            self.assertIn(mentioned, diagnosis[3])
            # It goes over the wire whatever it holds.
            msgspec.json.encode(diagnosis)

        wrong("create", b"", "is empty")
        wrong("variants.list", b"\xff\xfe\0\1", "not UTF-8")
        wrong("variants.list", b"a\0b", "control characters")
        wrong("variants.list", b"a\x1b[2J", "control characters")
        wrong("variants.list", b"sid\nbuster\nsid\n", "Lines 1 and 3")
        wrong("variants.list", b"a+b\n", "'a+b'")
        wrong("variants.list", b"../../etc\n", "no variant's name")
        wrong("variants.list", b"x\n" * 200_000, "larger than")
        wrong("variants.list", b"\n".join(b"v%d" % each for each in range(1001)), "more than 1000")
        wrong("parameters.list", b"size one\nSIZE other\n", "parameters size and SIZE are the same")
        wrong("parameters.list", b"a-b x\na_b y\n", "OSP_A_B")
        wrong("parameters.list", b"LD;PRELOAD x\n", "no parameter's name")
        wrong("parameters.list", b"os-image x\n", "reserved")
        wrong("ganeti_api_version", b"20\n" + b"9" * 5000, "line 2")
        wrong("ganeti_api_version", "٢٠\n".encode(), "line 1")
        wrong("os_version", b"1\n2\n", "not one line")
        wrong("os_version", b"", "not one line")
        wrong("import_untrusted", b"", "is empty")
        wrong("create", b"#!/bin/sh\n", "is no name for an OS", name="a b")
        wrong("create", b"#!/bin/sh\n", "'a?b' is no name", name="a\nb")

    def test_endless(self) -> None:
        """
        A list that has no end is not opened.
        """
        path = self.define("broken")
        (path / "parameters.list").unlink()
        (path / "parameters.list").symlink_to("/dev/zero")
        os.mkfifo(path / "variants.list")
        [[*_, why, _, _, _, _]] = os_diagnose(self.context)
        self.assertIn("variants.list", why)
        self.assertIn("not a regular file", why)

    def test_names_of_bytes(self) -> None:
        """
        A directory whose name is not text is told under a name that can be sent, and cannot be installed from.
        """
        path = os.fsencode(self.define("good").parent)
        os.mkdir(path + b"/\xff")
        found = {each[0]: each[2] for each in os_diagnose(self.context)}
        self.assertEqual(found, {"good": True, "?": False})
        msgspec.json.encode(os_diagnose(self.context))

    def test_versions(self) -> None:
        """
        The texts of C{os_version} are told for usable definitions, the first of each name.
        """
        (self.define("a") / "os_version").write_text(" 7.1 \n")
        (self.define("a", where="usr/share/ganeti/os") / "os_version").write_text("8\n")
        self.define("b")
        (self.define("broken") / "create").unlink()
        self.assertEqual(os_versions(self.context), {"a": "7.1", "b": None})

    def test_older_interface(self) -> None:
        """
        Before version 20 neither a verify script nor a list of parameters is needed, nor is it read.
        """
        path = self.define("old", api="15\n", parameters="x y")
        (path / "verify").unlink()
        self.assertEqual(load("old", path).parameters, ())
        (path / "parameters.list").unlink()
        self.assertEqual(load("old", path).api_version, 15)

    def test_untrusted(self) -> None:
        """
        A definition with an untrusted create script is not trusted, and does without a create script.
        """
        path = self.define("wild")
        (path / "create").rename(path / "create_untrusted")
        found = load("wild", path)
        self.assertFalse(found.trusted)
        self.assertIsNone(found.create)
        self.assertRaises(FunctionError, instance_os_add, self.context, instance(os="wild"), False, 0)


class ValidateTests(DefinitionTestCase):
    """
    Tests for C{os_validate}.
    """

    def validate(
        self, name: object, params: object = None, *, required: bool = True, force: bool = False
    ) -> bool:
        """
        Validate with all checks.
        """
        return os_validate(self.context, required, name, ["parameters"], params or {}, force)

    def test_missing(self) -> None:
        """
        An OS that is not there is an error only where it is required.
        """
        self.assertFalse(self.validate("nope", required=False))
        reason = self.assertRaises(FunctionError, self.validate, "nope")
        self.assertIn("/srv/ganeti/os", str(reason))

    def test_variants(self) -> None:
        """
        A variant must be given where there are some, and be one of them unless it is forced.
        """
        self.define("debian", variants="sid\n")
        self.define("plain")
        self.assertTrue(self.validate("debian+sid"))
        self.assertTrue(self.validate("debian+x", force=True))
        for name in ("debian", "debian+x", "plain+x", "debian+"):
            self.assertRaises(FunctionError, self.validate, name)

    def test_parameters(self) -> None:
        """
        Unknown parameters are refused with the names of those there are; known ones reach the verify script.
        """
        self.define(
            "os",
            parameters="cache-dir where\n",
            verify='test "$1 $OSP_CACHE_DIR" = "parameters /x" || exit 3',
        )
        self.assertTrue(self.validate("os", {"cache-dir": "/x"}))
        self.assertIn("cache-dir", str(self.assertRaises(FunctionError, self.validate, "os", {"nope": "1"})))
        self.assertIn(
            "exit code 3", str(self.assertRaises(FunctionError, self.validate, "os", {"cache-dir": "/y"}))
        )

    def test_hostile(self) -> None:
        """
        Names that lead elsewhere, checks that are arguments, and parameters that are no variables are refused.
        """
        self.define("os")
        for name in ("../os/os", "", None, "a/b"):
            self.assertRaises(FunctionError, self.validate, name)
        self.assertRaises(FunctionError, os_validate, self.context, True, "os", ["--help"], {}, False)
        self.assertRaises(FunctionError, os_validate, self.context, True, "os", [], {"a=b": 1}, False)
        self.assertRaises(FunctionError, os_validate, self.context, True, "os", [], {"a": "x\0"}, False)
        self.assertRaises(FunctionError, os_validate, self.context, True, "os", [], {"a": "x\ny"}, False)

    def test_any_case(self) -> None:
        """
        A parameter that a definition spells in capitals is given in small letters.
        """
        self.define("os", parameters="DHCP whether\n", verify='test "$OSP_DHCP" = yes || exit 3')
        self.assertTrue(self.validate("os", {"dhcp": "yes"}))

    def test_same_to_scripts(self) -> None:
        """
        Two parameters that scripts could not tell apart are refused, though each is known by one spelling.
        """
        self.define("os", parameters="size MiB\n")
        self.assertIn(
            "SIZE", str(self.assertRaises(FunctionError, self.validate, "os", {"size": 1, "SIZE": 2}))
        )


class AddTests(DefinitionTestCase):
    """
    Tests for C{instance_os_add}.
    """

    def add(self, **members: Any) -> None:
        """
        Install.
        """
        instance_os_add(self.context, instance(os="os", **members), False, 0)

    def log(self) -> str:
        """
        The one log's text.
        """
        [file] = (self.root / "var/log/ganeti/os").iterdir()
        self.assertRegex(file.name, r"^add-os-inst1.example.com-\d{4}-\d\d-\d\d_\d\d_\d\d_\d\d\.log$")
        return file.read_text()

    def test_writes_disk(self) -> None:
        """
        The script finds the disk's path in its environment, and what it says is logged and told.
        """
        self.define(
            "os", 'echo "onto $DISK_COUNT of $DISK_0_SIZE"; echo guest > "$DISK_0_PATH"; echo done >&2'
        )
        blockdev_create(self.context, disk(), 4, "", True, "", False)
        self.add(disks_info=[disk()])
        self.assertEqual(self.context.told, [("message", "onto 1 of 4"), ("message", "done")])
        self.assertEqual(self.log(), "onto 1 of 4\ndone\n")
        self.assertTrue(self.context.paths.real(disk()["logical_id"][1]).read_bytes().startswith(b"guest\n"))

    def test_environment(self) -> None:
        """
        The script's environment is its own: nothing is inherited, and its directory is the definition's.
        """
        path = self.define("os", "env -u PWD -u OLDPWD -u SHLVL -u _ | grep -v ^INSTANCE_; pwd")
        self.add(osparams={"a-b": "1"}, osparams_private={"key": "p"}, osparams_secret={"key": "s"})
        lines = set(self.log().splitlines())
        self.assertEqual(
            lines,
            {
                "PATH=/sbin:/bin:/usr/sbin:/usr/bin",
                "OS_API_VERSION=20",
                "OS_NAME=os",
                "OS_VARIANT=",
                "DEBUG_LEVEL=0",
                "OSP_A_B=1",
                "OSP_KEY=s",
                "HYPERVISOR=fake",
                "DISK_COUNT=0",
                "NIC_COUNT=0",
                str(path),
            },
        )

    def test_failure(self) -> None:
        """
        A failed script's last twenty lines and its exit code are in the error.
        """
        self.define("os", "seq 1 30; exit 7")
        text = str(self.assertRaises(FunctionError, self.add))
        self.assertIn("exit code 7", text)
        self.assertEqual(text.splitlines()[1:], [str(each) for each in range(11, 31)])

    def test_progress(self) -> None:
        """
        Lines that tell of progress become progress messages.
        """
        self.define("os", "echo 'progress: 12/12 MiB copying the kernel'")
        self.add()
        self.assertEqual(
            self.context.told,
            [("progress", {"what": "copying the kernel", "done": 12.0, "total": 12.0, "unit": "MiB"})],
        )

    def test_reinstall(self) -> None:
        """
        A script is told that it is a reinstallation.
        """
        self.define("os", 'echo "$INSTANCE_REINSTALL"')
        instance_os_add(self.context, instance(os="os"), True, 0)
        self.assertEqual(self.log(), "1\n")

    def test_rename(self) -> None:
        """
        The rename script is told the old name and the new one, and where the disks are.
        """
        path = self.define("os")
        script = '#!/bin/sh\necho "$OLD_INSTANCE_NAME to $INSTANCE_NAME, $DISK_COUNT disk"\n'
        (path / "rename").write_text(script)
        blockdev_create(self.context, disk(), 4, "", True, "", False)
        instance_run_rename(self.context, instance(os="os", disks_info=[disk()]), "old.example.com", 0)
        self.assertEqual(self.context.told, [("message", "old.example.com to inst1.example.com, 1 disk")])
        [file] = (self.root / "var/log/ganeti/os").iterdir()
        self.assertTrue(file.name.startswith("rename-os-old.example.com-inst1.example.com-"))
        self.assertRaises(FunctionError, instance_run_rename, self.context, instance(os="os"), "../x", 0)

    def test_missing_disk(self) -> None:
        """
        Nothing is run where a disk is not there.
        """
        self.define("os", "echo ran")
        self.assertRaises(FunctionError, self.add, disks_info=[disk()])
        self.assertFalse((self.root / "var/log/ganeti/os").exists())

    def test_image(self) -> None:
        """
        Installing from an image is refused, not ignored.
        """
        self.define("os")
        self.assertRaises(FunctionError, self.add, osparams={"os-image": "/x"})


class ScriptTests(DefinitionTestCase):
    """
    Tests for L{Script}.
    """

    def script(self, body: str, limit: float = 10) -> Script:
        """
        A shell script with a deadline.
        """
        return Script("It", ["/bin/sh", "-c", body], self.root, {"PATH": os.environ["PATH"]}, limit)

    def test_deadline(self) -> None:
        """
        A script that takes too long is killed with what it started, and its last words are told.
        """
        body = "echo working; (sleep 60; touch late) & echo $! > child; sleep 60"
        reason = self.assertRaises(FunctionError, self.script(body, 0.3).run, Output(self.context.feedback))
        self.assertIn("did not end", str(reason))
        self.assertIn("working", str(reason))
        self.assertDead(int((self.root / "child").read_text()))

    def test_noisy_deadline(self) -> None:
        """
        A script that never stops writing is ended as well, and tells no more than can be read.
        """
        reason = self.assertRaises(FunctionError, self.script("yes", 0.3).run, Output(self.context.feedback))
        self.assertIn("did not end", str(reason))
        self.assertLessEqual(len(self.context.told), LINES_A_SECOND + 1)

    def test_left_behind(self) -> None:
        """
        What a script leaves running is ended, and does not delay the answer.
        """
        begin = time.monotonic()
        self.script("sleep 60 & echo $! > child").run(Output(self.context.feedback))
        self.assertLess(time.monotonic() - begin, 5)
        self.assertDead(int((self.root / "child").read_text()))

    def test_forked_away(self) -> None:
        """
        What a script sends into a session of its own, two forks away, is ended as well.
        """
        begin = time.monotonic()
        body = "setsid sh -c 'sh -c \"sleep 60 & echo \\$! > child\"' >/dev/null 2>&1 </dev/null; exit 0"
        self.script(body).run(Output(self.context.feedback))
        self.assertLess(time.monotonic() - begin, 5)
        self.assertDead(int((self.root / "child").read_text()))

    def test_full_disk(self) -> None:
        """
        A script that prints on when the disk is full is ended, with what it started, and that is the reason.
        """
        if os.geteuid() != 0:
            self.skipTest("needs root, to mount a small file system")
        logs = self.root / "logs"
        logs.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", logs], check=True)
        self.addCleanup(subprocess.check_call, ["umount", str(logs)])
        body = "sleep 60 & echo $! > child; while :; do echo x; done"
        script = evolve(self.script(body, 30), log=logs / "x")
        reason = self.assertRaises(FunctionError, script.run, Output(self.context.feedback))
        self.assertIn("No space left", str(reason))
        self.assertDead(int((self.root / "child").read_text()))

    def test_no_log(self) -> None:
        """
        Where the log cannot be made, the script is not run.
        """
        (self.root / "logs").touch()
        script = evolve(self.script("touch ran", 30), log=self.root / "logs" / "x")
        reason = self.assertRaises(FunctionError, script.run, Output(self.context.feedback))
        self.assertIn("was not run", str(reason))
        self.assertFalse((self.root / "ran").exists())

    def test_others_stay(self) -> None:
        """
        A process that was there before the script is none of its own.
        """
        with subprocess.Popen(["sleep", "60"]) as other:
            self.script("exit 0").run(Output(self.context.feedback))
            self.assertIsNone(other.poll())
            other.kill()

    def test_signal(self) -> None:
        """
        A script that is killed is told by the signal's name.
        """
        reason = self.assertRaises(
            FunctionError, self.script("kill -9 $$").run, Output(self.context.feedback)
        )
        self.assertIn("SIGKILL", str(reason))

    def test_not_there(self) -> None:
        """
        A program that cannot be started is told in words.
        """
        script = Script("It", ["/nope"], self.root, {}, 1)
        self.assertIn("cannot be started", str(self.assertRaises(FunctionError, script.run, Output(print))))

    def assertDead(self, pid: int) -> None:
        """
        Assert that a process ends, if it has not.
        """
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        self.addCleanup(os.close, descriptor)
        self.assertTrue(select.select([descriptor], [], [], 5)[0], "it still runs")


class OutputTests(SynchronousTestCase):
    """
    Tests for L{Output}.
    """

    def setUp(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.output = Output(lambda type, payload: self.told.append((type, payload)))

    @given(st.lists(st.text(alphabet="ab \t%é", max_size=12)), st.integers(1, 7))
    def test_split(self, lines: list[str], size: int) -> None:
        """
        The same lines are told however the bytes are cut.
        """
        self.told.clear()
        output = Output(lambda type, payload: self.told.append((type, payload)))
        data = "\n".join(lines).encode()
        for now, begin in enumerate(range(0, len(data), size)):
            output.feed(data[begin : begin + size], now)
        output.end(len(data))
        whole = [line.rstrip() for line in lines if line.rstrip()]
        self.assertEqual(self.told, [("message", line) for line in whole])
        self.assertEqual(list(output.tail), whole[-TAIL:])

    def test_flood(self) -> None:
        """
        Lines beyond a rate are counted, and the count is told when there is time.
        """
        self.output.feed(b"x\n" * 1000, 0)
        self.output.feed(b"y\n", 5)
        self.assertEqual(
            self.told[LINES_A_SECOND:], [("message", "(990 more lines, see the log)"), ("message", "y")]
        )

    def test_long_line(self) -> None:
        """
        A line without end takes no more memory than what is told of it.
        """
        for _ in range(100):
            self.output.feed(b"x" * 10_000, 0)
        self.output.end(0)
        self.assertEqual(self.told, [("message", "x" * LINE_LIMIT)])

    def test_control_characters(self) -> None:
        """
        What could move a terminal's cursor is not told.
        """
        self.output.feed(b"\x1b[2Jred\n", 0)
        self.assertEqual(self.told, [("message", "?[2Jred")])

    def test_progress_rate(self) -> None:
        """
        Progress is thinned, but its end is always told; it is no part of the last lines.
        """
        for done in range(101):
            self.output.feed(b"progress: %d/100 %% copying\n" % (done,), 0)
        self.assertEqual([payload["done"] for _, payload in self.told], [0, 100])
        self.assertEqual(list(self.output.tail), [])


class EnvironmentTests(SynchronousTestCase):
    """
    Tests for L{environment}.
    """

    def test_instance(self) -> None:
        """
        Parameters keep their case and have Python's text; NICs have their network's variables.
        """
        wanted = msgspec.convert(
            instance(
                secondary_nodes=["n2", "n3"],
                hvparams={"acpi": True, "nic_type": "paravirtual", "kernel_path": None},
                nics=[
                    {
                        "mac": "aa:00:00:00:00:01",
                        "uuid": "nic1",
                        "ip": "192.0.2.7",
                        "nicparams": {"mode": "bridged", "link": "br0", "vlan": ""},
                        "netinfo": {
                            "name": "net1",
                            "uuid": "net",
                            "network": "192.0.2.0/24",
                            "tags": ["a", "b"],
                        },
                    },
                    {"mac": "aa:00:00:00:00:02", "nicparams": {"mode": "routed", "link": "100"}},
                ],
            ),
            InstanceArgument,
        )
        found = environment.of_instance(wanted, [])
        expected = {
            "INSTANCE_SECONDARY_NODES": "n2 n3",
            "INSTANCE_HV_acpi": "True",
            "INSTANCE_HV_kernel_path": "None",
            "INSTANCE_BE_maxmem": "128",
            "NIC_COUNT": "2",
            "NIC_0_MODE": "bridged",
            "NIC_0_BRIDGE": "br0",
            "NIC_0_LINK": "br0",
            "NIC_0_IP": "192.0.2.7",
            "NIC_0_FRONTEND_TYPE": "paravirtual",
            "NIC_0_NETWORK_SUBNET": "192.0.2.0/24",
            "NIC_0_NETWORK_TAGS": "a b",
            "NIC_1_LINK": "100",
        }
        self.assertEqual({name: found[name] for name in expected}, expected)
        for name in ("NIC_1_BRIDGE", "NIC_1_IP", "NIC_0_NETWORK_GATEWAY", "NIC_1_NETWORK_NAME"):
            self.assertNotIn(name, found)

    def test_variant(self) -> None:
        """
        The variant is the given one, else the first; before version 15 there is none.
        """
        new = Definition("os", Path("/os"), (20,), variants=("a", "b"))
        old = Definition("os", Path("/os"), (10,), variants=("a", "b"))
        variants = [
            environment.core(each, name, {}, 0)["OS_VARIANT"]
            for each, name in ((new, "os+b"), (new, "os"), (old, "os+b"))
        ]
        self.assertEqual(variants, ["b", "a", ""])
