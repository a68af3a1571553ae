"""
Where the program C{gnt} begins: what has to be settled before the first large import.
"""

import gc

ALLOCATIONS = 100_000
"""
How many more objects there may be before the garbage collector looks at the youngest. By Python's default, 700, it
looks some sixty times at what is imported, all of which stays: that is a tenth of a short command's own time. The
imports make fewer than this, and a long command is still collected after.
"""


def main() -> None:
    """
    Run a command and exit.
    """
    gc.set_threshold(ALLOCATIONS, 10, 10)
    from gnttwist.cli.main import main as run

    run()
