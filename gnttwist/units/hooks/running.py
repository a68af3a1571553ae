"""
Running hooks on nodes, and what comes of them.

All of it are steps of the job: a hook runs once, however often the master is killed.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import HooksAbort, NodeError
from gnttwist.jobs.context import JobContext
from gnttwist.model.objects import Node
from gnttwist.model.opcode import Opcode
from gnttwist.units.hooks.scope import Failure

FAILED = 1
"""
The result of a hook that failed; 0 is one that was skipped.
"""

DATA_DIRECTORY = "/var/lib/ganeti"
"""
Of the node, whose daemon puts its own place before it where it has a root.
"""


def environment(
    config: Snapshot, op: Opcode, path: str, phase: str, kind: str | None, variables: Mapping[str, str]
) -> dict[str, str]:
    """
    All that a hook's environment has.

    @param variables: The operation's own, names without C{GANETI_}.
    """
    usual = {
        "HOOKS_VERSION": "2",
        "HOOKS_PHASE": phase,
        "HOOKS_PATH": path,
        "OP_CODE": op.op_id(),
        "DATA_DIR": DATA_DIRECTORY,
        "CLUSTER": config.cluster.cluster_name,
        "MASTER": config.master.name,
        **({} if kind is None else {"OBJECT_TYPE": kind}),
    }
    return {f"GANETI_{name}": value for name, value in {**variables, **usual}.items()}


async def run(
    job: JobContext, nodes: Sequence[Node], path: str, phase: str, variables: Mapping[str, str]
) -> list[Failure]:
    """
    Run hooks on nodes; those that are offline are left out, and one that does not answer has no veto.

    @param variables: The whole environment.
    @return: The hooks that failed.
    """
    asked = [each for each in nodes if not each.offline]
    if not asked:
        return []
    found = await job.gather(
        *(partial(_on_node, node=each, arguments=[path, phase, dict(variables)]) for each in asked)
    )
    return [
        (node.name, script, output)
        for node, results in zip(asked, found, strict=True)
        for script, result, output in results
        if result == FAILED
    ]


async def _on_node(job: JobContext, *, node: Node, arguments: list[Any]) -> list[list[Any]]:
    try:
        results: list[list[Any]] = await job.call(node, "hooks_runner", arguments)
    except NodeError as reason:
        job.log(f"Hooks of {arguments[0]} could not be run on node {node.name}: {reason}")
        return []
    return results


def veto(failures: Sequence[Failure]) -> None:
    """
    @raise HooksAbort: A hook failed before the operation.
    """
    if failures:
        raise HooksAbort([list(each) for each in failures])


def tell(job: JobContext, failures: Sequence[Failure]) -> None:
    """
    Log the hooks that failed after the operation, which stays as it is.
    """
    for node, script, output in failures:
        job.log(f"Hook {script} failed on node {node}; output: {output or '(none)'}")
