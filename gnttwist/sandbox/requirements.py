"""
What the demonstration needs of the system, and getting it.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gnttwist.sandbox.layout import SandboxError

PROGRAMS: Mapping[str, str] = {"qemu-system-x86_64": "qemu-system-x86", "flock": "util-linux", "tar": "tar"}
"""
Programs that a guest of tinylinux needs, and the Debian packages that they are in. What goes into the guest is
fetched by tinylinux itself.
"""

Run = Callable[[Sequence[str]], int]
"""
Runs a command and gives its exit code.
"""


Find = Callable[[str], str | None]
"""
Where a program is: C{shutil.which}.
"""


def missing(find: Find = shutil.which) -> list[str]:
    """
    The Debian packages that are not there.
    """
    return sorted({package for program, package in PROGRAMS.items() if find(program) is None})


def can_install(
    environ: Mapping[str, str], uid: int, find: Callable[[str], str | None] = shutil.which
) -> bool:
    """
    Whether packages may be installed: as root, with Debian's tools, and unless C{GNT_NO_INSTALL} forbids it.
    """
    return uid == 0 and not environ.get("GNT_NO_INSTALL") and find("apt-get") is not None


def _run(command: Sequence[str]) -> int:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    ).returncode


def install(packages: Sequence[str], run: Run = _run) -> None:
    """
    Install Debian packages.

    @raise SandboxError: That fails; the text tells how to see why.
    """
    command = ["apt-get", "-qq", "-y", "--no-install-recommends", "install", *packages]
    # A fresh machine has no lists yet. A failure of this one shows in what follows.
    run(["apt-get", "-qq", "update"])
    if run(command) != 0:
        raise SandboxError(f"installing failed; try it yourself: {' '.join(command)}")


def hypervisor(
    environ: Mapping[str, str],
    uid: int,
    say: Callable[[str], None],
    find: Find = shutil.which,
    run: Run = _run,
) -> str:
    """
    Which hypervisor the demonstration uses, having installed what it needs.

    @param say: Told in a line what is done about missing packages.

    @raise SandboxError: Packages are missing and may not be installed.
    """
    wanted = environ.get("GNT_DEMO", "kvm")
    if wanted == "fake":
        say("GNT_DEMO=fake: the instance will be a fake one, without a guest")
        return "fake"
    if wanted != "kvm":
        raise SandboxError(f"GNT_DEMO={wanted}: only fake and kvm are known")
    packages = missing(find)
    if not packages:
        return "kvm"
    names = " ".join(packages)
    if can_install(environ, uid, find):
        say(f"installing {names}")
        install(packages, run)
        return "kvm"
    if uid != 0 and "GNT_DEMO" not in environ:
        say(
            f"{names} is missing and only root can install it, so the instance will be a fake one, without a guest"
        )
        return "fake"
    raise SandboxError(
        f"missing system packages: {names}; install them (apt-get install {names}), or use GNT_DEMO=fake"
    )


def private_directory(path: Path) -> None:
    """
    Make a directory that nobody else can have prepared.

    @raise SandboxError: It is there and somebody else's.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        status = path.lstat()
        if status.st_uid != os.getuid() or not path.is_dir() or path.is_symlink():
            raise SandboxError(f"{path} is there and not yours; name another one with GNT_DEMO_DIR") from None
