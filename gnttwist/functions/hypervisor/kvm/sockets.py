"""
Unix sockets whose paths may be longer than an address has room for.
"""

import os
import socket
from pathlib import Path


def connect(path: Path, timeout: float) -> socket.socket:
    """
    Connect to a listening unix socket, however long its path is.

    @param timeout: Seconds for connecting, and for each later operation.
    @raise OSError: Nothing listens there.
    """
    # The kernel's own link to the socket's inode is short. An address of the path itself ends after 107 bytes.
    inode = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            found.settimeout(timeout)
            found.connect(f"/proc/self/fd/{inode}")
        except BaseException:
            found.close()
            raise
        return found
    finally:
        os.close(inode)
