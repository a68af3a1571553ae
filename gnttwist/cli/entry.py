"""
Where the program C{gnt} begins: what has to be settled before the first large import.
"""

import gc

ALLOCATIONS = 100_000
"""
How many more objects there may be before the garbage collector looks at the youngest. By Python's default, 700, it
looks 33 times at what C{gnt instance} imports, all of which stays: 4 to 8 ms of the processor's time, of 65 to 95.
The imports leave 28,000 objects, so this is beyond them, and a long command is still collected after.
"""


def main() -> None:
    """
    Run a command and exit.
    """
    gc.set_threshold(ALLOCATIONS, 10, 10)
    from gnttwist.cli.main import main as run

    run()
