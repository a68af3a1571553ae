"""
C{python -m gnttwist.launcher}: start the launcher, in the foreground or as a daemon.
"""

import argparse
import gc
import os
import sys
from collections.abc import Mapping, Sequence

from gnttwist.functions.registry import Function
from gnttwist.launcher import groups, places
from gnttwist.launcher.child import load
from gnttwist.launcher.children import Children, UserOf
from gnttwist.launcher.places import CannotStart, open_own
from gnttwist.launcher.server import Launcher
from gnttwist.paths import BadRoot, Paths
from gnttwist.privileges.accounts import Accounts, BadUsers, is_root
from gnttwist.privileges.accounts import load as load_accounts
from gnttwist.wire.calls import FUNCTIONS


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("gnttwist.launcher", description="Forks function processes.")
    parser.add_argument("--root", help="the directory that all paths lie below")
    parser.add_argument(
        "--daemonize", action="store_true", help="go to the background once the socket listens"
    )
    parser.add_argument("--functions", help="module:name of another table of functions")
    return parser.parse_args(arguments)


def _daemonize(paths: Paths) -> int:
    """
    Fork twice, so that the launcher is nobody's child and outlives whoever asked for it.

    @return: In the daemon, where to say that it is ready; the first process ends when that was said.
    """
    log = paths.daemon_log("gnt-launcher")
    log.parent.mkdir(parents=True, exist_ok=True)
    output = open_own(log, os.O_WRONLY | os.O_APPEND, 0o640)
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
    nothing = os.open(os.devnull, os.O_RDONLY)
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


def _prepare(paths: Paths, accounts: Accounts, functions: Mapping[str, Function]) -> Launcher:
    user = places.front_end(accounts)
    if user is not None:
        # What the starter was a member of is no affair of any function's.
        os.setgroups([])
    places.lock(paths)
    if user is None:
        reason = accounts.lacking if is_root() else "this process is not root"
        sys.stderr.write(f"all functions run as user {os.geteuid()}: {reason}\n")
    group = None if user is None else user.gid
    found = groups.find(paths)
    children = Children(paths, functions, places.spools(paths, user), user_of(accounts, user), group, found)
    children.discover()
    listener = places.listen(paths, user)
    uids = {os.geteuid()} if user is None else {os.geteuid(), user.uid}
    return Launcher(listener, children, frozenset(uids))


def user_of(accounts: Accounts, user: places.FrontEnd | None) -> UserOf:
    """
    Whom each function runs as: whom the table of functions names. What is not in that table, as tests have it,
    gets the least.
    """
    if user is None:
        return lambda _: None
    return lambda name: accounts.function(FUNCTIONS[name].user if name in FUNCTIONS else "noded")


def main(arguments: Sequence[str]) -> int:
    """
    Be the launcher.
    """
    options = _options(arguments)
    try:
        paths = Paths.from_root(options.root)
        accounts = load_accounts(paths)
        functions = load(options.functions)
        paths.run.mkdir(parents=True, exist_ok=True)
    except (BadRoot, BadUsers, ImportError, AttributeError, OSError) as reason:
        sys.stderr.write(f"gnttwist.launcher: {reason}\n")
        return 1
    ready = None
    try:
        ready = _daemonize(paths) if options.daemonize else None
        os.umask(0o077)
        os.chdir("/")
        _clean_environment(paths)
        launcher = _prepare(paths, accounts, functions)
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
