"""
Which users and groups this node's processes are.

The file C{/etc/ganeti/users} says it, in two sections whose values are names or numbers::

    [users]
    noded = gnt-noded
    [groups]
    daemons = 2001

Roles that it leaves out have Ganeti's names. Without the file a system of its own uses Ganeti's names, where this
machine has all of them; a node of a virtual cluster, or one that lacks a name, has one user for everything.
"""

import grp
import os
import pwd
from collections.abc import Callable, Mapping
from configparser import ConfigParser, Error
from pathlib import Path

from attrs import field, frozen

from gnttwist.errors import GnttwistError
from gnttwist.paths import Paths

ROOT = "root"

NAMES: Mapping[str, str] = {
    "masterd": "gnt-masterd",
    "confd": "gnt-confd",
    "rapi": "gnt-rapi",
    "noded": "gnt-noded",
    "daemons": "gnt-daemons",
    "admin": "gnt-admin",
}
"""
Debian's names of the roles (reference: layout, section 11.1); C{gnt-noded} is ours, as Ganeti's runs as root.
"""

USERS = ("masterd", "confd", "rapi", "noded")
GROUPS = (*USERS, "daemons", "admin")

MEMBERSHIPS: Mapping[str, tuple[str, ...]] = {
    "masterd": ("daemons", "admin", "confd"),
    "confd": ("daemons",),
    "rapi": ("daemons", "admin"),
    # masterd's group may read server.pem. Not in daemons, who may open LUXI's socket: on the master, a node daemon
    # that was taken over would have the cluster.
    "noded": ("masterd",),
}
"""
The groups of each role's daemon beside its own. What the machine's group database says of the user is not asked.
"""

MOST_ID = 2**32 - 2
"""
The largest id; the one above means "leave as it is" to the kernel.
"""


class BadUsers(GnttwistError):
    """
    The users' file is damaged, or names somebody whom this machine does not know.
    """


@frozen
class Account:
    """
    What a process becomes.

    @ivar groups: Its supplementary groups.
    """

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@frozen
class Accounts:
    """
    The node's users.

    @ivar lacking: Why there is one user for everything; C{None} where each daemon has its own.
    """

    lacking: str | None
    _users: Mapping[str, int] = field(factory=dict)
    _groups: Mapping[str, int] = field(factory=dict)

    @property
    def separate(self) -> bool:
        """
        Whether each daemon has a user of its own.
        """
        return self.lacking is None

    def daemon(self, role: str) -> Account:
        """
        What the daemon of a role becomes. Only where they are separate.
        """
        groups = tuple(self._groups[each] for each in MEMBERSHIPS[role])
        return Account(NAMES[role], self._users[role], self._groups[role], groups)

    def function(self, role: str) -> Account | None:
        """
        What a function process becomes: the role's user, in no group but its own; C{None} means root.
        """
        if role == ROOT:
            return None
        return Account(NAMES[role], self._users[role], self._groups[role])

    def uid(self, role: str) -> int:
        """
        A user's number; root's is 0.
        """
        return 0 if role == ROOT else self._users[role]

    def gid(self, role: str) -> int:
        """
        A group's number; root's is 0.
        """
        return 0 if role == ROOT else self._groups[role]


ONE_USER = Accounts("no users are configured")
"""
For parts that run by themselves.
"""

Lookup = Callable[[str], int]
"""
From a name to its number; raises C{KeyError} where there is none.
"""


def _user(name: str) -> int:
    return pwd.getpwnam(name).pw_uid


def _group(name: str) -> int:
    return grp.getgrnam(name).gr_gid


def load(paths: Paths, user: Lookup = _user, group: Lookup = _group) -> Accounts:
    """
    This node's users.

    @raise BadUsers: The file cannot be used. A mistake there must not end in everything running as root.
    """
    file = users_file(paths)
    try:
        wanted = _parse(file.read_text())
    except FileNotFoundError:
        if str(paths.root) != "/":
            return Accounts(f"this is a node of a virtual cluster, and {file} does not exist")
        wanted = {}
    except (OSError, UnicodeDecodeError, Error, ValueError) as reason:
        raise BadUsers(f"cannot use {file}: {' '.join(str(reason).split())}") from reason
    try:
        users = {each: _number(wanted.get(("users", each), NAMES[each]), user) for each in USERS}
        groups = {each: _number(wanted.get(("groups", each), NAMES[each]), group) for each in GROUPS}
    except KeyError as reason:
        lacking = f"this machine has no {reason.args[0]}"
        if wanted:
            raise BadUsers(f"{file}: {lacking}") from reason
        return Accounts(lacking)
    except ValueError as reason:
        raise BadUsers(f"{file}: {reason}") from reason
    if len(set(users.values()) | {0}) <= len(users):
        raise BadUsers(f"{file}: the users must be different, and none of them root")
    return Accounts(None, users, groups)


def users_file(paths: Paths) -> Path:
    """
    The file that says who is who.
    """
    return paths.etc / "users"


def _parse(text: str) -> dict[tuple[str, str], str]:
    parser = ConfigParser(interpolation=None)
    parser.read_string(text)
    known = {"users": USERS, "groups": GROUPS}
    found = {
        (section, role): value for section in parser.sections() for role, value in parser[section].items()
    }
    if unknown := [f"[{section}] {role}" for section, role in found if role not in known.get(section, ())]:
        raise ValueError(f"unknown: {', '.join(unknown)}")
    return found


def _number(value: str, lookup: Lookup) -> int:
    if value.isdecimal():
        number = int(value)
        if number > MOST_ID:
            raise ValueError(f"{value} is no user's or group's number")
        return number
    try:
        return lookup(value)
    except KeyError:
        raise KeyError(f"user or group {value}") from None


def numbered(first: int) -> str:
    """
    The text of a users' file with numbers instead of names, which need not be known to the machine.
    """
    roles = {role: first + position for position, role in enumerate(GROUPS)}
    return "".join(
        f"[{section}]\n" + "".join(f"{role} = {roles[role]}\n" for role in members)
        for section, members in (("users", USERS), ("groups", GROUPS))
    )


def is_root() -> bool:
    """
    Whether this process can become anybody.
    """
    return os.geteuid() == 0
