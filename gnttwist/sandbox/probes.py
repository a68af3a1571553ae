"""
Whether a daemon answers, asked as its clients would.
"""

import http.client
import ssl
import time
import uuid

import msgspec

from gnttwist.client import confd
from gnttwist.client.luxi import LuxiClient
from gnttwist.errors import GnttwistError
from gnttwist.paths import Paths
from gnttwist.sandbox.addresses import NODED_PORT

TIMEOUT = 2.0
"""
Seconds that a healthy daemon may take to answer the simplest question.
"""

RAPI_PORT = 5080

PING = 0
"""
confd's query type.
"""


def illness(daemon: str, paths: Paths, address: str) -> str | None:
    """
    What is wrong with a daemon, or C{None} when it answers as it should.
    """
    try:
        match daemon:
            case "gnt-masterd":
                _ask_masterd(paths)
            case "gnt-noded":
                _ask_noded(paths, address)
            case "gnt-confd":
                _ask_confd(paths, address)
            case "gnt-rapi":
                _ask_rapi(paths, address)
    except (GnttwistError, OSError, http.client.HTTPException) as reason:
        return str(reason) or type(reason).__name__
    return None


def _ask_masterd(paths: Paths) -> None:
    with LuxiClient(paths.luxi_socket, patience=0, read_timeout=TIMEOUT, connect_timeout=TIMEOUT) as client:
        client.call("QueryConfigValues", ["cluster_name"])


def _ask_noded(paths: Paths, address: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The cluster's certificate names the cluster, not a node.
    context.check_hostname = False
    context.load_verify_locations(paths.server_pem)
    context.load_cert_chain(paths.client_pem)
    connection = http.client.HTTPSConnection(address, NODED_PORT, timeout=TIMEOUT, context=context)
    try:
        connection.request("POST", "/version", b"[]", {"Content-Type": "application/json"})
        response = connection.getresponse()
        body = response.read(1024)
    finally:
        connection.close()
    if response.status != 200 or not _succeeded(body):
        raise http.client.HTTPException(f"answers {response.status} {body[:80].decode(errors='replace')}")


def _ask_rapi(paths: Paths, address: str) -> None:
    context = ssl.create_default_context(cafile=str(paths.rapi_pem))
    # The certificate names the cluster.
    context.check_hostname = False
    connection = http.client.HTTPSConnection(address, RAPI_PORT, timeout=TIMEOUT, context=context)
    try:
        connection.request("GET", "/version")
        response = connection.getresponse()
        response.read(1024)
    finally:
        connection.close()
    # Without a user it refuses, or sends on to the master.
    if response.status not in (200, 307, 401):
        raise http.client.HTTPException(f"answers {response.status}")


def _succeeded(body: bytes) -> bool:
    try:
        return bool(msgspec.json.decode(body, type=tuple[bool, object])[0])
    except msgspec.DecodeError:
        return False


def _ask_confd(paths: Paths, address: str) -> None:
    key = paths.hmac_key.read_bytes()
    question = confd.Question.of(key, [address], PING, None, time.time(), str(uuid.uuid4()))
    confd.ask(question, timeout=TIMEOUT, interval=TIMEOUT / 4)
