"""
C{python -m gnttwist.launcher}: start the launcher, in the foreground or as a daemon.
"""

import argparse
import fcntl
import gc
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from gnttwist.functions.registry import Function
from gnttwist.launcher.child import load
from gnttwist.launcher.children import Children
from gnttwist.launcher.server import Launcher
from gnttwist.paths import BadRoot, Paths

ALREADY_RUNNING = 75
"""
The exit code when another launcher of this node runs (sysexits' C{EX_TEMPFAIL}).
"""

BACKLOG = 16
"""
Connections that may wait: there is one front end, and its successor.
"""


class CannotStart(Exception):
    """
    The launcher cannot run here; C{args} are a sentence and the exit code.
    """


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("gnttwist.launcher", description="Forks function processes.")
    parser.add_argument("--root", help="the directory that all paths lie below")
    parser.add_argument(
        "--daemonize", action="store_true", help="go to the background once the socket listens"
    )
    parser.add_argument(
        "--front-end-uid", type=int, action="append", default=[], help="a user that is served too"
    )
    parser.add_argument("--functions", help="module:name of another table of functions")
    return parser.parse_args(arguments)


def _lock(paths: Paths) -> None:
    """
    Become the launcher of this node: the pid file's lock is held to the end of the process.
    """
    while True:
        descriptor = os.open(paths.launcher_pid, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as reason:
            raise CannotStart("a launcher runs already", ALREADY_RUNNING) from reason
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), paths.launcher_pid.stat()):
                break
        # The launcher before was just removing its file when we opened it.
        os.close(descriptor)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, b"%d\n" % os.getpid())


def _listen(paths: Paths, uids: Sequence[int]) -> socket.socket:
    """
    The socket, in a directory of its own. The lock is held, so an old socket is a dead launcher's.
    """
    place = paths.launcher_socket
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.parent.chmod(0o700)
    place.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind(str(place))
    except OSError as reason:
        raise CannotStart(f"cannot listen on {place}: {reason}", 1) from reason
    place.chmod(0o600)
    for uid in uids:
        os.chown(place.parent, uid, -1)
        os.chown(place, uid, -1)
    listener.listen(BACKLOG)
    return listener


def _daemonize(paths: Paths) -> int:
    """
    Fork twice, so that the launcher is nobody's child and outlives whoever asked for it.

    @return: In the daemon, where to say that it is ready; the first process ends when that was said.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    first = os.fork()
    if first:
        os.close(writer)
        os.waitpid(first, 0)
        with os.fdopen(reader, "rb") as file:
            said = file.read(4096)
        code, _, text = said.partition(b" ")
        if text:
            os.write(2, text)
        os._exit(int(code or b"1"))
    os.close(reader)
    os.setsid()
    if os.fork():
        os._exit(0)
    log = paths.daemon_log("gnt-launcher")
    log.parent.mkdir(parents=True, exist_ok=True)
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.closerange(3, writer)
    os.closerange(writer + 1, os.sysconf("SC_OPEN_MAX"))
    return writer


def _clean_environment(paths: Paths) -> None:
    """
    Function processes inherit this environment, whoever started the launcher.
    """
    os.environ.clear()
    os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    os.environ["LANG"] = os.environ["LC_ALL"] = "C.UTF-8"
    os.environ["HOME"] = "/"
    if str(paths.root) != "/":
        os.environ["GANETI_ROOTDIR"] = str(paths.root)
        os.environ["GANETI_HOSTNAME"] = paths.hostname


def _prepare(paths: Paths, options: argparse.Namespace, functions: Mapping[str, Function]) -> Launcher:
    _lock(paths)
    children = Children(paths, functions)
    children.discover()
    listener = _listen(paths, options.front_end_uid)
    return Launcher(listener, children, frozenset({os.geteuid(), *options.front_end_uid}))


def main(arguments: Sequence[str]) -> int:
    """
    Be the launcher.
    """
    options = _options(arguments)
    try:
        paths = Paths.from_root(options.root)
        functions = load(options.functions)
        for each in (paths.run, paths.spool):
            each.mkdir(parents=True, exist_ok=True)
        paths.spool.chmod(0o700)
    except (BadRoot, ImportError, AttributeError, OSError) as reason:
        sys.stderr.write(f"gnttwist.launcher: {reason}\n")
        return 1
    ready = _daemonize(paths) if options.daemonize else None
    os.umask(0o077)
    os.chdir("/")
    _clean_environment(paths)
    try:
        launcher = _prepare(paths, options, functions)
    except (CannotStart, OSError) as reason:
        code = reason.args[1] if isinstance(reason, CannotStart) else 1
        text = f"gnttwist.launcher: {reason.args[0] if isinstance(reason, CannotStart) else reason}"
        os.write(
            2 if ready is None else ready, (text if ready is None else f"{code} {text}").encode() + b"\n"
        )
        return int(code)
    if ready is not None:
        os.write(ready, b"0 ")
        os.close(ready)
    # Whatever is here by now stays: a collection in a child would copy every page that it looks at.
    gc.collect()
    gc.disable()
    gc.freeze()
    launcher.run()
    paths.launcher_socket.unlink(missing_ok=True)
    paths.launcher_pid.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
