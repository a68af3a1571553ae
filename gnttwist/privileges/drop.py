"""
Becoming an unprivileged user, for good.
"""

import ctypes
import os
from pathlib import Path

from gnttwist.errors import GnttwistError
from gnttwist.privileges.accounts import Account

_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
# Loaded before a launcher forks: in a child it would take longer than all the rest.
_libc = ctypes.CDLL(None, use_errno=True)

STATUS = Path("/proc/self/status")


class CannotDrop(GnttwistError):
    """
    This process is not whom it was to be: it must end.
    """


def become(account: Account) -> None:
    """
    Become C{account}: its groups, its group, its user, in this order, as each needs the right that the last gives up.
    Neither this process nor what it starts can gain rights again, not by setuid programs either.

    @raise CannotDrop: It did not come out as asked; whatever happens next must not be work.
    """
    try:
        os.setgroups(account.groups)
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    except OSError as reason:
        raise CannotDrop(f"cannot become {account.name} ({account.uid}): {reason}") from reason
    verify(account)


def verify(account: Account) -> None:
    """
    Check that this process is C{account} in every respect, and cannot become root again.

    @raise CannotDrop: It is not.
    """
    wrong = []
    if os.getresuid() != (account.uid,) * 3:
        wrong.append(f"users {os.getresuid()}")
    if os.getresgid() != (account.gid,) * 3:
        wrong.append(f"groups {os.getresgid()}")
    # The kernel may list the primary group among them, or not.
    if set(os.getgroups()) - {account.gid} != set(account.groups) - {account.gid}:
        wrong.append(f"supplementary groups {os.getgroups()}")
    if account.uid == 0:
        wrong.append("root")
    wrong += _capabilities()
    if wrong:
        raise CannotDrop(f"not {account.name} after dropping privileges: {', '.join(wrong)}")


def _capabilities() -> list[str]:
    """
    Those sets of capabilities that should be empty and are not. The bounding set gives nothing by itself, and
    no-new-privileges takes it its meaning.
    """
    fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines() if ":" in line)
    sets = ("CapInh", "CapPrm", "CapEff", "CapAmb")
    return [f"{name} {fields[name].strip()}" for name in sets if int(fields[name], 16)]


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
