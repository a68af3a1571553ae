"""
What keeps a guest that has broken out of its QEMU from reaching others: a user of its own, an empty root directory,
and fewer system calls (seed: KVM security; reference: KVM, section 10.1).

QEMU opens disks, sockets and its pid file as root and becomes the user before the guest's first instruction, so
those stay root's alone: a user of the pool has no right to any file.
"""

import os
import pwd
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import SystemRandom

from attrs import frozen

from gnttwist.functions.hypervisor.kvm import uidpool
from gnttwist.functions.hypervisor.kvm.places import Places
from gnttwist.functions.registry import FunctionError

MODELS = ("none", "user", "pool")

HELP_TIMEOUT = 10.0
"""
Seconds for QEMU to tell its options, which takes it 0.02.
"""

SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
SANDBOX_DROPPING = "on,obsolete=deny,spawn=deny,resourcecontrol=deny"
"""
System calls that QEMU denies itself: a guest that breaks out can start no program. Where QEMU itself becomes
another user, it must be able to, and what it is denied by C{elevateprivileges} is of no use to a user without rights.
"""


@frozen
class Confinement:
    """
    How one guest is confined.

    @ivar runas: The user in QEMU's words, or C{None} to stay what it is.
    @ivar lease: The user of the pool, while it is held.
    @ivar chroot: The empty directory, or C{None}.
    """

    runas: str | None = None
    lease: uidpool.Lease | None = None
    chroot: Path | None = None

    @property
    def sandbox(self) -> str:
        """
        The value of C{-sandbox}.
        """
        return SANDBOX if self.runas is None and self.chroot is None else SANDBOX_DROPPING

    @property
    def descriptors(self) -> tuple[int, ...]:
        """
        What QEMU inherits: it holds the user as long as it is there.
        """
        return () if self.lease is None else (self.lease.descriptor,)

    def words(self, program: str) -> list[str]:
        """
        The end of the command line, from C{-sandbox} on.

        @param program: QEMU, which is asked how it wants to be told.
        """
        words = ["-sandbox", self.sandbox]
        if self.runas is None and self.chroot is None:
            return words
        if _has_run_with(program):
            parts = [f"user={self.runas}"] if self.runas is not None else []
            parts += [f"chroot={str(self.chroot).replace(',', ',,')}"] if self.chroot is not None else []
            return [*words, "-run-with", ",".join(parts)]
        words += ["-runas", self.runas] if self.runas is not None else []
        return words + (["-chroot", str(self.chroot)] if self.chroot is not None else [])


def check(model: str, domain: str) -> None:
    """
    Whether the parameters C{security_model} and C{security_domain} fit together; the reference has the rules.

    @raise FunctionError: They do not.
    """
    if model not in MODELS:
        raise FunctionError(f"Hypervisor parameter security_model={model!r} is none of {', '.join(MODELS)}")
    if model == "user" and not domain:
        raise FunctionError("security_model=user needs a security_domain: the name of the user")
    if model != "user" and domain:
        raise FunctionError(f"security_domain={domain!r} has a meaning with security_model=user only")


def check_user(name: str) -> None:
    """
    Whether guests may run as the user.

    @raise FunctionError: There is none of this name on the node, or it is root.
    """
    try:
        found = pwd.getpwnam(name)
    except (KeyError, ValueError) as reason:
        raise FunctionError(f"security_domain: there is no user {name!r} on this node") from reason
    if found.pw_uid == 0:
        raise FunctionError(f"security_domain: {name!r} is root, which confines nothing")


@contextmanager
def prepared(
    places: Places, instance: str, *, model: str, domain: str, use_chroot: bool, pool: Path, uids: Path
) -> Iterator[Confinement]:
    """
    Take what a guest needs, for as long as it is being started; from then on QEMU holds it.

    @param pool: The file of the cluster's pool.
    @param uids: The directory of the pool's locks.
    @raise FunctionError: It is not to be had.
    """
    check(model, domain)
    if (model != "none" or use_chroot) and os.geteuid() != 0:
        raise FunctionError("security_model and use_chroot need root, which node functions do not have here")
    with ExitStack() as taken:
        lease, runas = None, None
        if model == "user":
            check_user(domain)
            runas = domain
        elif model == "pool":
            lease = uidpool.take(_pool(pool), uids, SystemRandom())
            taken.callback(os.close, lease.descriptor)
            runas = uidpool.name_of(lease.uid)
            places.uid(instance).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            places.uid(instance).write_text(str(lease.uid))
        yield Confinement(runas, lease, _empty(places, instance) if use_chroot else None)


def _pool(file: Path) -> uidpool.Pool:
    try:
        return uidpool.read(file.read_text())
    except OSError as reason:
        raise FunctionError(f"The cluster's uid_pool cannot be read: {reason}") from reason


def clean(places: Places, instance: str, uids: Path) -> None:
    """
    Give back what a guest that is gone had.
    """
    with suppress(FileNotFoundError, ValueError):
        uid = int(places.uid(instance).read_text())
        places.uid(instance).unlink()
        uidpool.release(uids, uid)
    root = places.chroot(instance)
    try:
        root.rmdir()
    except FileNotFoundError:
        pass
    except OSError:
        # Something is in it. That is evidence, and the next guest gets a fresh one.
        quarantine = places.quarantine
        quarantine.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = time.strftime("%Y-%m-%d_%H_%M_%S")
        root.rename(Path(tempfile.mkdtemp(prefix=f"{instance}-{stamp}-", dir=quarantine)) / "root")


def _empty(places: Places, instance: str) -> Path:
    root = places.chroot(instance)
    root.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    # Root's, and not writable for the guest's user: nothing can ever be in it.
    root.mkdir(mode=0o700)
    return root


def _has_run_with(program: str) -> bool:
    """
    Whether this QEMU has C{-run-with user=}, which takes the place of C{-runas} and C{-chroot} from version 9 on.

    @raise FunctionError: It does not tell its options.
    """
    try:
        done = subprocess.run(
            [program, "-help"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HELP_TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as reason:
        raise FunctionError(f"{program} does not tell its options: {reason}") from reason
    return has_run_with(done.stdout)


def has_run_with(text: str) -> bool:
    """
    Whether what C{-help} prints has the option with all that is needed.
    """
    for line in text.splitlines():
        if line.startswith("-run-with"):
            return "user=" in line and "chroot=" in line
    return False
