"""
Tests for L{gnttwist.functions.uploads}.
"""

import base64
import os
import stat
import zlib
from datetime import UTC, datetime

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from gnttwist.functions.arguments import VIRTUAL
from gnttwist.functions.registry import FunctionError
from gnttwist.functions.uploads import install_certificate, unpack, upload_file, write_ssconf_files
from gnttwist.net.certificates import new_cluster_certificate
from gnttwist.privileges.accounts import load, numbered, users_file
from tests.functions.context import NodeTestCase

CONFIG = "/var/lib/ganeti/config.data"


class UploadTests(NodeTestCase):
    """
    Tests for C{upload_file}.
    """

    def test_written(self) -> None:
        """
        An allowed file has the given content, mode and times.
        """
        upload_file(self.context, [CONFIG, [0, "{}\n"], 0o640, "gnt-masterd", None, 1000.5, 2000])
        file = self.root / "var/lib/ganeti/config.data"
        self.assertEqual(file.read_text(), "{}\n")
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o640)
        self.assertEqual(file.stat().st_mtime, 2000)
        self.assertEqual([each.name for each in file.parent.iterdir()], ["config.data"])

    def test_owners(self) -> None:
        """
        Where daemons have users of their own, a file goes to those of this node's table.
        """
        if os.geteuid() != 0:
            self.skipTest("only root can give files away")
        users_file(self.context.paths).parent.mkdir(parents=True, exist_ok=True)
        users_file(self.context.paths).write_text(numbered(70000))
        accounts = load(self.context.paths)
        upload_file(self.context, [CONFIG, [0, "{}"], 0o640, None, None, 0, 0])
        found = (self.root / "var/lib/ganeti/config.data").stat()
        self.assertEqual((found.st_uid, found.st_gid), (accounts.uid("masterd"), accounts.gid("confd")))

    def test_as_masters_send_it(self) -> None:
        """
        The mode may have the bits of a regular file, and the path the mark of a virtual cluster.
        """
        upload_file(self.context, [VIRTUAL + CONFIG, [0, "{}"], 0o100640, None, None, 0, 0])
        found = (self.root / "var/lib/ganeti/config.data").stat()
        self.assertEqual(found.st_mode, 0o100640)

    def test_not_allowed(self) -> None:
        """
        Only the listed files can be written; the cluster's private key is not among them.
        """
        for path in ("/var/lib/ganeti/server.pem", "/etc/passwd", "/var/lib/ganeti/../x", "config.data"):
            self.assertRaises(
                FunctionError, upload_file, self.context, [path, [0, ""], 0o600, None, None, 0, 0]
            )

    def test_wrong_shapes(self) -> None:
        """
        Arguments of the wrong form are refused and write nothing.
        """
        for wrong in (
            None,
            [CONFIG],
            [CONFIG, "text", 0o600, None, None, 0, 0],
            [CONFIG, [0, ""], 0o4755, None, None, 0, 0],
            [CONFIG, [0, ""], 0o104755, None, None, 0, 0],
            [CONFIG, [0, ""], 0o120777, None, None, 0, 0],
            [CONFIG, [0, ""], -1, None, None, 0, 0],
            [CONFIG, [1, "no base64"], 0o600, None, None, 0, 0],
            [CONFIG, [0, ""], "600", None, None, 0, 0],
        ):
            self.assertRaises(FunctionError, upload_file, self.context, wrong)
        self.assertEqual(list((self.root / "var/lib/ganeti").iterdir()), [])

    @given(st.text(max_size=2000))
    def test_compression(self, text: str) -> None:
        """
        Content arrives the same, compressed or not; cut short it is refused.
        """
        data = text.encode()
        packed = zlib.compress(data)
        self.assertEqual(unpack([0, text]), data)
        self.assertEqual(unpack([1, base64.b64encode(packed).decode()]), data)
        self.assertRaises(FunctionError, unpack, [1, base64.b64encode(packed[:-1]).decode()])


class SsconfTests(NodeTestCase):
    """
    Tests for C{write_ssconf_files}.
    """

    def test_written(self) -> None:
        """
        Values become read-only files of lines; an empty value is an empty file.
        """
        write_ssconf_files(
            self.context,
            {"cluster_name": "c.example.com", "node_list": ["a", "b"], "cluster_tags": [], "uid_pool": ""},
        )
        texts = {each.name: each.read_text() for each in (self.root / "var/lib/ganeti").iterdir()}
        self.assertEqual(
            texts,
            {
                "ssconf_cluster_name": "c.example.com\n",
                "ssconf_node_list": "a\nb\n",
                "ssconf_cluster_tags": "",
                "ssconf_uid_pool": "",
            },
        )
        self.assertEqual(stat.S_IMODE(self.context.paths.ssconf("node_list").stat().st_mode), 0o444)

    def test_refused(self) -> None:
        """
        Unknown names and values that Ganeti could not read back are refused, and nothing is written.
        """
        wrong: object
        for wrong in ({"node_list": [], "../x": "y"}, {"node_list": ["x" * 200_000]}, {"node_list": 7}, []):
            self.assertRaises(FunctionError, write_ssconf_files, self.context, wrong)
        self.assertEqual(list((self.root / "var/lib/ganeti").iterdir()), [])


class CertificateTests(NodeTestCase):
    """
    Tests for L{install_certificate}.
    """

    def test_written(self) -> None:
        """
        A key and its certificate replace what was there.
        """
        made = new_cluster_certificate(datetime.now(UTC))
        for pem in (made.pem(), evolve(made, others=(made.certificate,)).pem()):
            install_certificate(self.context, pem.decode())
            self.assertEqual(self.context.paths.server_pem.read_bytes(), pem)
            self.assertEqual(self.context.paths.server_pem.stat().st_mode & 0o777, 0o440)

    def test_refused(self) -> None:
        """
        With anything else nobody could call this node any more, so it is not taken.
        """
        first, second = (new_cluster_certificate(datetime.now(UTC)) for _ in range(2))
        mixed = evolve(first, certificate=second.certificate).pem()
        for wrong in ("", "key", mixed.decode(), first.pem().decode().partition("-----BEGIN CERT")[0]):
            self.assertRaises(FunctionError, install_certificate, self.context, wrong)
        self.assertFalse(self.context.paths.server_pem.exists())

    def test_directory(self) -> None:
        """
        The directory of the remote API's users is made where it is missing.
        """
        upload_file(self.context, ["/var/lib/ganeti/rapi/users", [0, "x"], 0o640, None, None, 0.0, 0.0])
        self.assertEqual((self.context.paths.data / "rapi").stat().st_mode & 0o777, 0o750)
