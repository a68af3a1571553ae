"""
A sandbox whose daemons have users of their own, on machines where other users may not reach the interpreter too.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import gnttwist
from gnttwist.sandbox.layout import Sandbox, read_state

DEADLINE = 120


def cannot() -> str | None:
    """
    Why there can be no such sandbox here.
    """
    if os.geteuid() != 0:
        return "only root can start daemons as other users"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        return "mount namespaces are not to be had here"
    return None


def _needed() -> list[Path]:
    """
    What daemons read of this installation.
    """
    return [Path(sys.base_prefix), Path(sys.prefix), Path(gnttwist.__file__).parent.parent]


def opened(command: Sequence[str]) -> list[str]:
    """
    A command that runs another where all users reach this installation: directories above it that are closed to
    them are covered, in a mount namespace, by empty ones that have nothing but it.
    """
    closed: dict[Path, list[Path]] = {}
    for place in _needed():
        shut = [each for each in reversed(place.parents) if not each.stat().st_mode & 0o001]
        if shut:
            closed.setdefault(shut[0], []).append(place)
    lines = ["set -e", "stash=$(mktemp -d)", "mount -t tmpfs -o mode=700 tmpfs $stash"]
    number = 0
    for top, places in closed.items():
        first = number
        for place in places:
            lines += [f"mkdir $stash/{number}", f"mount --bind {shlex.quote(str(place))} $stash/{number}"]
            number += 1
        lines.append(f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(top))}")
        for position, place in enumerate(places, first):
            quoted = shlex.quote(str(place))
            lines += [f"mkdir -p {quoted}", f"mount --bind $stash/{position} {quoted}"]
    lines += ["umount -l $stash", "rmdir $stash", f"exec {shlex.join(command)}"]
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(lines)]


def gnt(*arguments: str) -> subprocess.CompletedProcess[str]:
    """
    Run C{gnt}.
    """
    command = [sys.executable, "-c", "from gnttwist.cli.main import main; main()", *arguments]
    return subprocess.run(opened(command), capture_output=True, text=True, timeout=DEADLINE, cwd="/")


def up(nodes: int = 1) -> Sandbox:
    """
    Make a sandbox.
    """
    directory = Path(tempfile.mkdtemp(prefix="gnt-"))
    directory.chmod(0o755)
    ended = gnt("sandbox", "up", "--dir", str(directory), "--nodes", str(nodes), "--users")
    assert ended.returncode == 0, ended.stderr
    return read_state(directory)


def down(sandbox: Sandbox) -> None:
    """
    Remove it.
    """
    ended = gnt("sandbox", "down", "--dir", sandbox.directory)
    assert ended.returncode == 0, ended.stderr
