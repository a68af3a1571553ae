"""
Whatever moment the master is killed at, its jobs end as if it had not been.
"""

import random
import sys
from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.faults.boundaries import Ran, Scenario, differences, kill, run
from tests.jobs.sample import FUNCTIONS, sample
from tests.jobs.world import World

SEED = 20
"""
Of the runs with several kills.
"""

MANY_KILLS = 60
"""
How many of those.
"""


def say(text: str) -> None:
    """
    Print what was covered, beside the test's name.
    """
    sys.stdout.write(f"[{text}] ")


def world() -> World:
    """
    Two nodes, and the sample's opcodes.
    """
    return World(sample(), FUNCTIONS)


def making(name: str, **parameters: Any) -> dict[str, Any]:
    """
    An opcode that makes an instance.
    """
    return {"OP_ID": "OP_MAKE", "name": name, **parameters}


SCENARIOS = {
    "made": Scenario(world, [[making("a", children=2)]]),
    "three jobs": Scenario(world, [[making("a"), making("b")], [making("a")], [making("c")]]),
    "broken early": Scenario(world, [[making("a", break_at="change"), making("b")]]),
    "broken late": Scenario(world, [[making("a", break_at="start")]]),
    "killed in calls": Scenario(world, [[making("a", slow=50.0), making("b")]], [(5.0, kill(1))]),
    "killed asleep": Scenario(world, [[making("a")]], [(1.5, kill(1))]),
}


class MasterBoundaryTests(SynchronousTestCase):
    """
    Jobs of every kind, killed everywhere.
    """

    def check(self, name: str) -> None:
        """
        Kill at each boundary in turn.
        """
        scenario = SCENARIOS[name]
        undisturbed = run(scenario)
        (boundaries,) = undisturbed.lives
        for each in range(len(boundaries)):
            self.assertEqual(len(self.compare(name, undisturbed, [each]).lives), 2, "it was not killed")
        say(f"{name}: {len(boundaries)} boundaries")

    def compare(self, name: str, undisturbed: Ran, kill_at: Sequence[int]) -> Ran:
        """
        Kill there, and hold the end to that of the undisturbed run.
        """
        found = run(SCENARIOS[name], kill_at)
        where = [life[at] if at < len(life) else "-" for life, at in zip(found.lives, kill_at, strict=False)]
        self.assertEqual(differences(undisturbed.end, found.end), [], f"{name} killed at {kill_at}, {where}")
        return found

    def test_made(self) -> None:
        """
        A job of every kind of step that succeeds.
        """
        self.check("made")

    def test_three_jobs(self) -> None:
        """
        Jobs that contend for locks, one of which is refused because of another.
        """
        self.check("three jobs")

    def test_broken_early(self) -> None:
        """
        A job that fails with little to undo.
        """
        self.check("broken early")

    def test_broken_late(self) -> None:
        """
        A job that fails in a call, with all to undo.
        """
        self.check("broken late")

    def test_killed_in_calls(self) -> None:
        """
        A job that a user kills while functions run: they are aborted, and all is undone.
        """
        self.check("killed in calls")

    def test_killed_asleep(self) -> None:
        """
        A job that a user kills between its calls.
        """
        self.check("killed asleep")

    def test_killed_again_and_again(self) -> None:
        """
        Three kills, wherever: in the job, in what takes it up, and in what takes that up.
        """
        source = random.Random(SEED)
        undisturbed = {name: run(each) for name, each in SCENARIOS.items()}
        for _ in range(MANY_KILLS):
            name = source.choice(sorted(SCENARIOS))
            count = len(undisturbed[name].lives[0])
            self.compare(name, undisturbed[name], [source.randrange(count) for _ in range(3)])
        say(f"seed {SEED}: {MANY_KILLS} runs of three kills")
