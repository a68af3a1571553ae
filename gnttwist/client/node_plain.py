"""
One question to a node, on a blocking socket: for commands, which must start fast.
"""

import http.client
import ssl
from collections.abc import Sequence

from gnttwist.errors import NodeError, NotAnswering, RemoteError
from gnttwist.paths import Paths
from gnttwist.wire.rpc_answers import CallRow, decode_rows

PORT = 1811
"""
Ganeti's.
"""

TIMEOUT = 10.0
"""
Seconds for each step of the question: somebody waits at a terminal.
"""

ANSWER_LIMIT = 64 << 20
"""
Most bytes of an answer: 10,000 calls, each with a feedback of the usual size.
"""


def security(paths: Paths) -> ssl.SSLContext:
    """
    What a node has to show, and what we show: this node's certificate, which is to be one of a master candidate.

    @raise NodeError: Our own files are not there, not ours to read, or damaged.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # All nodes show the cluster's certificate, which names none of them.
    context.check_hostname = False
    for path, load in (
        (paths.server_pem, context.load_verify_locations),
        (paths.client_pem, context.load_cert_chain),
    ):
        try:
            load(path)
        except ssl.SSLError as reason:
            raise NodeError(
                f"{path} is not a certificate with its key: {reason.reason or reason}"
            ) from reason
        except OSError as reason:
            raise NodeError(f"Cannot read {path}: {reason.strerror}") from reason
    return context


def calls(context: ssl.SSLContext, name: str, address: str, port: int = PORT) -> Sequence[CallRow]:
    """
    The calls that a node knows.

    @param name: The node's, for errors.
    @raise NotAnswering: It cannot be reached, or is silent.
    @raise NodeError: It refuses, as it does where we are no master candidate.
    @raise RemoteError: Its answer makes no sense.
    """
    connection = http.client.HTTPSConnection(address, port, timeout=TIMEOUT, context=context)
    try:
        connection.request("GET", "/functions")
        answer = connection.getresponse()
        body = answer.read(ANSWER_LIMIT + 1)
    except TimeoutError as reason:
        raise NotAnswering(
            f"Node {name} says nothing on {address}:{port} for {TIMEOUT:.0f} seconds"
        ) from reason
    except (OSError, http.client.HTTPException) as reason:
        raise NotAnswering(f"Node {name} does not answer on {address}:{port}: {reason}") from reason
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise NodeError(f"Node {name} refuses: {body[:500].decode('utf-8', 'replace').strip()}")
    if len(body) > ANSWER_LIMIT:
        raise RemoteError(f"Node {name} answers more than {ANSWER_LIMIT >> 20} MiB")
    return decode_rows(body)
