"""
The conformance suite, on both stores.
"""

from pathlib import Path

from twisted.internet import reactor  # noqa: TID251 the suite runs on the real one, as the daemons do
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from gnttwist.store.interface import Store
from gnttwist.store.sqlite import SQLiteStore
from gnttwist.testing.store import MemoryStore
from tests.store.conformance import StoreContract


class MemoryStoreTests(StoreContract, TestCase):
    """
    The contract, kept by L{MemoryStore}.
    """

    def setUp(self) -> None:
        self.store: Store = MemoryStore()


class SQLiteStoreTests(StoreContract, TestCase):
    """
    The contract, kept by L{SQLiteStore}.
    """

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
        def fatal(failure: Failure) -> None:
            self.fail(f"the store stopped: {failure}")

        path = Path(self.mktemp())
        self.store = await SQLiteStore.open(IReactorFromThreads(reactor), path, fatal)
        self.addCleanup(self.store.close)
