"""
Keeping jobs' secrets: never in the store, and where it can be done so that they outlive the daemon.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import frozen

from gnttwist.model.opcode import Parameters

Secrets = Sequence[Mapping[str, Parameters]]
"""
Of each opcode the secret parameters, which are never stored.
"""


class Vault(Protocol):
    """
    Where secrets are kept beside the daemon's own memory.
    """

    def keep(self, job: int, secrets: Secrets) -> None:
        """
        Keep a job's secrets; they outlive the daemon when this returns, if anything here can.
        """

    def drop(self, job: int) -> None:
        """
        Forget a job's secrets; those that are not kept are fine.
        """

    def kept(self) -> dict[int, Secrets]:
        """
        All that are kept, by job.
        """


@frozen
class NoVault:
    """
    Keeps nothing: a job whose secrets died with the daemon ends and says so.
    """

    def keep(self, job: int, secrets: Secrets) -> None:
        """
        Nothing.
        """

    def drop(self, job: int) -> None:
        """
        Nothing.
        """

    def kept(self) -> dict[int, Secrets]:
        """
        Nothing.
        """
        return {}
