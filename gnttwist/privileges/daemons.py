"""
What each daemon is and listens on. Values only: the documentation is made from them, and a test compares them with
running daemons.
"""

from collections.abc import Sequence

from attrs import frozen

from gnttwist.privileges.accounts import MEMBERSHIPS, ROOT
from gnttwist.privileges.rules import RULES, Rule


@frozen
class Daemon:
    """
    One daemon.

    @ivar role: Whose user it is, or C{root}.
    @ivar ports: C{tcp/1811} and the like, on the node's own addresses.
    @ivar sockets: Unix sockets that it listens on, below the run directory.
    @ivar purpose: What it is for.
    """

    name: str
    role: str
    ports: tuple[str, ...]
    sockets: tuple[str, ...]
    purpose: str

    @property
    def privileged(self) -> bool:
        """
        Whether it is root, with all capabilities.
        """
        return self.role == ROOT


DAEMONS: Sequence[Daemon] = (
    Daemon("gnt-noded", "noded", ("tcp/1811",), (), "Takes calls from master candidates over mutual TLS."),
    Daemon("gnt-confd", "confd", ("udp/1814",), (), "Answers signed queries about the configuration."),
    Daemon(
        "gnt-masterd",
        "masterd",
        (),
        ("socket/ganeti-query", "socket/gnt-confd-feed"),
        "Has the configuration and runs jobs, on the master only.",
    ),
    Daemon(
        "gnt-rapi",
        "rapi",
        ("tcp/5080",),
        (),
        "Serves the remote API over HTTPS, by way of gnt-masterd's socket.",
    ),
    Daemon("gnt-launcher", ROOT, (), ("launcher/socket",), "Forks function processes for gnt-noded."),
)


def may(role: str, rule: Rule) -> str:
    """
    What a role's daemon may do with what a rule names: C{r}, C{w}, C{rw} or nothing. Root may do everything.
    """
    if role == ROOT:
        return "rw"
    if not _reaches(role, rule):
        return ""
    bits = _bits(role, rule)
    return ("r" if bits & 4 else "") + ("w" if bits & 2 else "")


def _bits(role: str, rule: Rule) -> int:
    if rule.owner == role:
        return rule.mode >> 6 & 7
    if rule.group in (role, *MEMBERSHIPS[role]):
        return rule.mode >> 3 & 7
    return rule.mode & 7


def _reaches(role: str, rule: Rule) -> bool:
    """
    Whether the role can pass all directories that lead to it. Those without a rule are open to everybody.
    """
    parts = rule.below.split("/") if rule.below else []
    depth = len(parts) if rule.files is not None else len(parts) - 1
    above = {"/".join(parts[:count]) for count in range(depth + 1)}
    return all(
        _bits(role, each) & 1
        for each in RULES
        if each.files is None and each.place == rule.place and each.below in above and each is not rule
    )
