"""
Fetch what the interoperability tests run: Debian's Ganeti, unpacked and not installed, and the Python it needs.

C{python -m tests.interop.prepare DIRECTORY} is run by C{make interop}; a second run finds its work done. Where the
packages cannot be had, it says so and leaves a note that the tests show as the reason they are skipped.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

PACKAGES = (
    "ganeti-3.0",
    "ganeti-haskell-3.0",
    "ganeti-htools-3.0",
    "libpcre3",
    "ganeti-os-noop",
    "ganeti-instance-debootstrap",
)
"""
The fourth is a library that the programs in the two before it need, and few machines still have; the last two are
operating system definitions.
"""
REQUIREMENTS = (
    # The versions in Debian 12, which these tools were released with; the others are whatever is current.
    "pyOpenSSL==23.0.0",
    "cryptography==38.0.4",
    "paramiko==2.12.0",
    "bitarray",
    "psutil",
    "pycurl",
    "pyinotify",
    "pyparsing",
    "setuptools",
    "simplejson",
)
TIMEOUT = 300


class Unavailable(Exception):
    """
    Something could not be fetched.
    """


def run(*command: str, cwd: Path) -> str:
    """
    Run a command to its end and return its output.

    @raise Unavailable: It failed; the text has its last lines.
    """
    try:
        done = subprocess.run(
            command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired) as reason:
        raise Unavailable(f"{command[0]}: {reason}") from reason
    if done.returncode != 0:
        tail = " / ".join((done.stdout + done.stderr).strip().splitlines()[-2:])
        raise Unavailable(f"{' '.join(command[:3])} failed: {tail}")
    return done.stdout


def fetch_packages(directory: Path) -> None:
    """
    Download the packages and unpack them below C{directory}/root.
    """
    downloads = directory / "packages"
    downloads.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if not list(downloads.glob(f"{package}_*.deb")):
            try:
                run("apt-get", "download", package, cwd=downloads)
            except Unavailable:
                # A fresh machine has no package lists yet; without root this fails, and says so.
                run("apt-get", "-qq", "update", cwd=downloads)
                run("apt-get", "download", package, cwd=downloads)
        archive = next(downloads.glob(f"{package}_*.deb"))
        run("dpkg", "-x", str(archive), str(directory / "root"), cwd=downloads)


def make_python(directory: Path) -> None:
    """
    A virtual environment with what Ganeti's tools import.
    """
    python = directory / "python"
    venv.create(python, with_pip=True, clear=True)
    run(str(python / "bin/pip"), "install", "-q", "--disable-pip-version-check", *REQUIREMENTS, cwd=directory)


def main(arguments: list[str]) -> int:
    """
    Prepare the directory that is named by the only argument.
    """
    directory = Path(arguments[0]).absolute()
    note = directory / "unavailable"
    complete = directory / "complete"
    # What it was made of: a cache that an older version of this program has made is completed.
    if complete.exists() and complete.read_text() == " ".join(PACKAGES):
        return 0
    directory.mkdir(parents=True, exist_ok=True)
    note.unlink(missing_ok=True)
    print("fetching Debian's Ganeti and what it needs")  # noqa: T201  # a program's output
    try:
        fetch_packages(directory)
        if not complete.exists():
            make_python(directory)
    except Unavailable as reason:
        shutil.rmtree(directory / "root", ignore_errors=True)
        note.write_text(f"{reason}\n")
        print(f"interoperability tests will be skipped: {reason}")  # noqa: T201
        return 0
    complete.write_text(" ".join(PACKAGES))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
