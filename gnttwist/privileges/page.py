"""
The documentation's tables of users and files: C{python -m gnttwist.privileges.page > docs/privileges.md}.
"""

import sys
from collections.abc import Iterable, Sequence

from gnttwist.privileges.accounts import GROUPS, MEMBERSHIPS, NAMES, ROOT
from gnttwist.privileges.daemons import DAEMONS, Daemon, may
from gnttwist.privileges.rules import RULES, Rule

INTRODUCTION = """\
# Who may do what

Made by `python -m gnttwist.privileges.page` from the tables that the daemons themselves use; a test compares it with
running daemons. `docs/operations.md` tells how to set this up.

Each daemon has a user of its own. It starts as that user, or drops root before it has read a byte from the network:
groups, group and user in this order, checked afterwards, with no-new-privileges set, so that it never gains rights
again. Only the launcher is root. It has no network, takes requests of at most 4 KiB from gnt-noded's user alone, and
starts nothing but the functions of the table in `gnttwist/wire/calls.py`, each as the user that the table names.

gnt-noded reads server.pem as a member of gnt-masterd, and for that sees the cluster's other secrets too. It is not in
gnt-daemons: it can open neither LUXI's socket nor another daemon's.

The users are Ganeti's, and `gnt-noded`. `/etc/ganeti/users` can name others, or give numbers:

    [users]
    noded = gnt-noded
    [groups]
    daemons = 2001

Without that file, and where one of the names is missing, all daemons of the node run as the user that starts them,
and say so in their logs once. A file with a mistake stops them.
"""


def render() -> str:
    """
    The whole page.
    """
    parts = [
        INTRODUCTION,
        "## Daemons\n",
        _table(["daemon", "user", "groups", "capabilities", "listens on", "what for"], map(_daemon, DAEMONS)),
        "Function processes are root, or gnt-noded's user without its groups; they listen on nothing.\n",
        "## Files\n",
        "What the kernel lets each daemon do with a file, by its user, groups and the modes of the file and of the\n"
        "directories above: `r` reads, `w` writes. `gnt node ensure-dirs` sets owners and modes right.\n",
        _table(["path", "mode", "owner:group", *(NAMES[each] for each in MEMBERSHIPS)], map(_rule, RULES)),
    ]
    return "\n".join(parts)


def _daemon(daemon: Daemon) -> list[str]:
    groups = [] if daemon.privileged else [NAMES[each] for each in (daemon.role, *MEMBERSHIPS[daemon.role])]
    listens = [*daemon.ports, *(f"`{each}`" for each in daemon.sockets)]
    return [
        daemon.name,
        _name(daemon.role),
        ", ".join(groups) or "-",
        "all" if daemon.privileged else "none",
        ", ".join(listens),
        daemon.purpose,
    ]


PLACES = {
    "data": "/var/lib/ganeti",
    "run": "/var/run/ganeti",
    "log": "/var/log/ganeti",
    "etc": "/etc/ganeti",
    "lock": "/var/lock",
}


def _rule(rule: Rule) -> list[str]:
    path = "/".join(each for each in (PLACES[rule.place], rule.below, rule.files) if each)
    owner = f"{_name(rule.owner)}:{_name(rule.group)}"
    return [
        f"`{path}`" + ("" if rule.files else "/") + (" (virtual clusters)" if rule.virtual else ""),
        f"{rule.mode:04o}",
        owner if rule.also is None else f"{owner} or {_name(rule.also)}'s",
        *(may(each, rule) or "-" for each in MEMBERSHIPS),
    ]


def _name(role: str) -> str:
    assert role == ROOT or role in GROUPS, "a role"
    return role if role == ROOT else NAMES[role]


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(each)} |\n" for each in lines)


if __name__ == "__main__":
    sys.stdout.write(render())
