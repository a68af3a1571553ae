"""
Processes that outlive the call that starts them.
"""

import subprocess
from collections.abc import Sequence

from gnttwist.functions.registry import GUEST_MARK


def start_detached(command: Sequence[str], purpose: str) -> None:
    """
    Start a program that goes on when the call's whole tree, and the launcher, are ended. Nobody learns how it ends.

    @param purpose: A word that its environment has, for people.
    @raise OSError: It cannot be started.
    """
    process = subprocess.Popen(
        command,
        # The mark of guests, which nobody but their hypervisor ends.
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", GUEST_MARK: purpose},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # It is not waited for, which is all that the library would warn of.
    process.returncode = 0
