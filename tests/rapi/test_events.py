"""
Tests for L{gnttwist.rapi.events} and L{gnttwist.rapi.event_stream}.
"""

from typing import Any, cast

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.client.luxi import NotReachable
from gnttwist.client.luxi_async import LuxiPool
from gnttwist.rapi import event_stream, events, replay_buffer, subscriber
from gnttwist.rapi.event_stream import Event, Wanted, cursor, wanted
from gnttwist.rapi.events import EventHub
from gnttwist.rapi.failures import BadRequest
from gnttwist.rapi.users import NOBODY, User
from gnttwist.wire.events import Cursor


class Master:
    """
    A gnt-masterd whose changes tests make: calls wait for them as the real one's do.

    @ivar jobs: C{(revision, row)}: a row each time that a job changed.
    @ivar objects: C{(revision, change)}.
    @ivar remembers: The revision from which on changes of objects are known.
    @ivar progress: A row each time that a job went on.
    @ivar quiet: Whether those who wait are not told.
    """

    def __init__(self) -> None:
        self.revision = 10
        self.jobs: list[tuple[int, list[Any]]] = []
        self.objects: list[tuple[int, list[Any]]] = []
        self.remembers = 10
        self.away = False
        self.progress: list[list[Any]] = []
        self.quiet = False
        self._waiting: list[Deferred[None]] = []

    def change_job(self, id: int, status: str, *lines: str) -> None:
        """
        Let a job change.
        """
        self.revision += 1
        values = [status, [f"TEST({id})"], 0, None, None, None, [status], None]
        log = [[serial, [1, 0], "message", text] for serial, text in enumerate(lines, 1)]
        self.jobs.append((self.revision, [id, values, log]))
        self._wake()

    def go_on(self, id: int, done: int) -> None:
        """
        Let a job's progress change, and nothing that is stored.
        """
        values = ["running", [f"TEST({id})"], 0, None, None, None, ["running"], {"x": {"done": done}}]
        self.progress.append([id, values, []])
        self._wake()

    def change_object(self, kind: str, name: str, there: bool = True) -> None:
        """
        Let an object change.
        """
        self.revision += 1
        self.objects.append((self.revision, [kind, f"uuid-{name}", name, there]))
        self._wake()

    def leave(self) -> None:
        """
        Go away: calls that wait fail.
        """
        self.away = True
        self._wake()

    async def call(self, method: str, *arguments: Any) -> Any:
        """
        As L{LuxiPool.call}.
        """
        while True:
            if self.away:
                raise NotReachable("away")
            answer, timeout = getattr(self, f"_{method}")(*arguments)
            if answer is not None or not timeout:
                return answer or self._nothing(method)
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting

    def _WaitForAnyJobChange(  # the method's name
        self, ids: list[int] | None, fields: Any, revision: int, timeout: float, moment: int
    ) -> tuple[Any, float]:
        shown = len(self.progress)
        if ids is not None:
            return [self.revision, [], shown], timeout
        newest = {row[0]: row for row in self.progress[moment:]} if timeout else {}
        newest |= {row[0]: row for at, row in self.jobs if at > revision}
        # Objects have revisions of the same store.
        last = max([revision, *(at for at, _ in self.jobs)])
        return ([last, list(newest.values()), shown] if newest else None), timeout

    def _WaitForConfigChange(self, revision: int, timeout: float) -> tuple[Any, float]:
        if revision < self.remembers:
            return [self.revision, None], timeout
        found = [each for at, each in self.objects if at > revision]
        return ([self.revision, found] if found else None), timeout

    def _nothing(self, method: str) -> Any:
        return (
            [self.revision, [], len(self.progress)]
            if method == "WaitForAnyJobChange"
            else [self.revision, []]
        )

    def _wake(self) -> None:
        if self.quiet:
            return
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            # Calls that were given up are still among them.
            if not each.called:
                each.callback(None)


class Channel:
    """
    What a request's connection does.
    """

    def __init__(self) -> None:
        self.aborted = False

    def forceAbortClient(self) -> None:  # Twisted's name
        """
        Remember it.
        """
        self.aborted = True


class Request:
    """
    A client's request, as far as events use it.
    """

    def __init__(self) -> None:
        self.channel = Channel()
        self.headers: dict[bytes, bytes] = {}
        self.writes: list[bytes] = []
        self.finished: Deferred[None] = Deferred()
        self.producer: Any = None
        self._full_after = 0

    def notifyFinish(self) -> Deferred[None]:  # Twisted's name
        """
        Fires when the client is gone.
        """
        return self.finished

    def setHeader(self, name: bytes, value: bytes) -> None:
        """
        Remember it.
        """
        self.headers[name] = value

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Remember it.
        """
        self.producer = producer

    def write(self, data: bytes) -> None:
        """
        Remember it.
        """
        self.writes.append(data)
        if len(self.writes) == self._full_after:
            self.producer.pauseProducing()

    def full_after(self, writes: int) -> None:
        """
        Let the connection's buffer be full once so much was written.
        """
        self._full_after = writes

    @property
    def written(self) -> bytes:
        """
        All of it.
        """
        return b"".join(self.writes)

    def events(self) -> list[tuple[str, str, Any]]:
        """
        What was written: id, name and data of each event.
        """
        found = []
        for block in self.written.decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "event" in lines:
                found.append((lines.get("id", ""), lines["event"], msgspec.json.decode(lines["data"])))
        return found


class HubTests(SynchronousTestCase):
    """
    Tests for L{EventHub}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.master = Master()
        self.users: dict[str, User] = {"ann": NOBODY}
        self.rounds = 0
        pool = cast(LuxiPool, self.master)
        self.hub = EventHub(self.clock, pool, pool, pool, self.look_up)
        self.addCleanup(self.hub.stop)

    def look_up(self) -> dict[str, User]:
        """
        The users, and count how often they are asked for.
        """
        self.rounds += 1
        return self.users

    def subscribe(self, after: Cursor | None = None, wanted: Wanted = Wanted()) -> Request:  # noqa: B008
        """
        A client that hears of events.
        """
        request = Request()
        self.successResultOf(
            Deferred.fromCoroutine(self.hub.subscribe(request, wanted, after, lambda users: "ann" in users))
        )
        self.clock.advance(0)
        return request

    def statuses(self, request: Request) -> list[tuple[int, str]]:
        """
        What a client has heard of jobs.
        """
        return [
            (job["id"], job["status"])
            for _, name, data in request.events()
            if name == "jobs"
            for job in data["jobs"]
        ]

    def test_live(self) -> None:
        """
        Clients hear of jobs with their lines, and of objects, each with an id to go on from.
        """
        one, two = self.subscribe(), self.subscribe()
        self.master.change_job(7, "running", "first")
        self.master.change_object("instance", "web")
        self.clock.advance(0)
        for client in (one, two):
            [begin, jobs, objects] = client.events()
            self.assertEqual((begin[0], begin[1]), ("10.10", "begin"))
            self.assertEqual((jobs[0], jobs[2]["jobs"][0]["log"][0]["payload"]), ("11.10", "first"))
            self.assertEqual(objects[0], "11.12")
            self.assertEqual(
                objects[2]["objects"],
                [{"kind": "instance", "uuid": "uuid-web", "name": "web", "there": True}],
            )
        self.assertEqual(one.headers[b"Content-Type"], b"text/event-stream")

    def test_resumes(self) -> None:
        """
        Who comes back with an id hears what it missed, once, and then what goes on.
        """
        first = self.subscribe()
        self.master.change_job(7, "running")
        self.clock.advance(0)
        last = cursor(first.events()[-1][0])
        first.finished.callback(None)
        self.master.change_job(7, "success")
        self.master.change_job(8, "queued")
        self.master.change_object("node", "n1", there=False)
        again = self.subscribe(last)
        self.master.change_job(8, "running")
        self.clock.advance(0)
        self.assertEqual(self.statuses(again), [(7, "success"), (8, "queued"), (8, "running")])
        self.assertEqual([name for _, name, _ in again.events()], ["objects", "jobs", "jobs"])

    def test_progress(self) -> None:
        """
        Progress alone has no id, so that no two events have the same; also who came back hears of it.
        """
        first = self.subscribe()
        self.master.change_job(7, "running")
        self.clock.advance(0)
        again = self.subscribe(cursor(first.events()[-1][0]))
        for done in (1, 2):
            self.master.go_on(7, done)
            self.clock.advance(0)
        self.assertEqual([id for id, _, _ in first.events()], ["10.10", "11.10", "", ""])
        for client in (first, again):
            told = [each["progress"] for _, name, data in client.events()[-2:] for each in data["jobs"]]
            self.assertEqual(told, [{"x": {"done": 1}}, {"x": {"done": 2}}])

    def test_ahead(self) -> None:
        """
        Who came back before the others were told of the latest hears each line once, and ids that never go back.
        """
        last = cursor(self.subscribe().events()[-1][0])
        self.master.quiet = True
        self.master.change_job(7, "running", "first")
        again = self.subscribe(last)
        self.master.quiet = False
        self.master.change_object("node", "n1")
        self.clock.advance(0)
        self.master.change_job(7, "running", "first", "second")
        self.clock.advance(0)
        lines = [
            line["payload"]
            for _, name, data in again.events()
            if name == "jobs"
            for each in data["jobs"]
            for line in each["log"]
        ]
        self.assertEqual(lines, ["first", "second"])
        ids = [cursor(id) for id, _, _ in again.events()]
        self.assertEqual(ids, sorted(ids, key=lambda each: (each.jobs, each.config)))
        self.assertEqual(len(ids), len(set(ids)))

    def test_too_old(self) -> None:
        """
        Who comes back after longer than is known is told to look at everything, and can go on from there.
        """
        self.master.remembers = 20
        self.master.revision = 30
        client = self.subscribe(Cursor(5, 5))
        [(id, name, _)] = client.events()
        self.assertEqual((id, name), ("5.30", "snapshot"))
        self.master.change_job(7, "running")
        self.clock.advance(0)
        self.assertEqual(self.statuses(client), [(7, "running")])

    def test_filters(self) -> None:
        """
        A client hears only of what it wants to.
        """
        jobs = self.subscribe(wanted=Wanted(jobs=frozenset({8})))
        nodes = self.subscribe(wanted=Wanted(kinds=frozenset({"node"})))
        for id in (7, 8):
            self.master.change_job(id, "running")
        self.master.change_object("instance", "web")
        self.master.change_object("node", "n1")
        self.clock.advance(0)
        self.assertEqual(self.statuses(jobs), [(8, "running")])
        self.assertEqual([data for _, name, data in nodes.events() if name == "jobs"], [])
        [told] = [data["objects"] for _, name, data in nodes.events() if name == "objects"]
        self.assertEqual([each["name"] for each in told], ["n1"])

    def test_slow(self) -> None:
        """
        A client that does not read gets nothing more until it does, then what it missed; one that is too far behind
        is cut off.
        """
        slow = self.subscribe()
        slow.producer.pauseProducing()
        self.master.change_job(7, "running")
        self.clock.advance(0)
        self.assertEqual(self.statuses(slow), [])
        slow.producer.resumeProducing()
        self.clock.advance(0)
        self.assertEqual(self.statuses(slow), [(7, "running")])
        slow.producer.pauseProducing()
        self.patch(replay_buffer, "KEPT_BYTES", 1)
        for id in (8, 9, 10):
            self.master.change_job(id, "running")
        slow.producer.resumeProducing()
        self.clock.advance(0)
        self.assertTrue(slow.channel.aborted)
        self.assertEqual(self.hub.count, 0)

    def test_joined(self) -> None:
        """
        What a client lacks is written at once, but no more than its connection buffers; when that is full, it waits.
        """
        client = self.subscribe()
        self.master.change_object("node", "n1")
        self.master.change_object("node", "n2")
        self.clock.advance(0)
        self.assertEqual([each.count(b"data: ") for each in client.writes], [1, 2])
        client.producer.pauseProducing()
        self.patch(subscriber, "WRITTEN_AT_ONCE", 1)
        self.master.change_object("node", "n3")
        self.master.change_object("node", "n4")
        client.full_after(3)
        client.producer.resumeProducing()
        self.clock.advance(0)
        self.assertEqual([each.count(b"data: ") for each in client.writes], [1, 2, 1])
        client.producer.resumeProducing()
        self.clock.advance(0)
        self.assertEqual([each.count(b"data: ") for each in client.writes], [1, 2, 1, 1])

    def test_heartbeat(self) -> None:
        """
        In silence the connection is shown to stand, and a client whose user is gone is cut off.
        """
        client = self.subscribe()
        before = client.written
        self.clock.advance(events.HEARTBEAT_EVERY)
        self.assertEqual(client.written, before + event_stream.HEARTBEAT)
        self.users = {}
        self.clock.advance(events.HEARTBEAT_EVERY)
        self.assertTrue(client.channel.aborted)

    def test_many_heartbeats(self) -> None:
        """
        They go out in portions, so that others are served between; and again when it is time. The users are looked
        up once for all.
        """
        clients = [self.subscribe() for _ in range(events.SERVED_AT_ONCE + 1)]

        def beats() -> int:
            return sum(each.written.count(event_stream.HEARTBEAT) for each in clients)

        between: list[int] = []
        for _ in range(2):
            self.clock.callLater(events.HEARTBEAT_EVERY, lambda: between.append(beats()))
            self.clock.advance(events.HEARTBEAT_EVERY)
            between.append(beats())
        self.assertEqual(between, [100, 101, 201, 202])
        self.assertEqual(self.rounds, 2)

    def test_master_away(self) -> None:
        """
        While gnt-masterd is away clients wait; when it is back they hear what happened, and nothing twice.
        """
        client = self.subscribe()
        self.master.leave()
        self.master.away = False
        self.master.change_job(7, "running")
        self.clock.advance(events.RETRY)
        self.clock.advance(0)
        self.assertEqual(self.statuses(client), [(7, "running")])

    def test_no_master(self) -> None:
        """
        A client that comes while gnt-masterd is away is told so, and one that comes later is served.
        """
        self.master.away = True
        asked = Deferred.fromCoroutine(self.hub.subscribe(Request(), Wanted(), None, lambda users: True))
        self.failureResultOf(asked, NotReachable)
        self.master.away = False
        self.assertEqual(len(self.subscribe().events()), 1)

    @given(st.lists(st.sampled_from(["job", "object", "cut", "turn"]), max_size=25))
    def test_nothing_lost(self, steps: list[str]) -> None:
        """
        However often a client is cut off and comes back, it hears each job's last state, and no state twice.
        """
        self.setUp()
        heard: list[tuple[int, str]] = []
        client = self.subscribe()
        last: Cursor | None = None
        expected: dict[int, str] = {}
        for number, step in enumerate([*steps, "turn", "cut", "turn"]):
            if step == "job":
                expected[number % 3] = f"state{number}"
                self.master.change_job(number % 3, f"state{number}")
            elif step == "object":
                self.master.change_object("node", f"n{number}")
            elif step == "turn":
                self.clock.advance(0)
            else:
                heard += self.statuses(client)
                last = cursor(client.events()[-1][0])
                client.finished.callback(None)
                client = self.subscribe(last)
        heard += self.statuses(client)
        self.assertEqual(len(heard), len(set(heard)))
        self.assertEqual(dict(heard), expected)


class StreamTests(SynchronousTestCase):
    """
    Tests for what is read and written.
    """

    def test_cursor(self) -> None:
        """
        An id is read back; anything else is refused.
        """
        self.assertEqual(cursor(str(Cursor(17, 4))), Cursor(17, 4))
        for wrong in ("", "17", "17.x", "-1.4", "1.2.3", "9" * 40 + ".1", "\u0661.\u0662"):
            self.assertRaises(BadRequest, cursor, wrong)

    def test_wanted(self) -> None:
        """
        Kinds and numbers are checked by name.
        """
        self.assertTrue(wanted([], []).everything)
        self.assertEqual(wanted(["job"], ["7"]), Wanted(frozenset({"job"}), frozenset({7})))
        self.assertIn("kind", str(self.assertRaises(BadRequest, wanted, ["elephant"], [])))
        self.assertIn("job", str(self.assertRaises(BadRequest, wanted, [], ["x"])))

    @given(st.text())
    def test_one_line(self, text: str) -> None:
        """
        Whatever is told, an event's data is one line.
        """
        encoded = Event(Cursor(1, 2), "begin", text=text).encode()
        self.assertEqual(encoded.count(b"\n"), 4)
        self.assertTrue(encoded.endswith(b"\n\n"))
