"""
C{gnt node prepare}: wait for the master, once, and take what it gives.
"""

import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThread

from gnttwist.joining.files import NotPossible, install
from gnttwist.joining.listener import Joining
from gnttwist.net import certificates
from gnttwist.paths import Paths
from gnttwist.wire import join


async def wait(
    reactor: Any,
    paths: Paths,
    address: str,
    port: int,
    lifetime: float,
    say: Callable[[join.Code], None],
) -> join.Package:
    """
    Print a code, and wait for the master that has it.

    @param lifetime: Seconds until the code expires.
    @param say: Told the code.
    @return: What was taken.
    @raise JoinEnded: Nobody came.
    @raise NotPossible: The address cannot be listened on.
    """
    # Of the same kind as a cluster's own; it is known by its digest alone, and lives as long as this process.
    own = certificates.new_cluster_certificate(datetime.now(UTC))
    code = join.Code.of(own.der(), secrets.token_bytes(join.SECRET_BYTES))

    def take(package: join.Package) -> Deferred[str]:
        return deferToThread(partial(install, paths, package))

    joining = Joining(reactor, paths.hostname, own, code.secret, os.urandom, take)
    try:
        joining.listen(reactor, port, address, lifetime)
    except CannotListenError as reason:
        raise NotPossible(
            f"cannot listen on {address}, port {port}: {reason.socketError}; "
            "is a node daemon at work (gnt node leave ends it), or is this not this machine's address?"
        ) from reason
    say(code)
    return await joining.done
