"""
A cluster whose master can be lost: store and nodes survive it, and another life of it goes on from there.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from attrs import define, field
from zope.interface import implementer

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from gnttwist.config import records
from gnttwist.config.service import Configuration
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import NodeError, NotAnswering
from gnttwist.jobs import acknowledging, journal
from gnttwist.jobs.live import JOB_PREFIX, JobView
from gnttwist.jobs.opcodes import Opcodes
from gnttwist.jobs.queue import Queue
from gnttwist.jobs.recovery import EPOCH_KEY
from gnttwist.jobs.vault import NoVault, Vault
from gnttwist.masterd.job_queries import JobQueries, cluster_row
from gnttwist.model.job import FINAL
from gnttwist.model.objects import Cluster, Node
from gnttwist.query.sources import LiveCall, Sources
from gnttwist.store.interface import Put, Transaction
from gnttwist.testing.node_calls import Function
from gnttwist.testing.node_connection import Connection
from gnttwist.testing.nodes import FakeNodes
from gnttwist.testing.store import MemoryStore

T = TypeVar("T")

START = 1_700_000_000.0
"""
The wall clock's reading when a test begins.
"""

NODES = tuple(
    Node(
        uuid=f"0000000{number}-0000-4000-8000-000000000000",
        name=f"node{number}.example.com",
        primary_ip=f"192.0.2.{number}",
        secondary_ip=f"192.0.2.{number}",
        group="group",
    )
    for number in (1, 2)
)

TWO_NODES = Snapshot(
    cluster=Cluster(
        uuid="cluster-uuid",
        cluster_name="c.example.com",
        master_node=NODES[0].uuid,
        master_ip="192.0.2.99",
        master_netdev="lo",
    ),
    serial=1,
).with_objects(NODES)


@implementer(IReactorTime)
class MortalClock:
    """
    The part of a clock that dies with a process: what it was to call later is not called.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: list[IDelayedCall] = []
        self._dead = False

    def seconds(self) -> float:
        """
        Of the clock.
        """
        return self._clock.seconds()

    def callLater(
        self, delay: float, callable: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> IDelayedCall:
        """
        On the clock, while this lives.
        """
        call = self._clock.callLater(delay, callable, *args, **kwargs)
        if self._dead:
            call.cancel()
            return self._clock.callLater(1e12, lambda: None)
        self._calls = [each for each in self._calls if each.active()]
        self._calls.append(call)
        return call

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        """
        What is still to be called.
        """
        return [each for each in self._calls if each.active()]

    def kill(self) -> None:
        """
        Call nothing any more.
        """
        self._dead = True
        for each in self._calls:
            if each.active():
                each.cancel()


def prepared_store(config: Snapshot = TWO_NODES) -> MemoryStore:
    """
    A new cluster's store; it commits when it is told to.
    """
    store = MemoryStore(auto_commit=False)
    objects = records.of_objects([config.cluster, *config.nodes, *config.groups, *config.instances])
    store.transact(Transaction([Put(EPOCH_KEY, b"epoch"), *objects, *records.bookkeeping(config)]))
    store.commit_all()
    return store


class Entropy:
    """
    Randomness for new jobs: what was drawn and lost, before the job was durable, is drawn again by the next master.
    """

    def __init__(self, jobs: int) -> None:
        self._drawn = Counter[int]()
        self._jobs = jobs

    def draw(self, count: int) -> bytes:
        """
        So many bytes, the same for the same job.
        """
        self._drawn[count] += 1
        return random.Random(self._jobs + self._drawn[count]).randbytes(count)


def no_boundary(what: str) -> None:
    """
    Go on.
    """


@define(eq=False)
class World:
    """
    What survives masters.
    """

    opcodes: Opcodes
    functions: Mapping[str, Function]
    clock: Clock = field(factory=Clock)
    store: MemoryStore = field(factory=prepared_store)
    nodes: FakeNodes = field(init=False)
    vault: Vault = field(factory=NoVault)

    def __attrs_post_init__(self) -> None:
        self.nodes = FakeNodes(self.clock, self.functions)

    def now(self) -> float:
        """
        The wall clock.
        """
        return START + self.clock.seconds()


class Master:
    """
    One life of the master.

    @ivar boundaries: What was passed so far: each is a moment at which it can be killed.
    @ivar clock: What dies with it.
    @ivar on_fatal: What happens when the store fails.
    """

    def __init__(self, world: World, on_boundary: Callable[[str], None] = no_boundary) -> None:
        self.world = world
        self.boundaries: list[str] = []
        self.lost = False
        self.on_fatal: Callable[[Failure], object] = Failure.raiseException
        self._on_boundary = on_boundary
        self.clock = MortalClock(world.clock)
        self._connection: Connection = world.nodes.connect(self._pass)
        world.store = self._store = world.store.crash(on_commit=lambda *_: self._pass("committed"))
        self.configuration = Configuration(self._store, self._fatal)
        self.wait(Deferred.fromCoroutine(self.configuration.load()))
        self.queue = Queue(
            clock=self.clock,
            now=world.now,
            store=self._store,
            configuration=self.configuration,
            caller=self._connection,
            opcodes=world.opcodes,
            entropy=Entropy(len(self.wait(self._store.range(JOB_PREFIX)).entries)).draw,
            on_fatal=self._fatal,
            vault=world.vault,
            queries=JobQueries(self._sources),
        )

    def _sources(self) -> Sources:
        async def silent(calls: Sequence[LiveCall]) -> Sequence[NodeError]:
            return [NotAnswering("nobody is asked") for _ in calls]

        snapshot = self.configuration.snapshot
        return Sources(
            snapshot,
            silent,
            self.queue,
            self.queue.locks,
            lambda: succeed(None),
            self.clock.seconds,
            lambda: cluster_row(snapshot, self.queue.drained, None),
        )

    def start(self) -> "Master":
        """
        Begin to run jobs.
        """
        started = Deferred.fromCoroutine(self.queue.start())
        started.addErrback(self._fatal)
        return self

    def kill(self) -> None:
        """
        Lose the process, at this very moment.
        """
        self.lost = True
        self.clock.kill()
        self._connection.lose()
        self.world.store = self._store.crash()

    def submit(self, *ops: dict[str, Any], **arguments: Any) -> int:
        """
        Submit a job and wait until it is accepted; nothing else happens meanwhile.
        """
        return self.wait(Deferred.fromCoroutine(self.queue.submit(ops, uid=0, **arguments)))

    def wait(self, deferred: Deferred[T]) -> T:
        """
        The result of what needs no more than commits.
        """
        results: list[Any] = []
        deferred.addBoth(results.append)
        while not results and self._store.commit():
            pass
        if not results:
            raise AssertionError("it needs more than commits")
        if isinstance(results[0], Failure):
            results[0].raiseException()
        result: T = results[0]
        return result

    def run(self, seconds: float) -> None:
        """
        Let everything happen that happens in so many seconds.
        """
        end = self.world.clock.seconds() + seconds
        while not self.lost and self._step(end):
            pass

    def finish(self, *, within: float = 1000.0) -> None:
        """
        Go on until all jobs have ended and nothing is left to do for them, or the master is killed.
        """
        end = self.world.clock.seconds() + within
        while not self.lost and not self.is_idle():
            if not self._step(end):
                raise AssertionError(f"jobs have not ended: {self.describe()}")

    def is_idle(self) -> bool:
        """
        Whether everything that was to be done for jobs is done.
        """
        views = list(self.queue.jobs())
        return (
            all(each.job.status in FINAL for each in views)
            and not self._store.pending
            and not self.leftovers()
        )

    def leftovers(self) -> list[str]:
        """
        What of unfinished jobs is in the store.
        """
        found = []
        for prefix in (journal.PREFIX, acknowledging.PREFIX):
            page = self.wait(self._store.range(prefix))
            found += [each.key for each in page.entries]
        return found

    def view(self, job: int) -> JobView:
        """
        A job.
        """
        view = self.wait(Deferred.fromCoroutine(self.queue.load(job, True)))
        assert view is not None
        return view

    def texts(self, job: int) -> list[Any]:
        """
        The lines of a job's log.
        """
        return [each.payload for each in self.view(job).log]

    def describe(self) -> str:
        """
        The state of things, for messages.
        """
        jobs = [(each.job.id, [op.status for op in each.job.ops]) for each in self.queue.jobs()]
        return f"{jobs}, locks {self.queue.locks()}, store {self.leftovers()}"

    def _step(self, end: float) -> bool:
        if self._store.pending:
            self._pass("submitted")
            if not self.lost:
                self._store.commit()
            return True
        due = min((each.getTime() for each in self.world.clock.getDelayedCalls()), default=end + 1)
        if due > end:
            self.world.clock.advance(end - self.world.clock.seconds())
            return False
        self.world.clock.advance(max(0.0, due - self.world.clock.seconds()))
        return True

    def _pass(self, what: str) -> None:
        if not self.lost:
            self.boundaries.append(what)
            self._on_boundary(what)

    def _fatal(self, failure: Failure) -> None:
        if not self.lost:
            self.on_fatal(failure)
