"""
The pool of master candidates: how many there should be, who joins it, whose certificates may call. Pure, but for
L{certificate_of}.
"""

from collections.abc import Collection, Mapping

import msgspec
from attrs import frozen

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import FunctionFailed, NodeError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import COMING_CERTIFICATES, Node

DIGEST = [["ssl", "get", None]]
"""
What asks a node for the digest of its certificate.
"""


@frozen
class Pool:
    """
    How full the pool is.

    @ivar now: Candidates that there are.
    @ivar wanted: As many as there should be: the cluster's number, or all nodes that can be.
    @ivar most: Nodes that can be.
    """

    now: int
    wanted: int
    most: int


def pool(config: Snapshot, without: Collection[str] = ()) -> Pool:
    """
    Count the candidates.

    @param without: UUIDs of nodes that do not count.
    """
    counted = [each for each in config.nodes if each.uuid not in without]
    most = sum(each.master_capable and not each.offline and not each.drained for each in counted)
    now = sum(each.master_candidate for each in counted)
    return Pool(now, min(most, config.cluster.candidate_pool_size), most)


def should_join(config: Snapshot, without: Collection[str] = ()) -> bool:
    """
    Whether a node that comes in addition to the others (less C{without}) is to be a candidate at once.
    """
    counted = pool(config, without)
    return counted.now < min(counted.wanted + 1, config.cluster.candidate_pool_size)


def successors(config: Snapshot, without: Collection[str]) -> list[Node]:
    """
    Nodes that may be made candidates where there are too few, those to begin with first; none where there are enough.

    @param without: UUIDs of nodes that cease to be candidates, or leave.
    """
    counted = pool(config, without)
    if counted.now >= counted.wanted:
        return []
    return [
        each
        for each in config.nodes
        if each.master_capable
        and not (each.master_candidate or each.offline or each.drained or each.uuid in without)
    ]


async def certificate_of(job: JobContext, node: Node) -> str:
    """
    The digest of a node's certificate.

    @raise NodeError: The node does not tell it.
    """
    answer = await job.call(node, "node_crypto_tokens", [DIGEST])
    match answer:
        case [["ssl", str(digest)]]:
            return digest
        case _:
            raise FunctionFailed(f"Node {node.name} does not tell its certificate but {answer!r:.60}")


async def certificates_to_promote(
    job: JobContext, config: Snapshot, without: Collection[str]
) -> dict[str, str]:
    """
    The certificates of as many nodes as must be made candidates; one that does not answer is passed over.

    @param without: As for L{successors}.
    @return: Digests by node UUID.
    """
    counted = pool(config, without)
    found: dict[str, str] = {}
    for node in successors(config, without):
        if counted.now + len(found) >= counted.wanted:
            break
        try:
            found[node.uuid] = await certificate_of(job, node)
        except NodeError as reason:
            job.log(f"Node {node.name} cannot be made a master candidate: {reason}")
    return found


def accept_certificate(draft: Draft, uuid: str, digest: str | None) -> None:
    """
    Let a node's certificate call the others, or with C{None} none of it.
    """
    cluster = draft.config.cluster
    certificates = {name: each for name, each in cluster.candidate_certs.items() if name != uuid}
    if digest is not None:
        certificates[uuid] = digest
    extra = dict(cluster.extra)
    coming = {
        name: each for name, each in extra.pop(COMING_CERTIFICATES, {}).items() if name != uuid or digest
    }
    if coming:
        extra[COMING_CERTIFICATES] = coming
    changed = msgspec.structs.replace(cluster, candidate_certs=certificates, extra=extra)
    if changed != cluster:
        draft.put(changed)


def promote(draft: Draft, without: Collection[str], certificates: Mapping[str, str]) -> list[str]:
    """
    Fill the pool from the nodes whose certificates are known.

    @param without: UUIDs of nodes that do not count.
    @param certificates: By node UUID.
    @return: Names of the new candidates.
    """
    promoted = []
    for node in successors(draft.config, without):
        counted = pool(draft.config, without)
        if counted.now >= counted.wanted:
            break
        if node.uuid in certificates:
            draft.put(msgspec.structs.replace(node, master_candidate=True))
            accept_certificate(draft, node.uuid, certificates[node.uuid])
            promoted.append(node.name)
    return promoted
