"""
Which files and directories a node has, whose they are, and what their modes are. Values only.

The names, modes, owners and groups are Ganeti's (reference: layout, section 11.3); those after "our own" are what
this project has beside them.
"""

import fnmatch
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from attrs import frozen

from gnttwist.paths import Paths

Place = Literal["data", "run", "log", "etc", "lock"]
"""
The trees, by their names in L{Paths}.
"""


@frozen
class Rule:
    """
    One directory, or the files that a pattern names.

    @ivar place: The tree that it is in.
    @ivar below: Its directory within the tree, or the directory itself; empty for the tree.
    @ivar files: A pattern of names; C{None} where the rule is of the directory.
    @ivar owner: A role of L{gnttwist.privileges.accounts.USERS}, or C{root}.
    @ivar group: A role of L{gnttwist.privileges.accounts.GROUPS}, or C{root}.
    @ivar also: Another role that may own it: of files that more than one daemon replaces.
    @ivar made: Whether a file is made where it is missing: its daemon may not write to the directory.
    @ivar virtual: Whether the rule is only for nodes of virtual clusters: elsewhere the tree is the system's.
    """

    place: Place
    below: str
    files: str | None
    mode: int
    owner: str
    group: str
    also: str | None = None
    made: bool = False
    virtual: bool = False

    @property
    def kind(self) -> int:
        """
        The type bits of what it is about; 0 for files of any kind.
        """
        return stat.S_IFDIR if self.files is None else stat.S_IFREG

    def tree(self, paths: Paths) -> Path:
        """
        The tree on this machine.
        """
        found: Path = getattr(paths, self.place)
        return found


def _directory(place: Place, below: str, mode: int, owner: str, group: str, virtual: bool = False) -> Rule:
    return Rule(place, below, None, mode, owner, group, virtual=virtual)


def _files(
    place: Place, below: str, names: str, mode: int, owner: str, group: str, also: str | None = None
) -> list[Rule]:
    return [Rule(place, below, each, mode, owner, group, also) for each in names.split()]


RULES: Sequence[Rule] = (
    _directory("data", "", 0o755, "masterd", "masterd"),
    *_files("data", "", "cluster-domain-secret", 0o640, "masterd", "masterd"),
    *_files("data", "", "config.data", 0o640, "masterd", "confd"),
    *_files("data", "", "hmac.key", 0o440, "confd", "masterd"),
    *_files("data", "", "known_hosts watcher.pause", 0o644, "masterd", "masterd"),
    *_files("data", "", "rapi.pem", 0o440, "rapi", "masterd"),
    *_files("data", "", "spice.pem spice-ca.pem", 0o440, "root", "masterd"),
    *_files("data", "", "server.pem client.pem", 0o440, "masterd", "masterd"),
    # Function processes write them as root, and on the master the exporter does.
    *_files("data", "", "ssconf_*", 0o444, "root", "root", also="masterd"),
    _directory("data", "rapi", 0o750, "rapi", "masterd"),
    *_files("data", "rapi", "users", 0o640, "rapi", "masterd"),
    _directory("run", "", 0o775, "masterd", "daemons"),
    _directory("run", "socket", 0o770, "masterd", "daemons"),
    _directory("run", "instance-disks", 0o755, "root", "masterd"),
    _directory("run", "instance-reason", 0o755, "root", "root"),
    _directory("run", "crypto", 0o700, "root", "masterd"),
    _directory("log", "", 0o770, "masterd", "daemons"),
    *_files("log", "", "master-daemon.log", 0o600, "masterd", "masterd"),
    *_files("log", "", "conf-daemon.log", 0o600, "confd", "masterd"),
    *_files("log", "", "rapi-daemon.log", 0o600, "rapi", "masterd"),
    *_files("log", "", "node-daemon.log", 0o600, "noded", "masterd"),
    _directory("log", "os", 0o750, "root", "daemons"),
    _directory("log", "kvm", 0o750, "root", "daemons"),
    # Our own.
    *_files("log", "", "launcher.log", 0o600, "root", "masterd"),
    *_files("data", "", "store.sqlite*", 0o600, "masterd", "masterd"),
    # Made by function processes, and not in use yet.
    *_files("data", "", "server.pem.next client.pem.next", 0o400, "root", "root"),
    # Sticky, so that the front end, which writes its registry here, cannot put another directory in spool's place.
    _directory("data", "noded", 0o1770, "root", "noded"),
    *_files("data", "noded", "registry*", 0o600, "noded", "noded"),
    _directory("data", "noded/spool", 0o770, "root", "noded"),
    _directory("run", "gnt-masterd-secrets", 0o700, "masterd", "masterd"),
    _directory("run", "launcher", 0o710, "root", "noded"),
    *_files("run", "", "gnt-launcher.pid", 0o644, "root", "root"),
    Rule("run", "", "ganeti-noded.pid", 0o644, "noded", "noded", made=True),
    *_files("run", "", "ganeti-confd.pid", 0o644, "confd", "confd"),
    *_files("run", "", "ganeti-luxid.pid", 0o644, "masterd", "masterd"),
    *_files("run", "", "ganeti-rapi.pid", 0o644, "rapi", "rapi"),
    *_files("etc", "", "users file-storage-paths", 0o644, "root", "root"),
    # As the system's own is.
    _directory("lock", "", 0o1777, "root", "root", virtual=True),
    *_files("lock", "", "ganeti-ssconf.lock", 0o644, "root", "root", also="masterd"),
)


def rule_of(paths: Paths, file: Path) -> Rule | None:
    """
    The rule of a file, by its path on this machine.
    """
    for rule in RULES:
        if rule.files is None or file.parent != rule.tree(paths) / rule.below:
            continue
        if fnmatch.fnmatchcase(file.name, rule.files):
            return rule
    return None
