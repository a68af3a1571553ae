"""
C{OP_CLUSTER_RENEW_CRYPTO}: new keys and certificates, without a call that fails.

Between two steps there is a barrier: the next one is taken when all nodes have what the last one left. So at any
moment what anybody shows is accepted by everybody, and whatever is killed, the same opcode goes on from there.
"""

import hashlib
from collections.abc import Callable

import msgspec

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import NodeError, OpExecError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import COMING_CERTIFICATES, Node
from gnttwist.model.opcode_cluster import OpClusterRenewCrypto
from gnttwist.units import node_facts
from gnttwist.units.locking import CERTIFICATES, SHARED_BGL
from gnttwist.units.values import refuse
from gnttwist.wire.ssconf import certificates

DATA = "/var/lib/ganeti"
SERVER, CANDIDATES = f"{DATA}/server.pem", f"{DATA}/ssconf_master_candidates_certs"

PATIENCE = 180.0
"""
Seconds for all nodes to have a file: the master tries one that does not answer again every minute at least.
"""

POLL, POLL_LIMIT = 0.3, 10.0
"""
Seconds between two looks at a node, and for one look.
"""

SETTLED = 2.0
"""
Seconds for requests that were sent with the certificate before to arrive: they are on their way already.
"""


async def renew(job: JobContext, op: OpClusterRenewCrypto) -> None:
    """
    Make anew what the opcode names.
    """
    if op.renew_ssh_keys:
        raise refuse("renew_ssh_keys: there are no SSH keys in this cluster: its nodes do not use SSH")
    names = [name for name, wanted in _secrets(op) if wanted]
    nodes = op.node_certificates or op.cluster_certificate
    if not names and not nodes:
        raise refuse("There is nothing to renew: name at least one kind of key or certificate")
    await job.acquire({**SHARED_BGL, CERTIFICATES: LockMode.EXCLUSIVE})
    config = await job.config()
    for node in _online(config):
        await node_facts.same_version(job, node)
    for node in config.nodes:
        if node.offline:
            job.log(f"Node {node.name} is offline: take it back with gnt node prepare and add --readd")
    if op.dry_run:
        return
    master = config.nodes[config.cluster.master_node]
    for name in names:
        job.log(f"* Making {name} anew")
        await job.call(master, "renew_secret", [name, op.rsa])
        await _everywhere(job, f"{DATA}/{name}")
    if op.cluster_certificate:
        job.log("* Making the cluster's certificate anew")
        for step in ("begin", "switch"):
            await job.call(master, "cluster_certificate", [step, op.rsa])
            await _everywhere(job, SERVER)
    if nodes:
        await _renew_nodes(job, op.rsa)
    if op.cluster_certificate:
        await job.call(master, "cluster_certificate", ["finish", op.rsa])
        await _everywhere(job, SERVER)


def _secrets(op: OpClusterRenewCrypto) -> list[tuple[str, bool]]:
    return [
        ("cluster-domain-secret", op.cluster_domain_secret),
        ("hmac.key", op.confd_hmac_key),
        ("rapi.pem", op.rapi_certificate),
        ("spice.pem", op.spice_certificate),
    ]


def _online(config: Snapshot) -> list[Node]:
    return [each for each in config.nodes if not each.offline]


async def _renew_nodes(job: JobContext, rsa: bool) -> None:
    """
    All nodes make their next certificate, all come to know it, all use it, all forget the one before.
    """
    job.log("* Making the nodes' certificates anew")
    nodes = _online(await job.config())

    async def take(job: JobContext, step: str, node: Node) -> list[str | None]:
        answer: list[str | None] = await job.call(node, "node_certificate", [step, rsa])
        return answer

    made = await job.gather(*(lambda job, node=each: take(job, "make", node) for each in nodes))
    using = {node.uuid: current for node, (current, _) in zip(nodes, made, strict=True) if current}
    coming = {node.uuid: following for node, (_, following) in zip(nodes, made, strict=True) if following}
    await job.change("accept the nodes' next certificates", _accept(using, coming))
    await _accepted_everywhere(job)
    await job.gather(*(lambda job, node=each: take(job, "use", node) for each in nodes))
    await job.sleep(SETTLED)
    await job.change("use the nodes' next certificates", _accept(coming, {}))
    await _accepted_everywhere(job)


def _accept(current: dict[str, str], coming: dict[str, str]) -> Callable[[Draft], None]:
    """
    Accept these certificates of those nodes that are candidates. Others' stay as they are.
    """

    def edit(draft: Draft) -> None:
        cluster = draft.config.cluster
        candidates = {each.uuid for each in draft.config.nodes if each.master_candidate}
        accepted = {
            uuid: current.get(uuid, digest)
            for uuid, digest in cluster.candidate_certs.items()
            if uuid in candidates
        }
        extra = {name: value for name, value in cluster.extra.items() if name != COMING_CERTIFICATES}
        following = {uuid: digest for uuid, digest in coming.items() if uuid in candidates}
        if following:
            extra[COMING_CERTIFICATES] = following
        draft.put(msgspec.structs.replace(cluster, candidate_certs=accepted, extra=extra))

    return edit


async def _accepted_everywhere(job: JobContext) -> None:
    cluster = (await job.config()).cluster
    lines = certificates(cluster.candidate_certs, cluster.extra.get(COMING_CERTIFICATES, {}))
    text = "".join(f"{each}\n" for each in lines)
    await _everywhere(job, CANDIDATES, hashlib.sha1(text.encode()).hexdigest())


async def _everywhere(job: JobContext, path: str, wanted: str | None = None) -> None:
    """
    Wait until all nodes that are not offline have a file.

    @param wanted: Its SHA-1 digest; by default the master's.
    @raise OpExecError: One has not; everything that was accepted still is.
    """
    config = await job.config()
    name = config.cluster.cluster_name
    if wanted is None:
        master = config.nodes[config.cluster.master_node]
        answer = await job.call(master, "node_verify", [{"filelist": [path]}, name, {}])
        wanted = answer["filelist"].get(path)

    async def wait(job: JobContext, node: Node) -> bool:
        async def look(job: JobContext) -> bool | None:
            current = (await job.config()).nodes.get(node.uuid)
            if current is None or current.offline:
                return True
            try:
                answer = await job.call(
                    node, "node_verify", [{"filelist": [path]}, name, {}], limit=POLL_LIMIT
                )
            except NodeError:
                return None
            return True if answer["filelist"].get(path) == wanted else None

        return bool(await job.until(look, interval=POLL, timeout=PATIENCE))

    nodes = _online(config)
    have = await job.gather(*(lambda job, node=each: wait(job, node) for each in nodes))
    lacking = [node.name for node, has in zip(nodes, have, strict=True) if not has]
    if lacking:
        raise OpExecError(
            f"After {PATIENCE:.0f} s {path} has not come to {', '.join(lacking)}. Old and new certificates are "
            "both accepted meanwhile. Mend or mark offline these nodes, then renew again: it goes on from here"
        )
