"""
A process that writes to a store until it is killed or the disk is full, and says what it was told.

C{python -m tests.functional.store_writer PATH BYTES}: C{BYTES} is the most that a file may hold, 0 for no bound. Each
line of its output is one fact: C{done KEY}, C{fatal}, C{failed KEY}, C{refused}, C{closed}.
"""

import os
import resource
import sys
from pathlib import Path

from twisted.internet import reactor  # noqa: TID251 this is a program
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.task import react
from twisted.python.failure import Failure

from gnttwist.store.interface import Put, StoreClosed, Transaction
from gnttwist.store.sqlite import SQLiteStore

WRITERS = 8


def say(line: str) -> None:
    """
    One line, at once.
    """
    os.write(1, f"{line}\n".encode())


async def write(store: SQLiteStore, name: str) -> None:
    """
    Write one key after another; end when the store does.
    """
    number = 0
    while True:
        number += 1
        key = f"/{name}/{number}"
        try:
            result = store.transact(Transaction([Put(key, bytes(1000))]))
        except StoreClosed:
            say("refused")
            return
        try:
            await result
        except StoreClosed:
            say(f"failed {key}")
        else:
            say(f"done {key}")


async def main(path: str, limit: str) -> None:
    """
    Run the writers side by side.
    """
    if int(limit):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))

    def fatal(failure: Failure) -> None:
        say("fatal")

    store = await SQLiteStore.open(IReactorFromThreads(reactor), Path(path), fatal)
    await gatherResults([Deferred.fromCoroutine(write(store, str(name))) for name in range(WRITERS)])
    await store.close()
    say("closed")


if __name__ == "__main__":
    react(lambda _, *arguments: Deferred.fromCoroutine(main(*arguments)), sys.argv[1:])
