"""
A guest's serial console, which QEMU serves on a unix socket.
"""

import os
import socket
from pathlib import Path

from gnttwist.paths import Paths


def serial_socket(paths: Paths, instance: str) -> Path:
    """
    Where the console of an instance on this node is (reference: KVM).

    @param paths: The node's places.
    """
    return paths.run / "kvm-hypervisor/ctrl" / f"{instance}.serial"


def connect(place: Path) -> socket.socket:
    """
    Connect to a unix socket, however long its path is.

    @raise OSError: It is not there, or nobody listens.
    """
    # A socket's path is limited to 107 bytes, and a node's root may take most of them; this way it counts only
    # its last component.
    directory = os.open(place.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(f"/proc/self/fd/{directory}/{place.name}")
    except OSError:
        connection.close()
        raise
    finally:
        os.close(directory)
    return connection
