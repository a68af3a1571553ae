"""
What a sandbox consists of, and what its state file remembers. Values only.
"""

from pathlib import Path

import msgspec

from gnttwist.errors import GnttwistError
from gnttwist.paths import Paths

DOMAIN = "sandbox.test"
CLUSTER = f"cluster.{DOMAIN}"
STATE = "state.json"
SHARED = "shared"

MOST_NODES = 200
"""
Nodes of the largest sandbox: they share one /24 of loopback addresses.
"""

SOCKET_PATH_LIMIT = 107
"""
Bytes of the longest path that a unix socket can have (Linux, unix(7), without the final zero).
"""


class SandboxError(GnttwistError):
    """
    A sandbox cannot be made, found or stopped; the text is for the user.
    """


class SandboxNode(msgspec.Struct, frozen=True):
    """
    One node.
    """

    name: str
    address: str


class Daemon(msgspec.Struct, frozen=True):
    """
    A process that was started.

    @ivar started: When, in clock ticks since the machine's boot; with the pid it names one process for ever.
    """

    daemon: str
    node: str
    pid: int
    started: int


class Sandbox(msgspec.Struct, frozen=True, kw_only=True):
    """
    A sandbox, as its state file has it.

    @ivar directory: Where it is; absolute.
    @ivar users: Whether its daemons have users of their own.
    @ivar spares: Machines that are not in the cluster, to be taken into it.
    """

    version: int = 1
    directory: str
    hypervisor: str
    nodes: list[SandboxNode]
    users: bool = False
    spares: list[SandboxNode] = []
    daemons: list[Daemon] = []

    @property
    def path(self) -> Path:
        """
        The directory.
        """
        return Path(self.directory)

    @property
    def machines(self) -> list[SandboxNode]:
        """
        The nodes and the spare machines.
        """
        return [*self.nodes, *self.spares]

    @property
    def master(self) -> SandboxNode:
        """
        The first node.
        """
        return self.nodes[0]

    def paths(self, node: SandboxNode) -> Paths:
        """
        A node's places.
        """
        return Paths(self.path / node.name, node.name)

    def variables(self) -> dict[str, str]:
        """
        What points Ganeti's tools, and C{gnt}, to the first node.
        """
        return {"GANETI_ROOTDIR": str(self.path / self.master.name), "GANETI_HOSTNAME": self.master.name}


def new_sandbox(
    directory: Path, nodes: int, hypervisor: str, network: str, *, users: bool = False, spares: int = 0
) -> Sandbox:
    """
    The sandbox that C{gnt sandbox up} is asked for.

    @param network: The first three numbers of its addresses, C{127.x.y}.
    @param spares: How many spare machines.
    @raise SandboxError: There cannot be such a one.
    """
    if not 1 <= nodes <= nodes + max(spares, 0) <= MOST_NODES or spares < 0:
        raise SandboxError(f"a sandbox has 1 to {MOST_NODES} nodes and spare machines, not {nodes + spares}")
    machines = [SandboxNode(f"node{n}.{DOMAIN}", f"{network}.{n}") for n in range(1, nodes + spares + 1)]
    sandbox = Sandbox(
        directory=str(directory),
        hypervisor=hypervisor,
        users=users,
        nodes=machines[:nodes],
        spares=machines[nodes:],
    )
    _check_sockets(sandbox)
    return sandbox


def _check_sockets(sandbox: Sandbox) -> None:
    paths = sandbox.paths(sandbox.machines[-1])
    longest = max(len(bytes(each)) for each in (paths.luxi_socket, paths.launcher_socket))
    if longest > SOCKET_PATH_LIMIT:
        room = len(bytes(sandbox.path)) - (longest - SOCKET_PATH_LIMIT)
        raise SandboxError(
            f"{sandbox.directory} is too long a path for the sockets below it: "
            f"choose a directory of at most {room} characters"
        )


def read_state(directory: Path) -> Sandbox:
    """
    The sandbox in C{directory}.

    @raise SandboxError: There is none, or its state file is of a newer version.
    """
    try:
        sandbox = msgspec.json.decode((directory / STATE).read_bytes(), type=Sandbox)
    except FileNotFoundError:
        raise SandboxError(f"there is no sandbox in {directory}") from None
    except OSError as reason:
        raise SandboxError(f"cannot read {directory / STATE}: {reason.strerror}") from reason
    except msgspec.DecodeError as reason:
        raise SandboxError(f"{directory / STATE} is not a sandbox's state: {reason}") from reason
    if sandbox.version != 1:
        raise SandboxError(
            f"{directory / STATE} is of version {sandbox.version}, which this gnt does not know"
        )
    if sandbox.path != directory:
        raise SandboxError(f"the sandbox in {directory} was made as {sandbox.directory}; move it back")
    return sandbox


def write_state(sandbox: Sandbox) -> None:
    """
    Remember the sandbox, atomically: whatever kills us, what was started can be stopped.
    """
    temporary = sandbox.path / f".{STATE}.new"
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(sandbox), indent=1) + b"\n")
    temporary.rename(sandbox.path / STATE)
