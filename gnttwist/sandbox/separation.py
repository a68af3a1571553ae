"""
A sandbox whose daemons have users of their own, as on a machine that is a node.
"""

from pathlib import Path

from gnttwist.privileges.accounts import is_root, load, numbered, users_file
from gnttwist.privileges.ensure import ensure
from gnttwist.sandbox.layout import Sandbox, SandboxError

FIRST_ID = 1_900_000_000
"""
The first of the numbers that are users and groups in sandboxes. The machine need not know them; systemd's list of
ids leaves 1879048192 to 2147483647 to nobody.
"""

LOGS = ("gnt-noded", "gnt-confd", "gnt-masterd", "gnt-rapi", "gnt-launcher")
"""
Whose logs are there from the start, so that each can be its daemon's.
"""


def check(directory: Path) -> None:
    """
    @raise SandboxError: Users of their own are not possible here.
    """
    if not is_root():
        raise SandboxError("--users needs root: only root can start daemons as other users")
    for each in directory.parents:
        if each.exists() and not each.stat().st_mode & 0o001:
            raise SandboxError(
                f"other users cannot reach {directory}, since {each} is closed to them: choose another directory"
            )


def separate(sandbox: Sandbox) -> None:
    """
    Give the files of a sandbox that was founded to the users of its daemons.

    @raise SandboxError: That is not possible.
    """
    for place in (sandbox.path, *(sandbox.path / each.name for each in sandbox.machines)):
        place.chmod(0o755)
    for node in sandbox.machines:
        paths = sandbox.paths(node)
        file = users_file(paths)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(numbered(FIRST_ID))
        for daemon in LOGS:
            paths.log.mkdir(parents=True, exist_ok=True)
            paths.daemon_log(daemon).touch()
        left = [each for each in ensure(paths, load(paths), repair=True) if not each.repaired]
        if left:
            raise SandboxError(f"{left[0].path} {left[0].wrong}")
