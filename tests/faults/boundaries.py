"""
Killing the master at each boundary of a job: every moment before or after something becomes durable, reaches a node
or comes back from one.

A job is run undisturbed once, which counts its boundaries. Then it is run again for each of them, killed there, and
taken up by a new process; in the end nothing may tell the two apart.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec
from attrs import asdict, frozen

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gnttwist.config.snapshot import Snapshot
from gnttwist.model.job import LogEntry
from tests.jobs.world import Master, World

MAX_LIVES = 10
"""
More than any test kills.
"""


def every_line(line: LogEntry) -> bool:
    """
    Compare all lines.
    """
    return True


@frozen
class Scenario:
    """
    What to run.

    @ivar make: Makes the cluster.
    @ivar jobs: Each a list of opcodes.
    @ivar expected: The status of each opcode of each job in the end.
    @ivar actions: What a user does, seconds after the beginning; done once more by each life of the master that
        begins later, as by a user who does not know whether it was heard.
    @ivar compared: Which lines of the log must be the same.
    """

    make: Callable[[], World]
    jobs: Sequence[Sequence[dict[str, Any]]]
    expected: Sequence[Sequence[str]]
    actions: Sequence[tuple[float, Callable[[Master], None]]] = ()
    compared: Callable[[LogEntry], bool] = every_line


@frozen
class End:
    """
    Everything that must be the same however often the master was killed.

    @ivar serial: Of the configuration: one more for each change.
    @ivar started: How often each call's key was started.
    @ivar done: What was started on nodes.
    @ivar remembered: Keys that nodes still keep.
    """

    serial: int
    config: Any
    jobs: list[Any]
    logs: list[Any]
    worlds: Any
    started: list[tuple[str, int]]
    done: list[Any]
    remembered: list[str]
    locks: list[Any]
    leftovers: list[str]


@frozen
class Ran:
    """
    One run.

    @ivar lives: What each life of the master passed.
    """

    end: End
    lives: list[list[str]]


def run(scenario: Scenario, kill_at: Sequence[int] = ()) -> Ran:
    """
    Run a scenario to its end.

    @param kill_at: At which boundary to kill each life of the master, counted from 0; lives after the last live on.
    """
    world = scenario.make()
    lives: list[list[str]] = []
    for life in range(MAX_LIVES):
        master = _live(world, kill_at[life] if life < len(kill_at) else None, scenario, first=not life)
        lives.append(master.boundaries)
        if not master.lost:
            return Ran(_end(master, scenario), lives)
    raise AssertionError("the jobs do not end")


def _live(world: World, kill_at: int | None, scenario: Scenario, first: bool) -> Master:
    counting = not first

    def passed(what: str) -> None:
        if counting and len(master.boundaries) - 1 == kill_at:
            master.kill()

    master = Master(world, passed)
    master.start()
    if first and not master.lost:
        for ops in scenario.jobs:
            master.submit(*ops)
        master.boundaries.clear()
        counting = True
    for seconds, action in scenario.actions:
        master.clock.callLater(max(0.0, seconds - world.clock.seconds()), action, master)
    master.finish()
    return master


def kill(job: int) -> Callable[[Master], None]:
    """
    The action of killing a job.
    """

    def action(master: Master) -> None:
        Deferred.fromCoroutine(master.queue.cancel(job, kill=True))

    return action


def _end(master: Master, scenario: Scenario) -> End:
    views = [master.view(id) for id in sorted(each.id for each in master.queue.jobs())]
    nodes = master.world.nodes
    snapshot = master.configuration.snapshot
    return End(
        serial=snapshot.serial,
        config=_objects(snapshot),
        jobs=[[(op.input["OP_ID"], op.status, op.result) for op in each.job.ops] for each in views],
        logs=[
            sorted((line.op, line.type, str(line.payload)) for line in each.log if scenario.compared(line))
            for each in views
        ],
        worlds=_sorted(nodes.worlds),
        started=sorted(nodes.started.items()),
        done=sorted(nodes.done, key=repr),
        remembered=nodes.remembered,
        locks=master.queue.locks(),
        leftovers=master.leftovers(),
    )


def _objects(config: Snapshot) -> list[Any]:
    """
    All objects without their times.
    """
    objects: Iterable[Any] = (
        config.cluster,
        *config.nodes,
        *config.groups,
        *config.networks,
        *config.instances,
        *(config.disks[each] for each in sorted(config.disks)),
    )
    return [msgspec.structs.replace(each, ctime=0.0, mtime=0.0) for each in objects]


def _sorted(value: Any) -> Any:
    """
    A node's world: the order of what concurrent calls did is no matter.
    """
    if isinstance(value, dict):
        return {name: _sorted(each) for name, each in sorted(value.items())}
    if isinstance(value, list):
        return sorted((_sorted(each) for each in value), key=repr)
    return value


def differences(expected: End, found: End) -> list[str]:
    """
    What is not the same, in words.
    """
    before, after = asdict(expected, recurse=False), asdict(found, recurse=False)
    return [
        f"{name}: {before[name]!r} became {after[name]!r}" for name in before if before[name] != after[name]
    ]


def say(text: str) -> None:
    """
    Print what was covered, beside the test's name.
    """
    sys.stdout.write(f"[{text}] ")


class BoundaryTestCase(SynchronousTestCase):
    """
    Scenarios that are killed everywhere.

    @cvar scenarios: By name.
    """

    scenarios: ClassVar[Mapping[str, Scenario]] = {}

    def check(self, name: str) -> None:
        """
        Kill at each boundary in turn.
        """
        scenario = self.scenarios[name]
        undisturbed = run(scenario)
        statuses = [[status for _, status, _ in ops] for ops in undisturbed.end.jobs]
        self.assertEqual(statuses, scenario.expected, undisturbed.end.jobs)
        (boundaries,) = undisturbed.lives
        for each in range(len(boundaries)):
            self.assertEqual(len(self.compare(name, undisturbed, [each]).lives), 2, "it was not killed")
        say(f"{name}: {len(boundaries)} boundaries")

    def compare(self, name: str, undisturbed: Ran, kill_at: Sequence[int]) -> Ran:
        """
        Run a scenario with kills, and hold it to the undisturbed run.
        """
        return self.hold(name, self.scenarios[name], undisturbed, kill_at)

    def hold(self, name: str, scenario: Scenario, undisturbed: Ran, kill_at: Sequence[int]) -> Ran:
        """
        Kill there, and hold the end to that of the undisturbed run.
        """
        found = run(scenario, kill_at)
        where = [life[at] if at < len(life) else "-" for life, at in zip(found.lives, kill_at, strict=False)]
        self.assertEqual(differences(undisturbed.end, found.end), [], f"{name} killed at {kill_at}, {where}")
        return found
