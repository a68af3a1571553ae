"""
Taking over a cluster from Ganeti: its C{config.data} becomes the store's first content.
"""

import os
from pathlib import Path
from random import SystemRandom
from typing import Any

from attrs import frozen

from twisted.python.failure import Failure

from gnttwist.config import bootstrap
from gnttwist.config.files import CONFIG_MODE, replace, write_all
from gnttwist.config.importing import Imported, read_job_serial
from gnttwist.config.service import Configuration
from gnttwist.errors import ECode, OpPrereqError
from gnttwist.paths import Paths
from gnttwist.store.sqlite import SQLiteStore

KEPT = ".before-import"
"""
What the name of the old C{config.data} gets, because ours takes its place.
"""

NEEDED = ("server.pem", "client.pem", "hmac.key")
"""
Files of the old master without which the new one can neither call nodes nor answer confd's clients.
"""


@frozen
class Contents:
    """
    What is in a file, counted.
    """

    cluster: str
    nodes: int
    instances: int
    disks: int


def contents(imported: Imported) -> Contents:
    """
    Count.
    """
    config = imported.snapshot
    return Contents(config.cluster.cluster_name, len(config.nodes), len(config.instances), len(config.disks))


def check(imported: Imported, paths: Paths) -> None:
    """
    See that the cluster can be run from here.

    @raise OpPrereqError: This is not its master node, or a key or certificate is missing.
    """
    master = imported.snapshot.master.name
    if master != paths.hostname:
        raise OpPrereqError(
            f"the configuration's master node is {master}, and this is {paths.hostname}", ECode.STATE
        )
    missing = [each for each in NEEDED if not (paths.data / each).exists()]
    if missing:
        raise OpPrereqError(f"{paths.data} lacks {', '.join(missing)}", ECode.ENVIRON)


def last_job_of(config: Path) -> int | None:
    """
    The last number that Ganeti gave to a job, from the queue beside a C{config.data}; C{None} if there is no queue.

    @raise ConfigurationError: What is there is no number.
    @raise OSError: It cannot be read.
    """
    try:
        return read_job_serial((config.parent / "queue" / "serial").read_bytes())
    except FileNotFoundError:
        return None


async def adopt(
    reactor: Any, imported: Imported, paths: Paths, now: float, last_job: int | None = None
) -> None:
    """
    Make the cluster live in this node's store; afterwards its daemons can be started.

    An attempt that was interrupted can be made again.

    @param now: Seconds since the epoch.
    @param last_job: The last number that was given to a job: ours go on from it.
    @raise OpPrereqError: See L{check}; or a cluster lives here already.
    @raise OSError: Something cannot be written.
    """
    check(imported, paths)
    paths.store.parent.mkdir(parents=True, exist_ok=True)
    # Whatever stops the store fails what waits for it as well, which is told there.
    store = await SQLiteStore.open(reactor, paths.store, _nothing)
    try:
        await bootstrap.initialise(
            store,
            imported.objects,
            now=now,
            source=SystemRandom(),
            serial=imported.serial,
            ctime=imported.ctime,
            client="gnt:client:gnt",
            submitter=os.getuid(),
            first_job=(last_job or 0) + 1,
        )
        configuration = Configuration(store, _nothing)
        await configuration.load()
        old = paths.config_export
        if old.exists():
            replace(old.with_name(old.name + KEPT), old.read_bytes(), CONFIG_MODE)
        write_all(paths, configuration.snapshot)
    finally:
        await store.close()


def _nothing(failure: Failure) -> None:
    pass
