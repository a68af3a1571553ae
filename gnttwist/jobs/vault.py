"""
Keeping jobs' secrets: never in the store, and where it can be done so that they outlive the daemon.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Protocol

from attrs import define, field, frozen

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


@define(eq=False, repr=False)
class HeldSecrets:
    """
    Secrets of the jobs that have not ended, in memory; what is in the vault goes with them.
    """

    _vault: Vault
    _held: dict[int, Secrets] = field(factory=dict, init=False)

    def restore(self, jobs: Container[int]) -> None:
        """
        Take up what the process before has kept.

        @param jobs: Those that have not ended.
        """
        for id, secrets in self._vault.kept().items():
            # One that is not here was never accepted, or has ended.
            if id in jobs:
                self._held[id] = secrets
            else:
                self._vault.drop(id)

    def add(self, job: int, secrets: Secrets) -> None:
        """
        Hold a job's, which are in the vault already.
        """
        if any(secrets):
            self._held[job] = secrets

    def of(self, job: int) -> Secrets:
        """
        A job's; empty where there are none, or they died with the process before.
        """
        return self._held.get(job, ())

    def forget(self, job: int) -> None:
        """
        A job needs its secrets no more.
        """
        if self._held.pop(job, None) is not None:
            self._vault.drop(job)
