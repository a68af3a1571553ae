"""
The remote API's resources of instances.
"""

from collections.abc import Iterator, Sequence

from gnttwist.rapi import reading, writing
from gnttwist.rapi.entries import DRY, job, listing, tags
from gnttwist.rapi.routes import REASON, Argument, Method, Route
from gnttwist.rapi.schemas import JOB, OBJECT, REINSTALL
from gnttwist.rapi.users import READ
from gnttwist.rapi.writing import Opcode, constant, disk, flag, name, names, required, text


def instances() -> Iterator[Route]:
    """
    Their entries in the table.
    """
    base = "/2/instances/{instance}"
    yield from listing("instance", "id")
    yield job(
        "POST",
        "/2/instances",
        "instances",
        "Create an instance.",
        Opcode(
            "OP_INSTANCE_CREATE",
            DRY,
            renamed=writing.CREATION_NAMES,
            adapt=writing.creation,
            more={"__version__": {"const": 1}},
        ),
    )
    yield job(
        "POST",
        "/2/instances-multi-alloc",
        "instances",
        "Create several instances.",
        Opcode("OP_INSTANCE_MULTI_ALLOC", DRY, adapt=writing.creations),
    )
    yield job(
        "GET",
        f"{base}/info",
        READ,
        "All about an instance, by a job.",
        Opcode(
            "OP_INSTANCE_QUERY_DATA",
            {"instances": names("instance"), "static": flag("static", "do not ask nodes")},
            body=False,
        ),
    )
    yield from tags(base, "instance", "instance")
    yield Route(
        "GET",
        f"{base}/console",
        "console",
        "How to reach an instance's console.",
        reading.console,
        answer=OBJECT,
    )
    yield Route(
        "POST",
        f"{base}/reinstall",
        "instances",
        "Install an instance's operating system again; its data are lost.",
        writing.reinstall,
        (
            Argument("os", "text", "another operating system, in old requests"),
            Argument("nostartup", purpose="do not start it, in old requests"),
            REASON,
        ),
        body=REINSTALL,
        answer=JOB,
    )
    yield from _instance_power(base)
    yield from _instance_changes(base)


def _instance_power(base: str) -> Iterator[Route]:
    instance = {"instance_name": name("instance")}
    remember = {"no_remember": flag("no_remember", "do not keep it as the wanted state")}
    power: tuple[tuple[Method, str, str, Opcode], ...] = (
        (
            "POST",
            "reboot",
            "Restart an instance.",
            Opcode(
                "OP_INSTANCE_REBOOT",
                {
                    **instance,
                    **DRY,
                    "ignore_secondaries": flag("ignore_secondaries", "though a secondary node is not ready"),
                    "reboot_type": text("type", "hard", "soft, hard or full"),
                },
            ),
        ),
        (
            "PUT",
            "shutdown",
            "Stop an instance.",
            Opcode("OP_INSTANCE_SHUTDOWN", {**instance, **DRY, **remember}),
        ),
        (
            "PUT",
            "startup",
            "Start an instance.",
            Opcode(
                "OP_INSTANCE_STARTUP", {**instance, **DRY, **remember, "force": flag("force")}, body=False
            ),
        ),
        ("PUT", "migrate", "Migrate an instance.", Opcode("OP_INSTANCE_MIGRATE", instance)),
        (
            "PUT",
            "failover",
            "Stop an instance, and start it elsewhere.",
            Opcode("OP_INSTANCE_FAILOVER", instance),
        ),
    )
    for method, verb, purpose, opcode in power:
        yield job(method, f"{base}/{verb}", "power", purpose, opcode)


def _instance_changes(base: str) -> Iterator[Route]:
    instance = {"instance_name": name("instance")}
    old = (
        Argument("remote_node", "text", "the new secondary node, in old requests"),
        Argument("mode", "text", "which disks, in old requests"),
        Argument("disks", "text", "their numbers, separated by commas, in old requests"),
        Argument("iallocator", "text", "what chooses the node, in old requests"),
    )
    changes: tuple[tuple[Method, str, str, Opcode, Sequence[Argument]], ...] = (
        (
            "DELETE",
            base,
            "Remove an instance and its disks.",
            Opcode("OP_INSTANCE_REMOVE", {**instance, **DRY, "ignore_failures": constant(False)}),
            (),
        ),
        (
            "PUT",
            f"{base}/modify",
            "Change an instance.",
            Opcode(
                "OP_INSTANCE_SET_PARAMS",
                instance,
                renamed={"custom_beparams": "beparams", "custom_hvparams": "hvparams"},
            ),
            (),
        ),
        ("PUT", f"{base}/rename", "Rename an instance.", Opcode("OP_INSTANCE_RENAME", instance), ()),
        (
            "POST",
            f"{base}/replace-disks",
            "Replace an instance's mirrored disks.",
            Opcode("OP_INSTANCE_REPLACE_DISKS", instance, adapt=writing.replacement),
            old,
        ),
        (
            "PUT",
            f"{base}/activate-disks",
            "Make a stopped instance's disks usable on its node.",
            Opcode(
                "OP_INSTANCE_ACTIVATE_DISKS",
                {**instance, "ignore_size": flag("ignore_size", "whatever size they have")},
                body=False,
            ),
            (),
        ),
        (
            "PUT",
            f"{base}/deactivate-disks",
            "Take an instance's disks out of use.",
            Opcode("OP_INSTANCE_DEACTIVATE_DISKS", {**instance, "force": flag("force")}, body=False),
            (),
        ),
        (
            "POST",
            f"{base}/recreate-disks",
            "Make lost disks anew, empty.",
            Opcode("OP_INSTANCE_RECREATE_DISKS", instance),
            (),
        ),
        (
            "POST",
            f"{base}/disk/{{disk}}/grow",
            "Make a disk larger.",
            Opcode("OP_INSTANCE_GROW_DISK", {**instance, "disk": disk()}),
            (),
        ),
        (
            "PUT",
            f"{base}/prepare-export",
            "Prepare an export.",
            Opcode(
                "OP_BACKUP_PREPARE",
                {**instance, "mode": required("mode", "local or remote")},
                body=False,
            ),
            (),
        ),
        (
            "PUT",
            f"{base}/export",
            "Export an instance.",
            Opcode("OP_BACKUP_EXPORT", instance, renamed={"destination": "target_node"}),
            (),
        ),
    )
    for method, path, purpose, opcode, arguments in changes:
        yield job(method, path, "instances", purpose, opcode, arguments=arguments)
