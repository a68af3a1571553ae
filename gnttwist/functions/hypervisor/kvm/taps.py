"""
Tap devices: a guest's network interfaces as the machine sees them.

They are opened here and inherited by QEMU, and are gone with the last who has them open: a guest that is killed
leaves none behind.
"""

import fcntl
import os
import struct
from collections.abc import Sequence

from attrs import frozen

from gnttwist.functions.registry import FunctionError

TUN = "/dev/net/tun"
VHOST = "/dev/vhost-net"

TUNSETIFF, TUNGETFEATURES = 0x400454CA, 0x800454CF
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x4000, 0x0100

MOST_QUEUES = 8
"""
Ganeti's limit for C{virtio_net_queues}.
"""


@frozen
class Tap:
    """
    One that is open.

    @ivar name: What the machine calls it; the kernel has chosen it.
    @ivar queues: Descriptors of its queues, to be closed by the caller.
    @ivar vhost: Descriptors for the kernel's own handling of each queue, if that is wanted.
    """

    name: str
    queues: Sequence[int]
    vhost: Sequence[int] = ()

    def close(self) -> None:
        """
        Let go of it; QEMU's hold stays.
        """
        for each in (*self.queues, *self.vhost):
            os.close(each)


def open_tap(*, queues: int = 1, vnet_hdr: bool = False, vhost: bool = False) -> Tap:
    """
    Make one.

    @param queues: How many processors of the guest can send at once.
    @param vnet_hdr: Let the guest leave checksums and cutting to size to others.
    @param vhost: Let the kernel carry the packets.
    @raise FunctionError: It cannot be made.
    """
    opened: list[int] = []
    try:
        name, flags = b"", IFF_TAP | IFF_NO_PI
        flags |= (IFF_VNET_HDR if vnet_hdr else 0) | (IFF_MULTI_QUEUE if queues > 1 else 0)
        for _ in range(queues):
            opened.append(os.open(TUN, os.O_RDWR | os.O_CLOEXEC))
            # Without a name the kernel chooses one; further queues say which device is meant.
            answer = fcntl.ioctl(opened[-1], TUNSETIFF, struct.pack("16sH22x", name, flags))
            name = struct.unpack("16sH22x", answer)[0].rstrip(b"\0")
        helpers = []
        for _ in range(queues if vhost else 0):
            helpers.append(os.open(VHOST, os.O_RDWR | os.O_CLOEXEC))
            opened.append(helpers[-1])
    except OSError as reason:
        for each in opened:
            os.close(each)
        raise FunctionError(
            f"Cannot make a tap device: {reason.strerror} ({reason.filename or TUN})"
        ) from reason
    return Tap(name.decode("ascii"), opened[:queues], helpers)
