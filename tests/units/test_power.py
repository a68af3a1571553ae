"""
Tests for L{gnttwist.units.power} and L{gnttwist.units.remove}.
"""

from itertools import product
from typing import Any

import msgspec

from gnttwist.errors import FunctionFailed, JobCanceled, OpExecError, OpPrereqError
from gnttwist.model.objects import Nic
from gnttwist.model.opcodes import parse
from gnttwist.testing.context import MemoryJobContext
from gnttwist.units.power import shutdown, startup
from gnttwist.units.remove import remove
from tests.units.one_instance import NAME, InstanceTestCase
from tests.units.world import NodeState, uuid


class StartupTests(InstanceTestCase):
    """
    Tests for L{startup}.
    """

    up = False

    def started(self, **members: Any) -> MemoryJobContext:
        """
        The job that starts the instance.
        """
        job = self.job()
        job.run(startup, parse({"OP_ID": "OP_INSTANCE_STARTUP", "instance_name": "web", **members}))
        return job

    def test_starts(self) -> None:
        """
        The guest runs on usable disks, and the configuration says so.
        """
        job = self.started()
        self.assertEqual(self.instance(job).disks_active, True)
        self.assertAgree(job.config_now)
        self.assertEqual(list(self.world.node().guests), [NAME])

    def test_for_once(self) -> None:
        """
        Parameters for this start reach the node and are not kept; nor is the state if that is not wanted.
        """
        job = self.started(
            beparams={"maxmem": "1g"}, hvparams={"boot_order": "cdrom"}, no_remember=True, startup_paused=True
        )
        [(_, [members, paused, _])] = job.called("instance_start")
        self.assertEqual((members["beparams"]["maxmem"], members["hvparams"]["boot_order"]), (1024, "cdrom"))
        self.assertTrue(paused)
        instance = self.instance(job)
        self.assertEqual((instance.beparams, instance.hvparams, instance.admin_state), ({}, {}, "down"))

    def test_runs_already(self) -> None:
        """
        An instance that runs is only marked up.
        """
        self.world.node().guests[NAME] = 128
        job = self.started()
        self.assertEqual(job.called("instance_start"), [])
        self.assertEqual(self.instance(job).admin_state, "up")

    def test_refusals(self) -> None:
        """
        An unknown instance, one that is marked offline, unknown parameters and too little memory are refused.
        """
        self.assertRaises(OpPrereqError, self.started, instance_name="nope")
        self.assertRaises(OpPrereqError, self.started, instance_uuid=uuid(1))
        self.assertRaises(OpPrereqError, self.started, hvparams={"colour": "red"})
        error = self.assertRaises(OpPrereqError, self.started, beparams={"maxmem": "9g"})
        self.assertEqual(error.args[1], "insufficient_resources")
        self.config = self.config.with_object(
            msgspec.structs.replace(self.instance(self.job()), admin_state="offline")
        )
        self.assertIn("offline", str(self.assertRaises(OpPrereqError, self.started)))

    def test_missing_bridge(self) -> None:
        """
        Without the bridge that its interface is to be on, nothing is touched.
        """
        nic = Nic(mac="aa:00:00:00:00:01", uuid=uuid(5), nicparams={"link": "missing0"})
        instance = msgspec.structs.replace(self.instance(self.job()), nics=[nic])
        self.config = self.config.with_object(instance)
        error = self.assertRaises(OpPrereqError, self.started)
        self.assertEqual(error.args, ("nics: Missing bridges missing0", "environment_error"))
        self.assertEqual(self.world.node().linked, set())

    def test_offline_node(self) -> None:
        """
        On a node that is offline nothing starts; the instance is marked up if that is to be ignored.
        """
        self.offline()
        self.assertIn("is offline", str(self.assertRaises(OpPrereqError, self.started)))
        job = self.started(ignore_offline_nodes=True)
        self.assertEqual(self.instance(job).admin_state, "up")

    def test_dry_run(self) -> None:
        """
        A dry run starts nothing.
        """
        self.assertIs(self.started(dry_run=True).config_now, self.config)
        self.assertEqual(self.world.node().guests, {})

    def test_cancelled_anywhere(self) -> None:
        """
        Wherever it is cancelled, the guest is down, its disks unused, and the configuration agrees.
        """
        steps = len(self.started().steps)
        for step, midway in product(range(steps), [False, True]):
            self.setUp()
            job = self.job(stop_at=step, midway=midway)
            op = parse({"OP_ID": "OP_INSTANCE_STARTUP", "instance_name": NAME})
            self.assertRaises(JobCanceled, job.run, startup, op)
            self.assertAgree(job.config_now)
            self.assertEqual(self.world.node().linked, set())

    def test_fails(self) -> None:
        """
        If the guest cannot be started, its disks are given back.
        """
        self.world.failing["instance_start"] = lambda node: FunctionFailed("no luck")
        self.assertRaises(FunctionFailed, self.started)
        self.assertEqual(self.world.node().linked, set())


class ShutdownTests(InstanceTestCase):
    """
    Tests for L{shutdown}.
    """

    def stopped(self, **members: Any) -> MemoryJobContext:
        """
        The job that stops the instance.
        """
        job = self.job()
        job.run(shutdown, parse({"OP_ID": "OP_INSTANCE_SHUTDOWN", "instance_name": NAME, **members}))
        return job

    def test_stops(self) -> None:
        """
        The guest is asked for the timeout, its disks are given back, and the configuration says so.
        """
        job = self.stopped(timeout=7)
        [(_, [_, timeout, _])] = job.called("instance_shutdown")
        self.assertEqual(timeout, 7)
        self.assertAgree(job.config_now)
        self.assertFalse(self.instance(job).disks_active)
        self.assertEqual(self.world.node().linked, set())

    def test_force(self) -> None:
        """
        By force, the guest is not asked; and who wanted it is kept.
        """
        job = self.stopped(force=True, admin_state_source="user")
        [(_, [_, timeout, _])] = job.called("instance_shutdown")
        self.assertEqual(timeout, 0)
        self.assertEqual(self.instance(job).admin_state_source, "user")

    def test_no_remember(self) -> None:
        """
        If that is wanted, the instance stays marked up.
        """
        self.assertEqual(self.instance(self.stopped(no_remember=True)).admin_state, "up")

    def test_not_running(self) -> None:
        """
        A guest that is down already is only marked so.
        """
        self.world.node().guests.clear()
        self.assertAgree(self.stopped().config_now)

    def test_too_patient(self) -> None:
        """
        A guest is not given more time than nodes wait.
        """
        self.assertIn("timeout: 3601", str(self.assertRaises(OpPrereqError, self.stopped, timeout=3601)))

    def test_fails(self) -> None:
        """
        A guest that cannot be stopped stays marked up.
        """
        self.world.failing["instance_shutdown"] = lambda node: FunctionFailed("no luck")
        job = self.job()
        op = parse({"OP_ID": "OP_INSTANCE_SHUTDOWN", "instance_name": NAME})
        self.assertRaises(FunctionFailed, job.run, shutdown, op)
        self.assertAgree(job.config_now)

    def test_cancelled_anywhere(self) -> None:
        """
        Wherever it is cancelled, the configuration says what is on the node.
        """
        steps = len(self.stopped().steps)
        for step, midway in product(range(steps), [False, True]):
            self.setUp()
            job = self.job(stop_at=step, midway=midway)
            op = parse({"OP_ID": "OP_INSTANCE_SHUTDOWN", "instance_name": NAME})
            self.assertRaises(JobCanceled, job.run, shutdown, op)
            self.assertAgree(job.config_now)

    def test_offline_node(self) -> None:
        """
        On a node that is offline nothing can be stopped; the instance is marked down if that is to be ignored.
        """
        self.offline()
        self.assertRaises(OpPrereqError, self.stopped)
        self.assertEqual(self.instance(self.stopped(ignore_offline_nodes=True)).admin_state, "down")


class RemoveTests(InstanceTestCase):
    """
    Tests for L{remove}.
    """

    def removed(self, **members: Any) -> MemoryJobContext:
        """
        The job that removes the instance.
        """
        job = self.job()
        job.run(remove, parse({"OP_ID": "OP_INSTANCE_REMOVE", "instance_name": NAME, **members}))
        return job

    def test_removes(self) -> None:
        """
        Nothing is left of the instance, and its network port can be drawn again.
        """
        job = self.removed(shutdown_timeout=3)
        self.assertEqual((len(job.config_now.instances), len(job.config_now.disks)), (0, 0))
        self.assertEqual(job.config_now.cluster.tcpudp_port_pool, [11000])
        node = self.world.node()
        self.assertEqual((node.guests, node.disks, node.linked), ({}, {}, set()))
        self.assertEqual(len(job.called("file_storage_dir_remove")), 1)

    def test_fails(self) -> None:
        """
        What fails on the node is told, with the way to go on; and going on forgets the instance.
        """
        self.world.failing["blockdev_remove"] = lambda node: FunctionFailed("no luck")
        error = self.assertRaises(OpExecError, self.removed)
        self.assertIn("no luck. To go on all the same, use ignore_failures", str(error))
        job = self.removed(ignore_failures=True)
        self.assertEqual(len(job.config_now.instances), 0)
        self.assertEqual(len([line for line in job.lines if "no luck" in line]), 2)

    def test_offline_node(self) -> None:
        """
        An instance of a node that is offline is removed only where failures are to be ignored.
        """
        self.offline()
        self.assertRaises(OpPrereqError, self.removed)
        self.assertEqual(len(self.removed(ignore_failures=True).config_now.instances), 0)

    def test_cancelled_anywhere(self) -> None:
        """
        Wherever it is cancelled, the configuration has the disks that are left, and removing again ends it.
        """
        steps = len(self.removed().steps)
        for step, midway in product(range(steps), [False, True]):
            self.setUp()
            job = self.job(stop_at=step, midway=midway)
            op = parse({"OP_ID": "OP_INSTANCE_REMOVE", "instance_name": NAME})
            self.assertRaises(JobCanceled, job.run, remove, op)
            self.assertAgree(job.config_now)
            self.config = job.config_now
            self.assertEqual(len(self.removed().config_now.instances), 0)
            self.assertEqual(self.world.node(), NodeState(installed=[NAME]))
