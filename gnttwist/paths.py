"""
Where things live, under an optional root.

The names are Ganeti's (reference: directory layout). With a root, every path is below it, so one machine can
hold the directories of many nodes. The configuration and the wire carry paths without the root; L{Paths.real}
and L{Paths.canonical} translate.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import msgspec

from gnttwist.errors import GnttwistError


class BadRoot(GnttwistError):
    """
    The root's last component is not the node's name, or a path lies outside the root.
    """


class Paths(msgspec.Struct, frozen=True):
    """
    One node's places.

    @ivar root: What all paths lie below: C{/} on a node of its own.
    @ivar hostname: The node's name.
    """

    root: Path
    hostname: str

    @classmethod
    def from_root(cls, root: str | None, environ: Mapping[str, str] | None = None) -> "Paths":
        """
        The paths that C{--root}, or else C{GANETI_ROOTDIR} and C{GANETI_HOSTNAME}, ask for.

        @raise BadRoot: The root is relative, or its last component differs from the host name.
        """
        environ = os.environ if environ is None else environ
        given = root or environ.get("GANETI_ROOTDIR") or None
        if given is None:
            return cls(Path("/"), environ.get("GANETI_HOSTNAME") or socket.getfqdn())
        path = Path(os.path.normpath(os.path.abspath(given)))
        hostname = path.name if root else environ.get("GANETI_HOSTNAME", path.name)
        if path.name != hostname:
            raise BadRoot(f"the root {path} must end in the node's name {hostname}")
        return cls(path, hostname)

    def real(self, canonical: str | Path) -> Path:
        """
        Where C{canonical} (an absolute path without the root) is on this machine.

        @raise BadRoot: C{canonical} is relative or climbs with C{..}.
        """
        path = Path(canonical)
        if not path.is_absolute() or ".." in path.parts:
            raise BadRoot(f"not an absolute path without '..': {canonical}")
        return self.root / path.relative_to("/")

    def canonical(self, real: str | Path) -> str:
        """
        The path as the configuration and the wire have it.

        @raise BadRoot: C{real} is not below the root.
        """
        try:
            return "/" + str(Path(real).relative_to(self.root))
        except ValueError as reason:
            raise BadRoot(f"{real} is not below {self.root}") from reason

    @property
    def data(self) -> Path:
        """
        C{/var/lib/ganeti}.
        """
        return self.root / "var/lib/ganeti"

    @property
    def run(self) -> Path:
        """
        C{/var/run/ganeti}.
        """
        return self.root / "var/run/ganeti"

    @property
    def log(self) -> Path:
        """
        C{/var/log/ganeti}.
        """
        return self.root / "var/log/ganeti"

    @property
    def etc(self) -> Path:
        """
        C{/etc/ganeti}.
        """
        return self.root / "etc/ganeti"

    @property
    def srv(self) -> Path:
        """
        C{/srv/ganeti}.
        """
        return self.root / "srv/ganeti"

    @property
    def lock(self) -> Path:
        """
        C{/var/lock}.
        """
        return self.root / "var/lock"

    @property
    def store(self) -> Path:
        """
        The master's SQLite database.
        """
        return self.data / "store.sqlite"

    @property
    def config_export(self) -> Path:
        """
        The configuration in Ganeti's format, for confd and Ganeti's own tools.
        """
        return self.data / "config.data"

    @property
    def watcher_pause(self) -> Path:
        """
        Until when the watcher keeps still.
        """
        return self.data / "watcher.pause"

    def watcher_state(self, group: str) -> Path:
        """
        What the watcher remembers of a group, by the group's UUID.
        """
        return self.data / f"watcher.{group}.data"

    def watcher_status(self, group: str) -> Path:
        """
        Which states the watcher has seen a group's instances in.
        """
        return self.data / f"watcher.{group}.instance-status"

    def ssconf(self, key: str) -> Path:
        """
        The file of one simple configuration value.
        """
        return self.data / f"ssconf_{key}"

    @property
    def server_pem(self) -> Path:
        """
        The cluster's key and certificate.
        """
        return self.data / "server.pem"

    @property
    def client_pem(self) -> Path:
        """
        This node's key and certificate, signed with the cluster's key.
        """
        return self.data / "client.pem"

    @property
    def hmac_key(self) -> Path:
        """
        confd's key: the file's bytes, newline included.
        """
        return self.data / "hmac.key"

    @property
    def rapi_pem(self) -> Path:
        """
        The remote API's key and certificate.
        """
        return self.data / "rapi.pem"

    @property
    def rapi_users(self) -> Path:
        """
        Who may use the remote API.
        """
        return self.data / "rapi/users"

    @property
    def luxi_socket(self) -> Path:
        """
        The socket that all LUXI clients open.
        """
        return self.run / "socket/ganeti-query"

    @property
    def feed_socket(self) -> Path:
        """
        Where gnt-masterd tells this machine's gnt-confd of changes.
        """
        return self.run / "socket/gnt-confd-feed"

    @property
    def job_secrets(self) -> Path:
        """
        The directory of secrets of jobs that have not ended.
        """
        return self.run / "gnt-masterd-secrets"

    @property
    def uid_pool_locks(self) -> Path:
        """
        The directory of the locks of users that guests run as.
        """
        return self.run / "uid-pool"

    @property
    def launcher_socket(self) -> Path:
        """
        The launcher's socket.
        """
        return self.run / "launcher/socket"

    @property
    def launcher_pid(self) -> Path:
        """
        The launcher's pid file.
        """
        return self.pid("gnt-launcher")

    @property
    def call_registry(self) -> Path:
        """
        The durable record of keyed calls.
        """
        return self.data / "noded/registry"

    @property
    def spool(self) -> Path:
        """
        The directory of function processes' spool files.
        """
        return self.data / "noded/spool"

    def pid(self, daemon: str) -> Path:
        """
        A daemon's pid file, by Ganeti's names; C{daemon} is C{gnt-noded} and the like.
        """
        return self.run / f"{_PID_NAMES.get(daemon, daemon)}.pid"

    def daemon_log(self, daemon: str) -> Path:
        """
        A daemon's log file, by Ganeti's names.
        """
        return self.log / f"{_LOG_NAMES.get(daemon, daemon)}.log"

    @property
    def os_directories(self) -> tuple[Path, ...]:
        """
        Where OS definitions are looked for; the first that holds a name wins (Debian's search path).
        """
        return tuple(
            self.root / each
            for each in (
                "srv/ganeti/os",
                "usr/local/lib/ganeti/os",
                "usr/lib/ganeti/os",
                "usr/share/ganeti/os",
            )
        )

    @property
    def iallocator_directories(self) -> tuple[Path, ...]:
        """
        Where allocators are looked for; the first that holds a name wins (Debian's search path).
        """
        return tuple(
            self.root / each for each in ("usr/local/lib/ganeti/iallocators", "usr/lib/ganeti/iallocators")
        )


_PID_NAMES = {
    "gnt-noded": "ganeti-noded",
    "gnt-confd": "ganeti-confd",
    "gnt-masterd": "ganeti-luxid",
    "gnt-rapi": "ganeti-rapi",
}
_LOG_NAMES = {
    "gnt-noded": "node-daemon",
    "gnt-confd": "conf-daemon",
    "gnt-masterd": "master-daemon",
    "gnt-rapi": "rapi-daemon",
    "gnt-launcher": "launcher",
}
