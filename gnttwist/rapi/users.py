"""
The users file: who may use the remote API, and for what. Pure.

One user a line: C{name password [options]}. Options are Ganeti's C{read} and C{write}, separated by commas, or
roles and permissions: C{@operator,+nodes,-console}. They are applied from left to right.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping

from attrs import field, frozen

from gnttwist.errors import GnttwistError

REALM = "Ganeti Remote API"
"""
Ganeti's, which hashed passwords depend on.
"""

READ = "read"

PERMISSIONS: Mapping[str, str] = {
    READ: "what shows data; every user has it unless it is taken away",
    "query": "queries with chosen fields and filters",
    "console": "how to reach guests' consoles",
    "power": "starting, stopping, rebooting and moving instances",
    "instances": "creating, changing and removing instances",
    "nodes": "changing and emptying nodes",
    "groups": "node groups",
    "networks": "networks",
    "cluster": "the cluster's own parameters",
    "tags": "tags of everything",
    "jobs": "waiting for jobs, and cancelling them",
    "filters": "job filters",
    "submit": "whole jobs of any opcode",
    "metrics": "figures for monitoring",
}
"""
What each permission is for.
"""

ALL = frozenset(PERMISSIONS)

ROLES: Mapping[str, frozenset[str]] = {
    "reader": frozenset({READ, "query"}),
    "monitor": frozenset({READ, "query", "metrics"}),
    "operator": frozenset({READ, "query", "metrics", "console", "power", "jobs"}),
    "admin": ALL,
}
"""
What each role may do.
"""

_OPTIONS: Mapping[str, frozenset[str]] = {
    "read": frozenset({READ, "query", "console", "metrics"}),
    "write": ALL,
}
"""
What Ganeti's own options mean: C{read} is asked for by consoles and queries, C{write} by all the rest.
"""

FILE_LIMIT = 1024 * 1024
"""
Most bytes of a users file: ten thousand users.
"""

_SCHEME = re.compile(r"\{(?P<name>[^}]*)\}(?P<rest>.*)", re.DOTALL)


class BadUsersFile(GnttwistError):
    """
    The file cannot be read; the text names the line, and quotes no password.
    """


@frozen
class User:
    """
    Somebody who may use the remote API.

    @ivar secret: The password as the file has it.
    @ivar permissions: What the user may do, of L{PERMISSIONS}.
    """

    name: str
    secret: str = field(repr=False)
    permissions: frozenset[str]

    def has_password(self, password: str) -> bool:
        """
        Whether C{password} is this user's, in time that does not depend on how alike they are.
        """
        match _SCHEME.fullmatch(self.secret):
            case None:
                return _equal(self.secret, password)
            case scheme:
                kind = scheme["name"].lower()
        if kind == "cleartext":
            return _equal(scheme["rest"], password)
        if kind == "ha1":
            return _equal(scheme["rest"].lower(), hashed(self.name, password))
        return False


NOBODY = User("", "{HA1}-", frozenset())
"""
Who asks without a name, or with one that nobody has. No password hashes to this, and comparing takes as long.
"""


def hashed(name: str, password: str) -> str:
    """
    A password as C{{HA1}} has it: the MD5 of HTTP's digest authentication.
    """
    return hashlib.md5(f"{name}:{REALM}:{password}".encode(), usedforsecurity=False).hexdigest()


def parse(text: str) -> dict[str, User]:
    """
    Read a users file.

    @return: By name.
    @raise BadUsersFile: A line cannot be read.
    """
    users: dict[str, User] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if not 2 <= len(words) <= 3:
            raise BadUsersFile(f"line {number}: a user is a name, a password and options without spaces")
        name, secret = words[:2]
        if name in users:
            raise BadUsersFile(f"line {number}: the user {name} is there already")
        try:
            users[name] = User(name, secret, _permissions(words[2] if len(words) == 3 else ""))
        except BadUsersFile as reason:
            raise BadUsersFile(f"line {number}: {reason}") from None
    return users


def _permissions(options: str) -> frozenset[str]:
    granted = frozenset({READ})
    for each in filter(None, options.split(",")):
        match each[0], each[1:]:
            case "@", role if role in ROLES:
                granted |= ROLES[role]
            case "+", name if name in PERMISSIONS:
                granted |= {name}
            case "-", name if name in PERMISSIONS:
                granted -= {name}
            case _ if each in _OPTIONS:
                granted |= _OPTIONS[each]
            case _:
                raise BadUsersFile(
                    f"unknown option {each!r:.40}; there are read, write, the roles "
                    f"{', '.join('@' + role for role in ROLES)}, and + or - with "
                    f"{', '.join(PERMISSIONS)}"
                )
    return granted


def _equal(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode())
