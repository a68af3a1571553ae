"""
Functions about a node's place in the cluster: its certificate, what it has as a master candidate, its leaving, and
its being rebooted by the others.
"""

import os
from pathlib import Path
from typing import Any

from gnttwist.functions import leaving
from gnttwist.functions.detached import start_detached
from gnttwist.functions.registry import Context, FunctionError, function
from gnttwist.functions.verify import client_certificate

REBOOT_DELAY = 5
"""
Seconds until a node reboots, so that it can still answer: Ganeti's.
"""

SYSRQ = Path("/proc/sysrq-trigger")
"""
Where the kernel takes a letter: C{b} is a reboot at once.
"""


@function("node_crypto_tokens")
def node_crypto_tokens(context: Context, token_request: Any) -> list[list[str]]:
    """
    Tell the digest of this node's certificate.

    @param token_request: C{["ssl", "get", options]} each; options are not looked at.
    """
    for kind, action, _ in token_request:
        if (kind, action) != ("ssl", "get"):
            raise FunctionError(f"This node has no action {action!r:.40} for tokens of type {kind!r:.40}")
    wrong, digest = client_certificate(context)
    if digest is None:
        raise FunctionError(str(wrong))
    return [["ssl", digest] for _ in token_request]


@function("node_demote_from_mc")
def node_demote_from_mc(context: Context) -> None:
    """
    Forget the configuration, which only master candidates have; one that is not there is fine.
    """
    if leaving.is_master(context.paths):
        raise FunctionError("This node has the cluster's store: it is the master and is not demoted")
    try:
        context.paths.config_export.unlink(missing_ok=True)
    except OSError as reason:
        raise FunctionError(f"The configuration cannot be removed: {reason.strerror}") from reason


@function("node_leave_cluster")
def node_leave_cluster(context: Context, modify_ssh_setup: Any) -> str:
    """
    Remove what this node has of its cluster, and end its daemons soon after.

    @param modify_ssh_setup: Not looked at: there is no SSH between nodes.
    """
    if leaving.is_master(context.paths):
        raise FunctionError("This node has the cluster's store: it is the master and cannot leave")
    try:
        leaving.forget_secrets(context.paths)
    except OSError as reason:
        raise FunctionError(f"{reason.filename} cannot be removed: {reason.strerror}") from reason
    leaving.finish_later(context.paths)
    return "Shutdown scheduled"


@function("node_powercycle")
def node_powercycle(context: Context, hypervisor: Any, hvparams: Any) -> str:
    """
    Reboot this machine in L{REBOOT_DELAY} seconds, as if it had lost its power.

    @param hypervisor: Not looked at: all of ours reboot as Linux does.
    """
    if context.paths.root != Path("/"):
        raise FunctionError("This node is one of a virtual cluster: the machine it is on is not rebooted")
    if not os.access(SYSRQ, os.W_OK):
        raise FunctionError(f"This machine cannot be rebooted: {SYSRQ} cannot be written to")
    start_detached(["/bin/sh", "-c", f"sleep {REBOOT_DELAY}; echo b > {SYSRQ}"], "powercycle")
    return f"Reboot scheduled in {REBOOT_DELAY} seconds"
