"""
Tests for jobs that cannot go on after a restart.
"""

from typing import Any

from attrs import define

from twisted.internet.defer import Deferred

from gnttwist.jobs.engine import MAX_REPLAYS, REPLAY_SURVIVED
from gnttwist.jobs.queue import NO_VAULT
from gnttwist.jobs.recovery import EPOCH_KEY, NoEpoch
from gnttwist.jobs.vault import Secrets, Vault
from gnttwist.store.interface import Delete, Transaction
from tests.jobs.sample import FUNCTIONS, SampleUnit, make, nothing, sample
from tests.jobs.test_context import NODE, UnitCase
from tests.jobs.world import Master, World

MAKE = {"OP_ID": "OP_MAKE", "name": "a", "slow": 30.0}


@define
class MemoryVault:
    """
    A vault that outlives masters.
    """

    _kept: dict[int, Secrets]

    def keep(self, job: int, secrets: Secrets) -> None:
        """
        Keep them.
        """
        self._kept[job] = secrets

    def drop(self, job: int) -> None:
        """
        Forget them.
        """
        self._kept.pop(job, None)

    def kept(self) -> dict[int, Secrets]:
        """
        All.
        """
        return dict(self._kept)


class UnableTests(UnitCase):
    """
    Tests for jobs that were begun and cannot go on.
    """

    def submit(self, op: dict[str, Any], vault: Vault = NO_VAULT) -> Master:
        """
        A master that has begun a job.
        """
        self.world = World(sample(), FUNCTIONS, vault=vault)
        self.master = Master(self.world).start()
        self.master.submit(op, {"OP_ID": "OP_NOTHING"})
        self.master.run(1.0)
        return self.master

    def restart(self) -> Master:
        """
        Kill the master; the next one.
        """
        self.master.kill()
        self.master = Master(self.world).start()
        return self.master

    def ended(self) -> tuple[list[str], Any]:
        """
        How the job ended: its statuses, and the first opcode's result.
        """
        self.master.finish()
        ops = self.master.view(1).job.ops
        return [each.status for each in ops], ops[0].result

    def assertUndone(self) -> None:
        """
        Nothing is left of what the job made.
        """
        self.assertEqual(len(self.master.configuration.snapshot.instances), 0)
        self.assertEqual(self.world.nodes.worlds[NODE.name]["disks"], [])
        self.assertEqual((self.world.nodes.remembered, self.master.queue.locks()), ([], []))

    def test_other_version(self) -> None:
        """
        A job that another version of its unit began ends with the list of what was done, and that is undone.
        """
        self.submit(MAKE)
        self.world.opcodes = sample(OP_MAKE=SampleUnit(2, make))
        self.restart()
        statuses, (name, (text,)) = self.ended()
        self.assertEqual((statuses, name), (["error", "error"], "OpExecError"))
        self.assertIn("version 2, not 1", text)
        self.assertIn("change:add the instance", text)
        self.assertUndone()

    def test_killed_while_ending(self) -> None:
        """
        A job of another version ends so also when the daemon is killed while it is undone.
        """
        self.submit(MAKE)
        self.world.opcodes = sample(OP_MAKE=SampleUnit(2, make))
        self.restart()
        while "removing the instance again" not in self.master.texts(1):
            self.master.run(0.01)
        self.restart()
        self.assertIn("version 2, not 1", self.ended()[1][1][0])
        self.assertUndone()

    def test_unit_gone(self) -> None:
        """
        A job that no unit carries out any more ends, and says so.
        """
        self.submit(MAKE)
        del self.world.opcodes.units["OP_MAKE"]  # type: ignore[attr-defined]  # a plain dict in tests
        self.restart()
        self.assertEqual(self.ended()[1][0], "OpCodeUnknown")

    def test_poison(self) -> None:
        """
        A job whose replays end the daemon again and again is given up and undone.
        """
        self.submit(MAKE)
        for _ in range(MAX_REPLAYS):
            self.restart()
            self.master.run(0.0)
            self.assertEqual(self.master.view(1).job.status, "running")
        self.restart()
        statuses, (_, (text,)) = self.ended()
        self.assertEqual(statuses, ["error", "error"])
        self.assertIn("the last 3 tries", text)
        self.assertUndone()

    def test_poisonous_undo(self) -> None:
        """
        A job that ends the daemon even while it is given up is not tried any more.
        """
        self.submit(MAKE)
        for _ in range(MAX_REPLAYS):
            self.restart()
            self.master.run(0.0)
        # As if it ended the daemon before it did anything.
        self.restart()
        self.world.store.commit(1)
        self.restart()
        done = len(self.world.nodes.done)
        self.assertEqual(self.ended()[0], ["error", "error"])
        self.assertEqual(len(self.world.nodes.done), done)

    def test_survived(self) -> None:
        """
        Restarts that had other reasons do not add up: a replay that goes on for a while was none that ends daemons.
        """
        self.submit({**MAKE, "slow": 10 * REPLAY_SURVIVED})
        for _ in range(MAX_REPLAYS + 2):
            self.restart()
            self.master.run(REPLAY_SURVIVED + 1.0)
        self.assertEqual(self.ended()[0], ["success", "success"])

    def test_orderly(self) -> None:
        """
        Orderly stops do not add up either.
        """
        self.submit(MAKE)
        for _ in range(MAX_REPLAYS + 2):
            self.restart()
            self.master.run(0.0)
            self.master.wait(Deferred.fromCoroutine(self.master.queue.stop()))
        self.restart()
        self.assertEqual(self.ended()[0], ["success", "success"])

    def test_progress_counts(self) -> None:
        """
        A replay that gets further than the one before may be tried again.
        """
        self.submit({**MAKE, "slow": 0.0})
        for _ in range(MAX_REPLAYS + 3):
            self.restart()
            self.master.run(1.1)
        self.assertEqual(self.ended()[0], ["success", "success"])

    def test_secret_gone(self) -> None:
        """
        A job that needs a secret which died with the daemon says so, and undoes what it did with it.
        """
        self.submit({"OP_ID": "OP_SECRET", "passwords": {"root": "hunter2"}, "seconds": 10.0})
        self.restart()
        statuses, (_, (text,)) = self.ended()
        self.assertEqual(statuses, ["error", "error"])
        self.assertIn("passwords were lost", text)
        self.assertEqual(self.world.nodes.done[-1][1], "remove_disk")

    def test_secret_outlives(self) -> None:
        """
        A job goes on with its secret where that was kept beside the daemon's memory. When it has ended nothing of it
        is kept; what was kept for a job that was never accepted goes, too.
        """
        vault = MemoryVault({99: [{"passwords": {"root": "x"}}]})
        self.submit({"OP_ID": "OP_SECRET", "passwords": {"root": "hunter2"}, "seconds": 10.0}, vault)
        self.assertEqual(list(vault.kept()), [1])
        self.restart()
        self.assertEqual(list(vault.kept()), [1])
        self.assertEqual(self.ended(), (["success", "success"], "7 letters"))
        self.assertEqual(vault.kept(), {})

    def test_secret_kept(self) -> None:
        """
        A secret reaches its unit, and nothing of it the store.
        """
        self.submit({"OP_ID": "OP_SECRET", "passwords": {"root": "hunter2"}, "seconds": 0.0})
        self.assertEqual(self.ended(), (["success", "success"], "7 letters"))
        page = self.successResultOf(self.world.store.range("/"))
        self.assertFalse([each.key for each in page.entries if b"hunter2" in each.value])

    def test_unprepared_store(self) -> None:
        """
        A store without an epoch is refused: keys of calls would not be unique.
        """
        self.world = World(sample(OP_NOTHING=SampleUnit(1, nothing)), FUNCTIONS)
        self.world.store.transact(Transaction([Delete(EPOCH_KEY)]))
        self.world.store.commit_all()
        master = Master(self.world)
        self.failureResultOf(Deferred.fromCoroutine(master.queue.start()), NoEpoch)
