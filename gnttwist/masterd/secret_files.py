"""
Jobs' secrets in files that are in memory: they outlive the daemon, and not the machine's next start.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
from attrs import define

from twisted.logger import Logger

from gnttwist.jobs.vault import NoVault, Secrets, Vault
from gnttwist.model.opcode import Parameters

MOUNTS = Path("/proc/self/mountinfo")
IN_MEMORY = frozenset({"tmpfs", "ramfs"})


@define(eq=False, repr=False)
class SecretFiles:
    """
    One file for each job, readable for this user alone.

    @ivar _directory: In a file system that is in memory.
    """

    _log = Logger()
    _directory: Path

    def keep(self, job: int, secrets: Secrets) -> None:
        """
        Write the file. If that fails, the secrets are in memory alone, which the log tells.
        """
        fresh = self._directory / f".{job}"
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            fresh.unlink(missing_ok=True)
            file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(file, "wb") as opened:
                opened.write(msgspec.json.encode(list(secrets)))
            fresh.rename(self._directory / str(job))
        except OSError as reason:
            self._log.warn(
                "the secrets of job {job} would be lost with this daemon: {reason}",
                job=job,
                reason=reason.strerror,
            )

    def drop(self, job: int) -> None:
        """
        Remove the file.
        """
        with suppress(OSError):
            (self._directory / str(job)).unlink()

    def kept(self) -> dict[int, Secrets]:
        """
        What the files hold; what is none of them is left out.
        """
        return dict(self._found())

    def _found(self) -> Iterator[tuple[int, Secrets]]:
        try:
            names = os.listdir(self._directory)
        except OSError:
            return
        for name in names:
            if name.isascii() and name.isdigit():
                with suppress(OSError, msgspec.DecodeError):
                    content = (self._directory / name).read_bytes()
                    yield int(name), msgspec.json.decode(content, type=list[dict[str, Parameters]])


def vault(directory: Path, mounts: Path = MOUNTS) -> Vault:
    """
    Where secrets are kept.

    @param directory: Made when it is needed.
    @return: Files, if they would be in memory; what was on a disk once can be read from it for a long time.
    """
    return SecretFiles(directory) if in_memory(directory, mounts) else NoVault()


def in_memory(path: Path, mounts: Path = MOUNTS) -> bool:
    """
    Whether what is at a path is in a file system without a disk.
    """
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return False
    whole = Path(os.path.realpath(path))
    best, kind = Path(), ""
    for line in lines:
        before, _, after = line.partition(" - ")
        place = Path(before.split(" ")[4].encode().decode("unicode_escape"))
        # Of several at one place the last counts.
        if whole.is_relative_to(place) and len(place.parts) >= len(best.parts):
            best, kind = place, after.split(" ")[0]
    return kind in IN_MEMORY
