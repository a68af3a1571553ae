"""
The beginning of a cluster: its first objects, and the store's first transactions.
"""

import random
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gnttwist.config import records
from gnttwist.config.defaults import (
    BACKEND_PARAMETERS,
    COMPRESSION_TOOLS,
    DATA_COLLECTORS,
    DISK_PARAMETERS,
    HYPERVISOR_PARAMETERS,
    INSTANCE_POLICY,
    NIC_PARAMETERS,
    NODE_PARAMETERS,
)
from gnttwist.config.parameters import fill
from gnttwist.config.snapshot import AnyObject, Snapshot
from gnttwist.errors import ECode, OpPrereqError
from gnttwist.model.job import Job, QueuedOp, timestamp
from gnttwist.model.objects import Cluster, Node, NodeGroup, Parameters
from gnttwist.model.opcode_cluster import OpClusterPostInit
from gnttwist.model.opcodes import to_input
from gnttwist.model.stored import encode
from gnttwist.store.interface import (
    MAX_TRANSACTION_BYTES,
    Compare,
    Delete,
    Put,
    Store,
    Transaction,
    Write,
)

EPOCH_KEY = "/meta/epoch"
"""
The key that a store has once a cluster lives in it. Its value is a UUID, part of every call's key.
"""

FIRST_JOB = 1
DEFAULT_GROUP = "default"
CHUNK = 100
"""
Objects per transaction: room is left for what goes with the last ones.
"""


def new_cluster(
    name: str,
    nodes: Sequence[tuple[str, str]],
    enabled_hypervisors: Sequence[str],
    enabled_disk_templates: Sequence[str],
    *,
    now: float,
    source: random.Random,
    candidate_certs: Mapping[str, str],
    master_ip: str | None = None,
    hvparams: Mapping[str, Parameters] | None = None,
    beparams: Parameters | None = None,
    nicparams: Parameters | None = None,
    ndparams: Parameters | None = None,
    ipolicy: Parameters | None = None,
    members: Mapping[str, Any] | None = None,
) -> list[AnyObject]:
    """
    The objects of a new cluster: the cluster, one group, the nodes.

    @param nodes: Names and primary addresses. The first is the master, and all that fit in the candidate pool are
        master candidates.
    @param enabled_hypervisors: The first is the default, as with C{enabled_disk_templates}.
    @param now: Seconds since the epoch.
    @param source: Where UUIDs come from.
    @param candidate_certs: By node name, the digest of the node's client certificate.
    @param master_ip: The cluster's address; by default the master's own.
    @param hvparams: By hypervisor, parameters that differ from Ganeti's defaults; and so on.
    @param members: Other members of L{Cluster} that differ from the defaults.
    @raise OpPrereqError: A hypervisor, disk template, parameter or member does not exist, or nodes are missing or
        named twice.
    """
    _check_nodes(nodes, candidate_certs)
    _check_words("hypervisor", enabled_hypervisors, HYPERVISOR_PARAMETERS)
    _check_words("disk template", enabled_disk_templates, DISK_PARAMETERS)
    _check_words("hypervisor", hvparams or {}, HYPERVISOR_PARAMETERS)
    _check_words("member of a cluster", members or {}, Cluster.__struct_fields__)
    if not enabled_hypervisors or not enabled_disk_templates:
        raise OpPrereqError("At least one hypervisor and one disk template must be enabled", ECode.INVAL)
    times: dict[str, Any] = {"ctime": now, "mtime": now}
    group = NodeGroup(uuid=_uuid(source), name=DEFAULT_GROUP, **times)
    pool_size = int((members or {}).get("candidate_pool_size", 10))
    made = [
        Node(
            uuid=_uuid(source),
            name=each,
            primary_ip=address,
            secondary_ip=address,
            group=group.uuid,
            master_candidate=index < pool_size,
            **times,
        )
        for index, (each, address) in enumerate(nodes)
    ]
    differing: dict[str, Any] = {
        "master_netdev": "lo",
        # Ganeti's default where its allocator is installed; the name stands for the built-in one here.
        "default_iallocator": "hail",
        "volume_group_name": None,
        "compression_tools": list(COMPRESSION_TOOLS),
        "data_collectors": fill(DATA_COLLECTORS),
        "diskparams": fill(DISK_PARAMETERS),
        **(members or {}),
    }
    cluster = Cluster(
        uuid=_uuid(source),
        **times,
        cluster_name=name,
        master_node=made[0].uuid,
        master_ip=master_ip or made[0].primary_ip,
        enabled_hypervisors=list(enabled_hypervisors),
        enabled_disk_templates=list(enabled_disk_templates),
        hvparams={
            each: _differing(f"{each} parameter", defaults, (hvparams or {}).get(each))
            for each, defaults in HYPERVISOR_PARAMETERS.items()
        },
        beparams={"default": _differing("backend parameter", BACKEND_PARAMETERS, beparams)},
        nicparams={"default": _differing("NIC parameter", NIC_PARAMETERS, nicparams)},
        ndparams=_differing("node parameter", NODE_PARAMETERS, ndparams),
        ipolicy={
            **_differing("instance policy", INSTANCE_POLICY, ipolicy),
            "disk-templates": list(enabled_disk_templates),
        },
        candidate_certs={each.uuid: candidate_certs[each.name] for each in made if each.master_candidate},
        **differing,
    )
    return [cluster, group, *made]


def _uuid(source: random.Random) -> str:
    return str(uuid.UUID(int=source.getrandbits(128), version=4))


def _check_nodes(nodes: Sequence[tuple[str, str]], certificates: Mapping[str, str]) -> None:
    names = [name for name, _ in nodes]
    if not names or len(set(names)) != len(names):
        raise OpPrereqError("A cluster needs at least one node, and each name once", ECode.INVAL)
    without = [name for name in names if name not in certificates]
    if without:
        raise OpPrereqError(f"No client certificate is known of {', '.join(without)}", ECode.INVAL)


def _check_words(what: str, given: Collection[str], known: Collection[str]) -> None:
    unknown = [each for each in given if each not in known]
    if unknown:
        raise OpPrereqError(
            f"There is no {what} {', '.join(unknown)}; there are {', '.join(known)}", ECode.INVAL
        )


def _differing(what: str, defaults: Mapping[str, Any], own: Parameters | None) -> Parameters:
    unknown = sorted(set(own or {}) - set(defaults))
    if unknown:
        raise OpPrereqError(f"There is no {what} {', '.join(unknown)}", ECode.INVAL)
    return fill(defaults, own or {})


async def initialise(
    store: Store,
    objects: Sequence[AnyObject],
    *,
    now: float,
    source: random.Random,
    serial: int = 1,
    ctime: float | None = None,
    client: str = "gnt:client:gnt-cluster",
    submitter: int | None = None,
    first_job: int = FIRST_JOB,
) -> None:
    """
    Make a cluster live in a store, with its first job, OP_CLUSTER_POST_INIT, queued.

    The last transaction makes the epoch, so what an interrupted attempt left is no cluster, and is overwritten.

    @param objects: The first one is the cluster.
    @param now: Seconds since the epoch.
    @param source: Where the epoch and the job's seed come from.
    @param serial: The configuration's serial number; an import goes on from the file's.
    @param ctime: When the configuration was made; by default now.
    @param client: Who the job's reason trail says has asked for it.
    @param submitter: The uid of who has asked.
    @param first_job: The first job's number; an import goes on from the old queue's.
    @raise OpPrereqError: A cluster lives there already.
    """
    there = await store.range(EPOCH_KEY)
    if there.entries:
        raise _already()
    remains = [
        entry.key for prefix in (records.PREFIX, "/jobs/") for entry in (await store.range(prefix)).entries
    ]
    for group in _chunks([Delete(key) for key in remains]):
        await store.transact(Transaction(group, [Compare(EPOCH_KEY, 0)]))
    *before, last = _chunks(records.of_objects(objects))
    for group in before:
        await store.transact(Transaction(group, [Compare(EPOCH_KEY, 0)]))
    cluster = objects[0]
    assert isinstance(cluster, Cluster), "the first object is the cluster"
    config = Snapshot(cluster=cluster, serial=serial, ctime=now if ctime is None else ctime, mtime=now)
    finish: list[Write] = [
        *last,
        *records.bookkeeping(config),
        Put("/jobs/serial", b"%d" % first_job),
        Put(f"/jobs/job/{first_job:020d}", encode(_first_job(first_job, now, source, client, submitter))),
        Put(EPOCH_KEY, _uuid(source).encode()),
    ]
    done = await store.transact(Transaction(finish, [Compare(EPOCH_KEY, 0)]))
    if not done.succeeded:
        raise _already()


def _already() -> OpPrereqError:
    return OpPrereqError("A cluster is already initialised in this store", ECode.STATE)


def _chunks(writes: Sequence[Write]) -> list[list[Write]]:
    """
    Writes in groups that a transaction can take, with room left for what ends the last one.
    """
    chunks: list[list[Write]] = []
    room = 0
    for write in writes:
        size = len(write.key.encode()) + (len(write.value) if isinstance(write, Put) else 0)
        if not chunks or len(chunks[-1]) == CHUNK or size > room:
            chunks.append([])
            room = MAX_TRANSACTION_BYTES // 2
        chunks[-1].append(write)
        room -= size
    return chunks


def _first_job(id: int, now: float, source: random.Random, client: str, submitter: int | None) -> Job:
    nanoseconds = int(now * 1_000_000_000)
    op = OpClusterPostInit(
        reason=[
            (client, "init", nanoseconds),
            ("gnt:opcode:cluster_post_init", f"job={id};index=0", nanoseconds),
        ]
    )
    members, _ = to_input(op)
    return Job(
        id=id,
        ops=[QueuedOp(input=members)],
        seed=f"{source.getrandbits(128):032x}",
        received_timestamp=timestamp(now),
        submitter=submitter,
    )
