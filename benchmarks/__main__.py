"""
Run the benchmarks and print one table: C{python -m benchmarks [NAME ...]}.

Each module of this package whose name has no underscore in front is one group; its C{rows} measures and returns lines
of C{(what, value)}. Values are medians, measured on the machine that the heading names: compare within one run, not
across runs.
"""

import importlib
import os
import pkgutil
import platform
import sys
from collections.abc import Sequence

import benchmarks

Row = tuple[str, str]


def machine() -> str:
    """
    The machine in one line: processor, cores, kernel, Python.
    """
    with open("/proc/cpuinfo") as lines:
        model = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "processor"
        )
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"


def main(names: Sequence[str]) -> int:
    """
    Measure the groups that are named, or all, and print what they return.
    """
    found = [each.name for each in pkgutil.iter_modules(benchmarks.__path__) if not each.name.startswith("_")]
    unknown = sorted(set(names) - set(found))
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(found)}", file=sys.stderr)
        return 1
    print(machine())
    for name in names or found:
        rows: list[Row] = importlib.import_module(f"benchmarks.{name}").rows()
        print(f"\n{name}")
        for what, value in rows:
            print(f"  {what:<58} {value}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
