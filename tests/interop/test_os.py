"""
Operating system definitions as Debian ships them, and the unmodified C{gnt-os}, against a sandbox.

What C{gnt-os} prints is written down from its own code, and the definitions' files from their packages.
"""

import shutil

from tests.interop.ganeti import NODE, Output, SandboxTestCase

OTHER = "node2.sandbox.test"


class OsTests(SandboxTestCase):
    """
    Tests for C{gnt-os}, with Debian's C{noop} and C{debootstrap}.
    """

    nodes = 2

    @classmethod
    def start(cls) -> None:
        """
        Start the sandbox and put Debian's definitions where its packages have them.
        """
        super().start()
        assert cls.directory is not None
        for node in (NODE, OTHER):
            root = cls.directory / "s" / node
            # As in Debian's search path; the sandbox's own of the same name would come first.
            shutil.rmtree(root / "srv/ganeti/os/noop")
            for name in ("noop", "debootstrap"):
                place = root / "usr/share/ganeti/os" / name
                source = cls.ganeti / "root/usr/share/ganeti/os" / name
                shutil.copytree(source, place, symlinks=True)
            # An absolute link in the package, to a file of administrators.
            variants = place / "variants.list"
            variants.unlink()
            configuration = cls.ganeti / "root/etc/ganeti/instance-debootstrap/variants.list"
            shutil.copyfile(configuration, variants)

    def ran(self, *arguments: str) -> str:
        """
        Run C{gnt-os}, which must succeed.
        """
        output = self.tool("gnt-os", *arguments)
        self.assertEqual((output.code, output.err), (0, ""), output.out)
        return output.out

    def blocks(self, *arguments: str) -> dict[str, list[str]]:
        """
        What C{gnt-os info} prints: lines by the name that they stand under.
        """
        found: dict[str, list[str]] = {}
        for block in self.ran("info", *arguments).strip().split("\n\n"):
            name, *lines = block.splitlines()
            found[name.rstrip(":")] = [line.strip() for line in lines]
        return found

    def test_list(self) -> None:
        """
        A definition with variants is listed once for each.
        """
        self.assertEqual(self.ran("list").split(), ["Name", "debootstrap+default", "noop", "tinylinux"])

    def test_info(self) -> None:
        """
        Versions, variants and parameters are those of the packages' files.
        """
        found = self.blocks("debootstrap", "noop")
        self.assertEqual(
            found["noop"],
            [
                "- valid: True",
                "- hidden: False",
                "- blacklisted: False",
                "- API versions:",
                "- 5",
                "- 10",
                "- variants:",
                "- parameters:",
                "- trusted: True",
            ],
        )
        debootstrap = found["debootstrap"]
        self.assertEqual(
            debootstrap[3:10], ["- API versions:", "- 5", "- 10", "- 15", "- 20", "- variants:", "- default"]
        )
        self.assertIn("- filesystem: The filesystem type to use for the root partition.", debootstrap[11])

    def test_diagnose(self) -> None:
        """
        Every node's definitions are told with path, versions, variants and parameters.
        """
        lines = [line.strip() for line in self.ran("diagnose").splitlines()]
        self.assertIn("OS: debootstrap [global status: valid]", lines)
        for node in (NODE, OTHER):
            self.assertIn(
                f"Node: {node}, status: valid (path: /usr/share/ganeti/os/debootstrap) "
                "[API versions: 20, 15, 10, 5] [variants: default] [parameters: filesystem] [trusted]",
                lines,
            )

    def test_verify_script(self) -> None:
        """
        A value that debootstrap's own verify script refuses is refused before anything is made, in its words.
        """
        output = self.added("bad.example.com", "debootstrap+default", "-O", "filesystem=fat32")
        self.assertEqual(output.code, 1)
        self.assertIn("Invalid value 'fat32' for the filesystem parameter", output.err)

    def test_unknown_variant(self) -> None:
        """
        A variant that the list does not have is refused with those that it has.
        """
        output = self.added("bad.example.com", "debootstrap+sid")
        self.assertEqual(output.code, 1)
        self.assertIn("default", output.err)

    def test_noop_installs(self) -> None:
        """
        Debian's noop, which has version 10 of the interface, installs an instance.
        """
        output = self.added("noop.example.com", "noop")
        self.assertEqual(output.code, 0, output.err)
        output = self.tool("gnt-instance", "list", "--no-headers", "-o", "os", "noop.example.com")
        self.assertEqual(output.out.strip(), "noop")

    def added(self, name: str, os: str, *options: str) -> Output:
        """
        Try to add an instance.
        """
        return self.tool(
            "gnt-instance", "add", "-t", "diskless", "-o", os, "-n", NODE, "-B", "memory=32M",
            "--no-name-check", "--no-ip-check", *options, name,
        )  # fmt: skip

    def test_states(self) -> None:
        """
        Hidden systems are not listed and can be installed; blacklisted ones are neither. Both can be set for names
        that do not exist yet, and taken back.
        """
        self.ran("modify", "--hidden=yes", "tinylinux")
        self.assertNotIn("tinylinux", self.ran("list"))
        self.assertIn("- hidden: True", self.blocks("tinylinux")["tinylinux"])
        self.ran("modify", "--hidden=no", "tinylinux")
        self.ran("modify", "--blacklisted=yes", "tinylinux")
        self.ran("modify", "--blacklisted=yes", "--hidden=yes", "not-there-yet")
        self.assertNotIn("tinylinux", self.ran("list"))
        refused = self.added("black.example.com", "tinylinux")
        self.assertEqual(refused.code, 1)
        self.assertIn("blacklisted", refused.err)
        self.ran("modify", "--blacklisted=no", "tinylinux")
        self.assertIn("tinylinux", self.ran("list"))

    def test_parameters(self) -> None:
        """
        Parameters of all instances with an OS are set and shown.
        """
        self.ran("modify", "-O", "filesystem=ext3", "debootstrap")
        shown = self.gnt("os", "info", "debootstrap")
        self.assertIn("filesystem: ext3", shown.out)
