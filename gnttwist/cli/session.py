"""
What commands share: which node they work on, and its connection to gnt-masterd.
"""

import time
from typing import Any

import click

from gnttwist.client.luxi import LuxiClient
from gnttwist.paths import Paths


class Session:
    """
    One run of C{gnt}.
    """

    def __init__(self, root: str | None) -> None:
        self._root = root
        self._client: LuxiClient | None = None

    @property
    def paths(self) -> Paths:
        """
        The node's places.

        @raise BadRoot: The root does not end in the node's name.
        """
        return Paths.from_root(self._root)

    @property
    def client(self) -> LuxiClient:
        """
        The connection to gnt-masterd, made when it is first used.
        """
        if self._client is None:
            self._client = self.connect()
        return self._client

    def connect(self) -> LuxiClient:
        """
        A connection of the caller's own, for who needs several.
        """
        return LuxiClient(self.paths.luxi_socket)

    def close(self) -> None:
        """
        End the connection, if there is one.
        """
        if self._client is not None:
            self._client.close()


pass_session = click.make_pass_decorator(Session)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")


def opcode(op_id: str, **parameters: Any) -> dict[str, Any]:
    """
    An opcode as it is submitted; parameters that are C{None} are left to their defaults.

    The reason trail's first entry says which command it was.
    """
    context = click.get_current_context()
    command = context.command_path.removeprefix("gnt ")
    return {
        "OP_ID": op_id,
        **{name: value for name, value in parameters.items() if value is not None},
        "reason": [["gnt:client:gnt", command, time.time_ns()]],
    }
