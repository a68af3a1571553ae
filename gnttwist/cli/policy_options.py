"""
Options for instance policies, which the cluster and groups share; Ganeti's names.
"""

from collections.abc import Callable
from typing import Any

import click

from gnttwist.cli import parameters

OPTIONS = (
    (
        "--ipolicy-bounds-specs",
        "min:memory-size=64m,.../max:...",
        "What instances may be; several ranges after //.",
    ),
    ("--ipolicy-std-specs", "memory-size=64m,...", "What an instance is like, for estimates."),
    ("--ipolicy-disk-templates", "TEMPLATE,...", "Which disk templates they may have."),
    ("--ipolicy-vcpu-ratio", "NUMBER", "Virtual processors for each real one, at most."),
    ("--ipolicy-spindle-ratio", "NUMBER", "Instances' spindles for each real one, at most."),
)


def policy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """
    Give a command the options. Their values come as keywords for L{policy}.
    """
    for name, metavar, text in reversed(OPTIONS):
        command = click.option(name, metavar=metavar, help=text)(command)
    return command


def policy(
    ipolicy_bounds_specs: str | None,
    ipolicy_std_specs: str | None,
    ipolicy_disk_templates: str | None,
    ipolicy_vcpu_ratio: str | None,
    ipolicy_spindle_ratio: str | None,
) -> dict[str, Any] | None:
    """
    What the options say; C{None} for nothing.

    @raise click.UsageError: A range is not written as one.
    """
    found = {
        "minmax": None if ipolicy_bounds_specs is None else _bounds(ipolicy_bounds_specs),
        "std": None if ipolicy_std_specs is None else _specification(ipolicy_std_specs),
        "disk-templates": None if ipolicy_disk_templates is None else ipolicy_disk_templates.split(","),
        "vcpu-ratio": ipolicy_vcpu_ratio,
        "spindle-ratio": ipolicy_spindle_ratio,
    }
    given = {name: value for name, value in found.items() if value is not None}
    return given or None


def _bounds(text: str) -> Any:
    if text == "default":
        return text
    ranges = []
    for each in text.split("//"):
        limits = {}
        for part in each.split("/"):
            word, colon, rest = part.partition(":")
            if not colon or word not in ("min", "max") or word in limits:
                raise click.UsageError(f"--ipolicy-bounds-specs: {each!r} is not min:.../max:...")
            limits[word] = _specification(rest)
        if len(limits) != 2:
            raise click.UsageError(f"--ipolicy-bounds-specs: {each!r} is not min:.../max:...")
        ranges.append(limits)
    return ranges


def _specification(text: str) -> dict[str, Any]:
    found = parameters.typed(parameters.pairs(text))
    for name in ("memory-size", "disk-size"):
        if isinstance(found.get(name), str):
            found[name] = parameters.size(found[name])
    return found
