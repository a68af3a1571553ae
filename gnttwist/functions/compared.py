"""
Files that C{node_verify} looks at for the master: those that all nodes have alike, by their digests, and the
administrator's scripts.

Only files that are named here: as root, a digest of any file would tell a caller that can guess its content what is
in it, and looking for any file would tell what is there.
"""

import hashlib
import os
import stat
from collections.abc import Sequence

from gnttwist.functions import uploads
from gnttwist.functions.arguments import canonical
from gnttwist.functions.registry import Context, FunctionError

COMPARED = frozenset({"/var/lib/ganeti/server.pem", "/etc/ganeti/file-storage-paths"}) | uploads.ALLOWED
"""
What masters compare (reference: node daemon RPC, section 4.6), beside simple configuration values and L{SCRIPTS}:
what they give to nodes, and what nodes have from elsewhere.
"""

SSCONF = "/var/lib/ganeti/ssconf_"

SCRIPTS = frozenset({"/etc/ganeti/scripts/master-ip-setup"})
"""
The administrator's scripts that Ganeti knows: the one that moves the master's address.
"""


def digests(context: Context, paths: Sequence[str]) -> dict[str, str]:
    """
    SHA-1 digests of those files that are there.

    @param paths: Without the root.
    @raise FunctionError: One is no file that masters compare.
    """
    found = {}
    for each in paths:
        path = canonical(each)
        known = path in COMPARED | SCRIPTS or path.removeprefix(SSCONF) in uploads.SSCONF_KEYS
        _check(each, known, "compared")
        found[each] = _digest(str(context.paths.real(path)))
    return {path: digest for path, digest in found.items() if digest is not None}


def unusable_scripts(context: Context, paths: Sequence[str]) -> list[str]:
    """
    Those scripts that are not there, or not executable.

    @param paths: Without the root.
    @raise FunctionError: One is no script that Ganeti knows.
    """
    unusable = []
    for each in paths:
        path = canonical(each)
        _check(each, path in SCRIPTS, "looked at as a script")
        if not os.access(context.paths.real(path), os.X_OK, effective_ids=True):
            unusable.append(each)
    return unusable


def _check(path: str, known: bool, what: str) -> None:
    if not known:
        raise FunctionError(f"Files such as {path!r:.200} are not {what} by this node")


def _digest(path: str) -> str | None:
    try:
        # Opening a FIFO would wait for somebody to write, and what a link leads to is not in the list.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return hashlib.file_digest(file, "sha1").hexdigest()
