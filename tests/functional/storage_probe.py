"""
What disks do on file systems of their own; run by L{tests.functional.test_storage} in a mount namespace of its own.

Prints a JSON object of what was found.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gnttwist.functions.registry import FunctionError
from gnttwist.functions.storage.blockdev import blockdev_create, blockdev_grow
from gnttwist.functions.storage.conversion import blockdev_convert
from gnttwist.functions.storage.extents import MIB
from gnttwist.paths import Paths
from tests.functions.context import Recorder, disk

STORAGE = "/srv/ganeti/file-storage"


def free(path: Path) -> int:
    """
    MiB that a file system has left.
    """
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize // MIB


def refusal(what: Callable[[], Any]) -> str:
    """
    How something fails.
    """
    try:
        what()
    except FunctionError as reason:
        return str(reason)
    return "done"


def full(context: Recorder, tree: Path) -> dict[str, Any]:
    """
    Make, grow and copy disks for which a file system of 16 MiB has no space.
    """
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16M", "none", str(tree)], check=True)
    own = {"preallocate": True}
    large = disk(f"{STORAGE}/large", params=own)
    found: dict[str, Any] = {"before": free(tree)}
    found["create"] = refusal(lambda: blockdev_create(context, large, 20, "", True, "", False))
    found["left"] = os.listdir(tree)
    small = disk(f"{STORAGE}/small", params=own, size=2)
    blockdev_create(context, small, 2, "", True, "", False)
    found["grow"] = refusal(lambda: blockdev_grow(context, small, 20, False, True, False))
    (tree / "small").unlink()
    old, new = disk(f"{STORAGE}/old"), disk(f"{STORAGE}/new", uuid="d2")
    for each in (old, new):
        blockdev_create(context, each, 12, "", True, "", False)
    with (tree / "old").open("r+b") as file:
        file.write(b"x" * (10 * MIB))
    found["convert"] = refusal(lambda: blockdev_convert(context, old, new))
    found["size"] = (tree / "new").stat().st_size
    (tree / "old").unlink()
    found["after"] = free(tree)
    return found


def reflink(context: Recorder, tree: Path) -> dict[str, Any]:
    """
    Copy a disk on a file system whose files can share data.
    """
    image = tree.parent / "image"
    with image.open("wb") as file:
        file.truncate(128 * MIB)
    subprocess.run(["mkfs.btrfs", "-q", str(image)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["mount", "-o", "loop", str(image), str(tree)], check=True)
    old, new = disk(f"{STORAGE}/old"), disk(f"{STORAGE}/new", uuid="d2")
    for each in (old, new):
        blockdev_create(context, each, 30, "", True, "", False)
    with (tree / "old").open("r+b") as file:
        file.write(os.urandom(30 * MIB))
    os.sync()
    before = free(tree)
    blockdev_convert(context, old, new)
    os.sync()
    same = (tree / "old").read_bytes() == (tree / "new").read_bytes()
    with (tree / "old").open("r+b") as file:
        file.write(b"changed")
    return {
        "same": same,
        "taken": before - free(tree),
        "apart": (tree / "new").read_bytes()[:7] != b"changed",
    }


def main() -> None:
    """
    Do one of the two below a directory.
    """
    what, above = sys.argv[1], Path(sys.argv[2])
    tree = above / "node1.example.com" / STORAGE[1:]
    tree.mkdir(parents=True)
    context = Recorder(Paths(above / "node1.example.com", "node1.example.com"))
    try:
        found = {"full": full, "reflink": reflink}[what](context, tree)
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", str(tree)], check=True, capture_output=True)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
