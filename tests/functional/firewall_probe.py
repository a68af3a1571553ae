"""
What a user of guests can send in this network namespace; run by L{tests.functional.test_firewall} in one of its own.

Prints a JSON object of what arrived.
"""

import contextlib
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any

WAIT = 0.5
"""
Seconds after which something has not arrived: on one machine, what is sent arrives before the sender goes on.
"""

TAP, TUNSETIFF, IFF_TAP, IFF_NO_PI = "guest0", 0x400454CA, 0x0002, 0x1000
HOST_MAC, GUEST_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
HOST, GUEST = "192.0.2.1", "192.0.2.2"
"""
Addresses that documentation uses and no network has (RFC 5737).
"""


def as_user(uid: int, what: Callable[[], None]) -> None:
    """
    Do something as a user, and wait until it is done.
    """
    child = os.fork()
    if child == 0:
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            what()
        os._exit(0)
    os.waitpid(child, 0)


def datagram(uid: int, family: socket.AddressFamily, address: str) -> bool:
    """
    Whether a datagram that the user sends arrives.
    """
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.bind((address, 0))
        receiver.settimeout(WAIT)
        place = receiver.getsockname()
        as_user(uid, lambda: send(family, place))
        try:
            return receiver.recv(10) == b"hello"
        except TimeoutError:
            return False


def send(family: socket.AddressFamily, place: tuple[Any, ...]) -> None:
    """
    Send a datagram.
    """
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"hello", place)


def answer(uid: int) -> bool:
    """
    Whether a server of the user's, such as a display, can be talked to.
    """
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        server = os.fork()
        if server == 0:
            os.setgid(uid)
            os.setuid(uid)
            with listening.accept()[0] as accepted:
                accepted.sendall(b"hello")
            os._exit(0)
        try:
            with socket.create_connection(listening.getsockname(), WAIT) as client:
                return client.recv(10) == b"hello"
        except TimeoutError:
            return False
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(server, 9)
            os.waitpid(server, 0)


def guest(uid: int) -> bool:
    """
    Whether what a guest sends by its tap, which a process of the user holds, arrives.
    """
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", TAP.encode(), IFF_TAP | IFF_NO_PI))
    words = f"link set {TAP} address {HOST_MAC} up ; addr add {HOST}/24 dev {TAP}"
    for each in words.split(" ; "):
        subprocess.run(["ip", *each.split()], check=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind((HOST, 0))
        receiver.settimeout(WAIT)
        addresses = bytes.fromhex(HOST_MAC.replace(":", "") + GUEST_MAC.replace(":", ""))
        frame = addresses + b"\x08\0" + ip_datagram(receiver.getsockname()[1], b"hello")
        as_user(uid, lambda: write(tap, frame))
        try:
            return receiver.recv(10) == b"hello"
        except TimeoutError:
            return False


def write(tap: int, frame: bytes) -> None:
    """
    Send a frame as QEMU does for its guest.
    """
    os.write(tap, frame)


def ip_datagram(port: int, content: bytes) -> bytes:
    """
    A UDP datagram from the guest to the host in an IPv4 packet.
    """
    udp = struct.pack(">HHHH", 4711, port, 8 + len(content), 0) + content
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
    head += socket.inet_aton(GUEST) + socket.inet_aton(HOST)
    total = sum(struct.unpack(">10H", head))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return head[:10] + struct.pack(">H", checksum) + head[12:] + udp


def main() -> None:
    """
    Load the rules with the command in the arguments, and try.
    """
    uid, *load = sys.argv[1:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for each in " ".join(load).split(" ; "):
        subprocess.run(each.split(), check=True)
    found = {
        "guest's user, IPv4": datagram(int(uid), socket.AF_INET, "127.0.0.1"),
        "guest's user, IPv6": datagram(int(uid), socket.AF_INET6, "::1"),
        "another user": datagram(0, socket.AF_INET, "127.0.0.1"),
        "answers": answer(int(uid)),
        "guest itself": guest(int(uid)),
    }
    print(json.dumps(found))  # noqa: T201  # a program's output


if __name__ == "__main__":
    main()
