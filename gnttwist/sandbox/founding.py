"""
Founding a cluster: its keys and certificates, its store, and the files that daemons read before there is a master.
"""

import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import Any, TypeVar

from attrs import field, frozen

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

from gnttwist.config import bootstrap
from gnttwist.config.files import write_all
from gnttwist.config.service import Configuration
from gnttwist.errors import ECode, OpPrereqError
from gnttwist.model.objects import Parameters
from gnttwist.net import certificates
from gnttwist.paths import Paths
from gnttwist.store.sqlite import SQLiteStore

T = TypeVar("T")


@frozen
class NewNode:
    """
    A node of the new cluster, whose files this process can write.
    """

    paths: Paths
    address: str


@frozen
class Founding:
    """
    Which cluster to found.

    @ivar nodes: The first is the master.
    @ivar hypervisors: The first is the default.
    @ivar hvparams: By hypervisor, what differs from Ganeti's defaults.
    @ivar ipolicy: What differs from Ganeti's default instance policy.
    @ivar rsa: Whether certificates have RSA keys, for clients that know no others.
    @ivar since: From when on certificates are good; by default from now on.
    """

    name: str
    nodes: Sequence[NewNode]
    hypervisors: Sequence[str]
    disk_templates: Sequence[str] = ("file", "sharedfile", "diskless")
    hvparams: Mapping[str, Parameters] = field(factory=dict)
    ipolicy: Parameters | None = None
    rsa: bool = False
    since: datetime | None = None


async def found(reactor: IReactorFromThreads, founding: Founding) -> None:
    """
    Make the cluster; afterwards its daemons can be started.

    An attempt that was interrupted can be made again.

    @raise OpPrereqError: The master's store holds a cluster already; nothing was touched.
    @raise OSError: Something cannot be written.
    """
    store_path = founding.nodes[0].paths.store
    for node in founding.nodes:
        for directory in _directories(node.paths):
            directory.mkdir(parents=True, exist_ok=True)
    # Whatever stops the store fails what waits for it as well, which is told there.
    store = await SQLiteStore.open(reactor, store_path, _nothing)
    try:
        if (await store.range(bootstrap.EPOCH_KEY)).entries:
            raise OpPrereqError(f"{store_path} holds a cluster already", ECode.EXISTS)
        now = datetime.now(UTC)
        digests = _write_secrets(founding, founding.since or now)
        objects = bootstrap.new_cluster(
            founding.name,
            [(each.paths.hostname, each.address) for each in founding.nodes],
            founding.hypervisors,
            founding.disk_templates,
            now=now.timestamp(),
            source=SystemRandom(),
            candidate_certs=digests,
            hvparams=founding.hvparams,
            ipolicy=founding.ipolicy,
        )
        await bootstrap.initialise(
            store, objects, now=now.timestamp(), source=SystemRandom(), submitter=os.getuid()
        )
        configuration = Configuration(store, _nothing)
        await configuration.load()
        for node in founding.nodes:
            write_all(node.paths, configuration.snapshot)
    finally:
        await store.close()


def run_once(body: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """
    Run the reactor until C{body} is done. A process can do this once.

    @raise Exception: Whatever C{body} raises.
    """
    from twisted.internet import reactor as installed  # noqa: TID251  # a command's edge, as makeService is a daemon's

    reactor: Any = installed
    outcome: list[T | Failure] = []

    def ended(result: T | Failure) -> None:
        outcome.append(result)
        reactor.stop()

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(body(reactor)).addBoth(ended))
    reactor.run(installSignalHandlers=False)
    result = outcome[0]
    if isinstance(result, Failure):
        result.raiseException()
    return result


def _write_secrets(founding: Founding, now: datetime) -> dict[str, str]:
    """
    Write keys and certificates on all nodes.

    @return: By node name, the digest of its certificate.
    """
    cluster = certificates.new_cluster_certificate(now, rsa_key=founding.rsa)
    shared = {
        "server.pem": (cluster.pem(), certificates.PEM_MODE),
        "rapi.pem": (
            certificates.new_self_signed(founding.name, now, rsa_key=founding.rsa).pem(),
            certificates.PEM_MODE,
        ),
        "hmac.key": (certificates.new_secret(), certificates.KEY_MODE),
        "cluster-domain-secret": (certificates.new_secret(), certificates.SECRET_MODE),
    }
    digests = {}
    for node in founding.nodes:
        own = certificates.new_node_certificate(cluster, node.paths.hostname, now, rsa_key=founding.rsa)
        digests[node.paths.hostname] = own.digest
        certificates.write(node.paths.client_pem, own.pem(), certificates.PEM_MODE)
        for name, (data, mode) in shared.items():
            certificates.write(node.paths.data / name, data, mode)
    return digests


def _directories(paths: Paths) -> list[Path]:
    return [
        paths.data,
        paths.luxi_socket.parent,
        paths.log / "os",
        paths.etc,
        paths.lock,
        paths.srv / "file-storage",
        paths.srv / "os",
    ]


def _nothing(failure: Failure) -> None:
    pass
