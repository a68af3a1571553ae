"""
A node leaves its cluster: what it has of it is removed, and its daemons end.

In two parts, for the master still waits for the answer of the daemon that is to end: L{forget_secrets} at once, and a
process of its own (C{python -m gnttwist.functions.leaving}) for the rest a little later.
"""

import argparse
import fcntl
import os
import select
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

from gnttwist.functions.detached import start_detached
from gnttwist.paths import Paths
from gnttwist.privileges.accounts import ROOT, load

GRACE = 3.0
"""
Seconds between the answer and the end of the daemons: the master has it long before, unless it is being restarted.
"""

STOP_TIME = 20.0
"""
Seconds for a daemon to end in order before it is killed.
"""

LAST = "ssconf_master_candidates_certs"
"""
What the node daemon knows the master by, until its end.
"""

DAEMONS = (("gnt-rapi", "rapi"), ("gnt-confd", "confd"), ("gnt-noded", "noded"), ("gnt-launcher", ROOT))
"""
Those that a node may have, in the order of their end, and whose user each is.
"""


def is_master(paths: Paths) -> bool:
    """
    Whether the cluster's store is on this node.
    """
    return paths.store.exists()


def forget_secrets(paths: Paths, keep: str | None = None) -> None:
    """
    Remove keys, certificates and the configuration, but not what the node daemon needs to answer.

    @param keep: The name of a file that stays.
    @raise OSError: Something cannot be removed.
    """
    for each in sorted(paths.data.iterdir()):
        if each.name not in (LAST, keep) and (each.is_symlink() or each.is_file()):
            each.unlink()
    with suppress(FileNotFoundError):
        shutil.rmtree(paths.data / "rapi")
    with suppress(FileNotFoundError):
        shutil.rmtree(paths.run / "crypto")


def finish_later(paths: Paths) -> None:
    """
    Start the process that ends the daemons and removes the rest.
    """
    root = [] if paths.root == Path("/") else ["--root", str(paths.root)]
    start_detached([sys.executable, "-m", "gnttwist.functions.leaving", *root], "leaving")


def finish(paths: Paths, keep: str | None = None) -> None:
    """
    End this node's daemons, and remove everything that they kept.

    @param keep: The name of a file that stays.
    """
    accounts = load(paths)
    for daemon, role in DAEMONS:
        end(paths.pid(daemon), accounts.uid(role) if accounts.separate else os.geteuid())
    forget_secrets(paths, keep)
    with suppress(FileNotFoundError):
        (paths.data / LAST).unlink()
    with suppress(FileNotFoundError):
        shutil.rmtree(paths.data / "noded")


def end(pid_file: Path, user: int) -> None:
    """
    End the daemon that holds a pid file: in order, and if it takes too long, by force.

    @param user: Whose it is. The file is the daemon's to write, so one that was taken over may name any process
        there: others' are left alone.
    """
    pid = _holder(pid_file)
    if pid is None:
        return
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # Still the same: what held the file when its number was read may have ended before it was opened.
        if _holder(pid_file) != pid or _user(pid) != user:
            return
        signal.pidfd_send_signal(process, signal.SIGTERM)
        if not select.select([process], [], [], STOP_TIME)[0]:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            select.select([process], [], [], STOP_TIME)
    except ProcessLookupError:
        return
    finally:
        os.close(process)


def _user(pid: int) -> int | None:
    """
    Whom a process acts for. By what the kernel says in words: the owner of its directory may be root all the same.
    """
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    return next(int(each.split()[2]) for each in text.splitlines() if each.startswith("Uid:"))


def _holder(pid_file: Path) -> int | None:
    """
    The process that a pid file names, if there is one that holds the file.
    """
    try:
        with pid_file.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read(20))
    except (FileNotFoundError, ValueError):
        pass
    return None


def main(arguments: list[str] | None = None) -> None:
    """
    What the process does.
    """
    parser = argparse.ArgumentParser(prog="gnttwist.functions.leaving")
    parser.add_argument("--root")
    given = parser.parse_args(arguments)
    signal.sigtimedwait([], GRACE)
    finish(Paths.from_root(given.root, {}))


if __name__ == "__main__":
    main()
