"""
Whatever moment the master is killed at: the units that C{test_master_boundaries} has no scenario of.
"""

import random
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from gnttwist.units.table import UNITS
from tests.faults.boundaries import BoundaryTestCase, Scenario, kill, run, say
from tests.faults.test_master_boundaries import (
    CANCELED,
    DISKLESS,
    ERROR,
    INSTANCE,
    MANY_KILLS,
    OK,
    QUIET,
    SCENARIOS,
    SEED,
    hooked_world,
    real_world,
)

RECREATE = {"OP_ID": "OP_INSTANCE_RECREATE_DISKS", "instance_name": INSTANCE}
ANY_NODE = {name: value for name, value in DISKLESS.items() if name not in ("OP_ID", "iallocator")}
MULTI_ALLOC = {
    "OP_ID": "OP_INSTANCE_MULTI_ALLOC",
    "iallocator": ".",
    "instances": [{**ANY_NODE, "instance_name": each} for each in ("a.example.com", "b.example.com")],
}
RACK: list[dict[str, Any]] = [
    {"OP_ID": "OP_GROUP_ADD", "group_name": "rack2"},
    {"OP_ID": "OP_GROUP_ASSIGN_NODES", "group_name": "rack2", "nodes": ["node2"]},
]
ON_NODE1 = {**DISKLESS, "pnode": "node1", "iallocator": None}
GROUP_EVACUATE = {"OP_ID": "OP_GROUP_EVACUATE", "group_name": "default", "iallocator": "."}
GROUP_REMOVE = {"OP_ID": "OP_GROUP_REMOVE", "group_name": "rack2"}
NODE_EVACUATE = {"OP_ID": "OP_NODE_EVACUATE", "node_name": "node1", "mode": "all", "iallocator": "."}
NODE_MIGRATE = {"OP_ID": "OP_NODE_MIGRATE", "node_name": "node2"}
POWERCYCLE = {"OP_ID": "OP_NODE_POWERCYCLE", "node_name": "node2"}
OOB = {"OP_ID": "OP_OOB_COMMAND", "node_names": ["node2"], "command": "power-off"}
RESTRICTED = {
    "OP_ID": "OP_RESTRICTED_COMMAND",
    "use_locking": True,
    "nodes": ["node1", "node2"],
    "command": "look",
}
DESTROY: list[dict[str, Any]] = [
    {"OP_ID": "OP_NODE_REMOVE", "node_name": "node2"},
    {"OP_ID": "OP_CLUSTER_DESTROY"},
]
MOVE = {"OP_ID": "OP_CLUSTER_RENAME", "name": "new.example.com", "master_ip": "192.0.2.77"}
ADDRESS: list[dict[str, Any]] = [
    MOVE,
    {"OP_ID": "OP_CLUSTER_DEACTIVATE_MASTER_IP"},
    {"OP_ID": "OP_CLUSTER_ACTIVATE_MASTER_IP"},
    {**MOVE, "master_ip": "192.0.2.78"},
]
QUERIES: list[dict[str, Any]] = [
    {"OP_ID": "OP_CLUSTER_POST_INIT"},
    {"OP_ID": "OP_CLUSTER_QUERY"},
    {"OP_ID": "OP_OS_DIAGNOSE", "output_fields": ["name", "valid"]},
    {"OP_ID": "OP_TEST_ALLOCATOR", "direction": "in", "mode": "multi-allocate", "name": "new", "count": 1}
    | {"disks": [], "disk_template": "diskless", "memory": 128, "vcpus": 1, "nics": [], "os": "noop"}
    | {"hypervisor": "fake", "iallocator": "dice"},
    {"OP_ID": "OP_QUERY", "what": "node", "fields": ["name", "group"], "qfilter": ["=~", "name", "2"]},
    {"OP_ID": "OP_QUERY", "what": "os", "fields": ["name", "variants"]},
    {"OP_ID": "OP_QUERY_FIELDS", "what": "network"},
    {"OP_ID": "OP_CLUSTER_CONFIG_QUERY", "output_fields": ["cluster_name", "drain_flag"]},
    {"OP_ID": "OP_TAGS_GET", "kind": "cluster"},
    {"OP_ID": "OP_TAGS_SEARCH", "pattern": "."},
    {"OP_ID": "OP_NODE_QUERY_STORAGE", "output_fields": ["node", "free"], "storage_type": "file"},
]
OF_INSTANCE: list[dict[str, Any]] = [
    DISKLESS,
    {"OP_ID": "OP_INSTANCE_CONSOLE", "instance_name": INSTANCE},
    {"OP_ID": "OP_INSTANCE_QUERY_DATA", "instances": [INSTANCE]},
]


def lost(world: dict[str, Any], disk: Any) -> Any:
    """
    No disk is found.
    """
    return None


losing_world = partial(real_world, instead={"blockdev_find": lost})

MORE = {
    "recreate": Scenario(losing_world, [[QUIET, RECREATE]], [[OK, OK]]),
    "recreate elsewhere": Scenario(
        real_world,
        [[{**QUIET, "pnode": "node1", "iallocator": None}, {**RECREATE, "nodes": ["node2"]}]],
        [[OK, OK]],
    ),
    "recreate killed": Scenario(losing_world, [[QUIET, RECREATE]], [[OK, CANCELED]], [(2.5, kill(1))]),
    "multi alloc": Scenario(real_world, [[MULTI_ALLOC]], [[OK], [OK], [OK]]),
    "group remove": Scenario(hooked_world, [[RACK[0], GROUP_REMOVE]], [[OK, OK]]),
    "group evacuate": Scenario(real_world, [[*RACK, ON_NODE1, GROUP_EVACUATE]], [[OK, OK, OK, OK], [OK]]),
    "node evacuate": Scenario(real_world, [[ON_NODE1, NODE_EVACUATE]], [[OK, OK], [OK]]),
    "node migrate": Scenario(real_world, [[NODE_MIGRATE]], [[OK]]),
    "powercycle": Scenario(real_world, [[POWERCYCLE]], [[OK]]),
    "oob": Scenario(real_world, [[OOB]], [[ERROR]]),
    "restricted command": Scenario(real_world, [[RESTRICTED]], [[OK]]),
    "destroy": Scenario(hooked_world, [DESTROY], [[OK, OK]]),
    "destroy refused": Scenario(real_world, [[{"OP_ID": "OP_CLUSTER_DESTROY"}]], [[ERROR]]),
    "address": Scenario(real_world, [ADDRESS], [[OK, OK, OK, OK]]),
    "address killed": Scenario(real_world, [[MOVE]], [[CANCELED]], [(1.0, kill(1))]),
    "address killed late": Scenario(
        real_world, [[MOVE, {**MOVE, "master_ip": "192.0.2.78"}]], [[OK, CANCELED]], [(3.5, kill(1))]
    ),
    "address refused": Scenario(partial(real_world, "node_activate_master_ip"), [[MOVE]], [[ERROR]]),
    "queries": Scenario(real_world, [QUERIES], [[OK] * len(QUERIES)]),
    "of an instance": Scenario(real_world, [OF_INSTANCE], [[OK] * len(OF_INSTANCE)]),
    "verify disks": Scenario(real_world, [[QUIET, {"OP_ID": "OP_CLUSTER_VERIFY_DISKS"}]], [[OK, OK], [OK]]),
}

NO_SCENARIO: Mapping[str, str] = {}
"""
Units that need none, and why.
"""


class UnitBoundaryTests(BoundaryTestCase):
    """
    Units, killed everywhere.
    """

    scenarios = MORE

    def test_every_unit(self) -> None:
        """
        Every unit there is, is carried out by a scenario of this module or the other, or there is a reason why not.
        """
        done = set(_carried_out())
        self.assertEqual(sorted(set(UNITS) - done - set(NO_SCENARIO)), [])
        self.assertEqual([each for each in NO_SCENARIO if each in done or each not in UNITS], [])

    def test_killed_again_and_again(self) -> None:
        """
        Three kills, wherever: in the job, in what takes it up, and in what takes that up.
        """
        source = random.Random(SEED)
        undisturbed = {name: run(each) for name, each in MORE.items()}
        for _ in range(MANY_KILLS):
            name = source.choice(sorted(MORE))
            count = len(undisturbed[name].lives[0])
            self.compare(name, undisturbed[name], [source.randrange(count) for _ in range(3)])
        say(f"seed {SEED}: {MANY_KILLS} runs of three kills")


def _carried_out() -> Iterator[str]:
    for scenario in [*SCENARIOS.values(), *MORE.values()]:
        for ops in run(scenario).end.jobs:
            for op_id, _, _ in ops:
                yield op_id


def _add_tests() -> None:
    """
    Give each scenario a test of its own.
    """
    for name in MORE:

        def test(self: UnitBoundaryTests, name: str = name) -> None:
            self.check(name)

        test.__doc__ = f"Killed everywhere: {name}."
        setattr(UnitBoundaryTests, f"test_{name.replace(' ', '_')}", test)


_add_tests()
