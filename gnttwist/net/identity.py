"""
A daemon's first service: it becomes the daemon's own user before any other part of it starts.
"""

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import define, field

from twisted.application.service import Service
from twisted.logger import Logger

import gnttwist
from gnttwist.errors import GnttwistError
from gnttwist.privileges.accounts import Account, Accounts, is_root
from gnttwist.privileges.drop import CannotDrop, become


def _nothing() -> None:
    pass


@define(eq=False, slots=False, repr=False)
class Identity(Service):
    """
    Drops root's privileges, where the daemon was started with them and its user is known.

    It is the first child of the daemon's services, so nothing has been read from the network then, and every file
    that the daemon makes is its user's.

    @ivar _daemon: The daemon's name, for messages.
    @ivar _before: The last thing to do as root. Blocks: the reactor does not run yet.
    @ivar _files: Files that it needs in directories that it may not write to.
    """

    _log = Logger()
    _daemon: str
    _role: str
    _accounts: Accounts
    _before: Callable[[], None] = _nothing
    _files: Sequence[Path] = ()
    _done: bool = field(default=False, init=False)

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        self._settle()

    def startService(self) -> None:
        super().startService()
        self._settle()

    def _settle(self) -> None:
        """
        @raise SystemExit: It cannot be done; its text is for whoever started the daemon.
        """
        if self._done:
            return
        self._done = True
        if not self._accounts.separate:
            self._log.info(
                "everything on this node runs as user {uid}: {reason}",
                uid=os.geteuid(),
                reason=self._accounts.lacking,
            )
        elif not is_root():
            self._log.info("started as user {uid}, without root", uid=os.geteuid())
        else:
            account = self._accounts.daemon(self._role)
            try:
                self._before()
                for each in self._files:
                    _give(each, account)
                become(account)
            except (GnttwistError, OSError) as reason:
                raise SystemExit(f"{self._daemon}: cannot start: {reason}") from reason
            self._check_readable(account)
            self._log.info("runs as {name}, user {uid}", name=account.name, uid=account.uid)

    def _check_readable(self, account: Account) -> None:
        """
        Modules are also imported later: better no daemon than one that fails at the first rare request.
        """
        for module in (os, gnttwist):
            if not os.access(module.__file__ or "", os.R_OK):
                raise SystemExit(
                    f"{self._daemon}: cannot start: {account.name} may not read {module.__file__}; "
                    "install Python and gnttwist where every user may read them"
                )


def _give(path: Path, account: Account) -> None:
    """
    Make a file, and give it to C{account}. Others may write to its directory, so it must be what it seems.

    @raise CannotDrop: It is something else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o644)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_uid not in (0, account.uid):
            raise CannotDrop(f"{path} is not {account.name}'s file")
        os.fchown(descriptor, account.uid, account.gid)
    finally:
        os.close(descriptor)
