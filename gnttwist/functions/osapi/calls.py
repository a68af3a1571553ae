"""
The functions about guest operating systems: which there are, whether one will do, and installing one.
"""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from gnttwist.functions import arguments
from gnttwist.functions.osapi import environment
from gnttwist.functions.osapi.definition import (
    WITH_PARAMETERS,
    Definition,
    entries,
    find,
    load,
    printable,
    require,
)
from gnttwist.functions.osapi.lists import RESERVED_PARAMETERS, InvalidDefinition, variable_of
from gnttwist.functions.osapi.output import Output
from gnttwist.functions.osapi.script import Script
from gnttwist.functions.registry import Context, FunctionError, function
from gnttwist.functions.storage.blockdev import usable
from gnttwist.wire.calls import FUNCTIONS

CHECKS = frozenset({"parameters"})
"""
What a verify script can be asked to check.
"""

MARGIN = 10.0
"""
Seconds before the caller gives up at which a script is ended, so that its last lines still arrive.
"""


def _limit(function: str) -> float:
    return FUNCTIONS[function].limit - MARGIN


@function("os_diagnose")
def os_diagnose(context: Context) -> list[list[Any]]:
    """
    All definitions in all directories of the search path, in search order, usable or not.

    @return: C{[name, path, valid, what is wrong, variants, [[parameter, help]], API versions, trusted]} each; the
        path without the root.
    """
    return [_diagnosis(context, name, path) for name, path in entries(context)]


def _diagnosis(context: Context, name: str, path: Path) -> list[Any]:
    canonical = context.paths.canonical(path)
    try:
        found = load(name, path)
    except InvalidDefinition as reason:
        return [printable(name), printable(canonical), False, str(reason), [], [], [], True]
    parameters = [list(each) for each in found.parameters]
    return [
        name,
        canonical,
        True,
        "",
        list(found.variants),
        parameters,
        list(found.api_versions),
        found.trusted,
    ]


@function("os_validate")
def os_validate(
    context: Context, required: Any, name: Any, checks: Any, params: Any, force_variant: Any
) -> bool:
    """
    Check that an OS can be installed on this node with these parameters.

    @param required: Whether it is an error that the OS is not here.
    @param checks: What its verify script is to check: C{["parameters"]} or nothing.
    @return: Whether the OS is here.
    """
    wanted = arguments.shaped(list[str], checks, "list of checks")
    parameters = arguments.shaped(dict[str, Any], params, "OS parameters")
    if unknown := sorted(set(wanted) - CHECKS):
        raise FunctionError(f"Unknown checks: {', '.join(unknown)}")
    found = find(context, name)
    if found is None:
        if required:
            require(context, name)
        return False
    if not force_variant:
        # Parameters of an OS for all its variants are checked without one.
        found.variant(name)
    if max(found.api_versions) < WITH_PARAMETERS:
        return True
    if "parameters" in wanted:
        _check_names(found, parameters)
    Script(
        title=f"The verify script of OS '{found.name}'",
        command=[str(found.path / "verify"), *wanted],
        directory=found.path,
        environment=environment.core(found, name, parameters, 0),
        limit=_limit("os_validate"),
    ).run(Output(lambda type, payload: None))
    return True


def _check_names(found: Definition, parameters: dict[str, Any]) -> None:
    """
    @raise FunctionError: A parameter is none of the definition's, or two are one to its scripts.
    """
    # However it is spelt in the definition, users write it in lower case (seed: OS API, parameters).
    known = {variable_of(each): each.lower() for each, _ in found.parameters}
    unknown = [
        each
        for each in sorted(parameters)
        if variable_of(each) not in known and each not in RESERVED_PARAMETERS
    ]
    if unknown:
        shown = ", ".join(sorted(known.values())) or "none"
        raise FunctionError(f"OS '{found.name}' has no parameters {', '.join(unknown)}; it has {shown}")
    by_variable: dict[str, str] = {}
    for name in sorted(parameters):
        other = by_variable.setdefault(variable_of(name), name)
        if other != name:
            raise FunctionError(f"OS parameters {other} and {name} are the same to scripts: give one of them")


@function("os_versions")
def os_versions(context: Context) -> dict[str, str | None]:
    """
    What the effective usable definitions have in C{os_version}, by name: data that one node's scripts exported can be
    imported by another's where both have the same.

    A function of gnttwist's own.
    """
    found: dict[str, str | None] = {}
    for name, path in entries(context):
        if name in found:
            continue
        with suppress(InvalidDefinition):
            found[name] = load(name, path).os_version
    return found


@function("instance_os_add")
def instance_os_add(context: Context, instance_osp: Any, reinstall: Any, debug: Any) -> None:
    """
    Run the create script of an instance's OS on its disks.

    The script's output goes to a log and is told as it comes.

    @param instance_osp: The instance, its OS parameters filled.
    @param debug: The debug level for the script.
    """
    instance = arguments.instance(instance_osp)
    if "os-image" in instance.osparams:
        raise FunctionError("Installing from an image (os-image) is not supported by this node")
    found = require(context, instance.os)
    found.variant(instance.os, force=True)
    if found.create is None:
        raise FunctionError(f"OS '{found.name}' has only an untrusted create script, which needs a helper VM")
    disks = [(disk, usable(context, disk)) for disk in instance.disks_info]
    parameters = {**instance.osparams, **instance.osparams_private, **instance.osparams_secret}
    variables = environment.core(
        found, instance.os, parameters, arguments.shaped(int, debug, "debug level")
    ) | environment.of_instance(instance, disks)
    if reinstall:
        variables["INSTANCE_REINSTALL"] = "1"
    stamp = time.strftime("%Y-%m-%d_%H_%M_%S")
    Script(
        title=f"The create script of OS '{found.name}'",
        command=[str(found.create)],
        directory=found.path,
        environment=variables,
        limit=_limit("instance_os_add"),
        log=context.paths.log / "os" / f"add-{instance.os}-{instance.name}-{stamp}.log",
    ).run(Output(context.feedback))


@function("instance_run_rename")
def instance_run_rename(context: Context, instance: Any, old_name: Any, debug: Any) -> None:
    """
    Run the rename script of an instance's OS on its disks.

    @param instance: The instance with its new name, its OS parameters filled.
    @param old_name: Its name until now.
    @param debug: The debug level for the script.
    """
    wanted = arguments.instance(instance)
    before = arguments.name(old_name, "old instance name")
    found = require(context, wanted.os)
    disks = [(disk, usable(context, disk)) for disk in wanted.disks_info]
    parameters = {**wanted.osparams, **wanted.osparams_private}
    variables = environment.core(
        found, wanted.os, parameters, arguments.shaped(int, debug, "debug level")
    ) | environment.of_instance(wanted, disks)
    stamp = time.strftime("%Y-%m-%d_%H_%M_%S")
    Script(
        title=f"The rename script of OS '{found.name}'",
        command=[str(found.path / "rename")],
        directory=found.path,
        environment=variables | {"OLD_INSTANCE_NAME": before},
        limit=_limit("instance_run_rename"),
        log=context.paths.log / "os" / f"rename-{wanted.os}-{before}-{wanted.name}-{stamp}.log",
    ).run(Output(context.feedback))
