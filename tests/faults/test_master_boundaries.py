"""
Whatever moment the master is killed at, its jobs end as if it had not been.
"""

import random
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from gnttwist.errors import FunctionFailed
from gnttwist.jobs.calling import is_changing
from gnttwist.jobs.opcodes import Opcodes
from gnttwist.testing.node_calls import Function
from gnttwist.units.table import UNITS
from gnttwist.wire.calls import FUNCTIONS
from tests.faults.boundaries import BoundaryTestCase, Scenario, kill, run, say
from tests.jobs import programs, sample
from tests.jobs.world import World, prepared_store
from tests.units import world as units_world
from tests.units.world import NodeState

SEED = 20
"""
Of the runs with several kills.
"""

MANY_KILLS = 60
"""
How many of those.
"""

PROGRAMS, KILLS = 40, 6
"""
How many units are made up at random, and how often each is run with kills.
"""


def world() -> World:
    """
    Two nodes, and the sample's opcodes.
    """
    return World(sample.sample(), sample.FUNCTIONS)


def making(name: str, **parameters: Any) -> dict[str, Any]:
    """
    An opcode that makes an instance.
    """
    return {"OP_ID": "OP_MAKE", "name": name, **parameters}


def program_world() -> World:
    """
    Two nodes, and units made up at random.
    """
    return World(programs.opcodes(), programs.FUNCTIONS)


def real_function(name: str) -> Function:
    """
    A function as the units' own tests have it, which here takes a while and says so.
    """

    def function(world: dict[str, Any], *arguments: Any) -> Generator[Any, None, Any]:
        yield "message", f"{name} begins"
        yield 0.7
        if name == world.get("failing"):
            raise FunctionFailed(f"{name} does not work here")
        payload = answer(world, *arguments)
        yield 0.7
        return payload

    def answer(world: dict[str, Any], *arguments: Any) -> Any:
        state = world.setdefault("state", NodeState())
        payload = getattr(units_world.World(), f"_{name}")(state, *arguments)
        if state.left:
            world["gone"] = True
        return payload

    def at_once(world: dict[str, Any], *arguments: Any) -> Any:
        return answer(world, *arguments)

    return function if is_changing(name) else at_once


BARE = Opcodes({op_id: sample.SampleUnit(unit.version, unit.body) for op_id, unit in UNITS.items()})
"""
The real opcodes without their hooks, which have scenarios of their own: all would take twice as long.
"""


def real_world(
    failing: str = "",
    *,
    opcodes: Opcodes = BARE,
    failing_hook: Sequence[str] = (),
    instead: Mapping[str, Function] = MappingProxyType({}),
) -> World:
    """
    Two nodes, and the real opcodes, units and names of functions.

    @param failing: A function that fails on all nodes.
    @param failing_hook: Path and phase of hooks that fail.
    @param instead: Functions that are other than usual.
    """
    functions = {name: real_function(name) for name in FUNCTIONS if hasattr(units_world.World, f"_{name}")}
    config = units_world.cluster_of(2, enabled_hypervisors=["fake"])
    made = World(opcodes, {**functions, **instead}, store=prepared_store(config))
    for node in config.nodes:
        made.nodes.worlds[node.name]["failing"] = failing
        made.nodes.worlds[node.name]["state"] = NodeState(failing_hook=list(failing_hook))
    return made


def doubled(world: dict[str, Any], disks: Any) -> Any:
    """
    Disks are twice as large as they were made.
    """
    return [[2 * each["size"] << 20, None] for each in disks]


hooked_world = partial(real_world, opcodes=Opcodes(UNITS))


INSTANCE = "web.example.com"
CREATE = {
    "OP_ID": "OP_INSTANCE_CREATE",
    "instance_name": INSTANCE,
    "mode": "create",
    "disks": [{"size": 1024}, {"size": 2048}],
    "nics": [{}],
    "os_type": "noop",
    "hypervisor": "fake",
    "ignore_ipolicy": True,
    "iallocator": ".",
}
SHUTDOWN, STARTUP, REMOVE = (
    {"OP_ID": f"OP_INSTANCE_{what}", "instance_name": INSTANCE} for what in ("SHUTDOWN", "STARTUP", "REMOVE")
)
ACTIVATE, DEACTIVATE = (
    {"OP_ID": f"OP_INSTANCE_{what}_DISKS", "instance_name": INSTANCE} for what in ("ACTIVATE", "DEACTIVATE")
)
REBOOT = {"OP_ID": "OP_INSTANCE_REBOOT", "instance_name": INSTANCE}
DISKLESS = {**CREATE, "disks": [], "disk_template": "diskless"}
NEW_NAME = "mail.example.com"
RENAME = {"OP_ID": "OP_INSTANCE_RENAME", "instance_name": INSTANCE, "new_name": NEW_NAME}
REINSTALL = {"OP_ID": "OP_INSTANCE_REINSTALL", "instance_name": INSTANCE, "os_type": "tiny+small"}
GROW = {"OP_ID": "OP_INSTANCE_GROW_DISK", "instance_name": INSTANCE, "disk": 0, "amount": 1024}
MODIFY = {
    "OP_ID": "OP_INSTANCE_SET_PARAMS",
    "instance_name": INSTANCE,
    "disks": [["add", -1, {"size": 1024}], ["remove", 0, {}]],
    "nics": [["add", -1, {}]],
    "ignore_ipolicy": True,
}
CONVERT = {"OP_ID": "OP_INSTANCE_SET_PARAMS", "instance_name": INSTANCE, "disk_template": "sharedfile"}
FAILOVER = {"OP_ID": "OP_INSTANCE_FAILOVER", "instance_name": INSTANCE, "iallocator": "."}
MIGRATE = {"OP_ID": "OP_INSTANCE_MIGRATE", "instance_name": INSTANCE, "iallocator": "."}
QUIET = {**CREATE, "disks": [{"size": 1024}], "no_install": True}
"""
Makes an instance that does not run, in few steps.
"""
DELAY = {"OP_ID": "OP_TEST_DELAY", "duration": 1.0, "on_nodes": ["node1", "node2"], "repeat": 2}
VERIFY = {"OP_ID": "OP_CLUSTER_VERIFY"}

ADD_NODE = {"OP_ID": "OP_NODE_ADD", "node_name": "node9.example.com", "primary_ip": "192.0.2.9"}
DRAIN_NODE, BACK_NODE = (
    {"OP_ID": "OP_NODE_SET_PARAMS", "node_name": "node9", "drained": drained, "auto_promote": drained}
    for drained in (True, False)
)
REMOVE_NODE = {"OP_ID": "OP_NODE_REMOVE", "node_name": "node9"}

SETTINGS: list[dict[str, Any]] = [
    {
        "OP_ID": "OP_CLUSTER_SET_PARAMS",
        "osparams": {"tiny": {"colour": "red"}},
        "hidden_os": [["add", "tiny"]],
        "candidate_pool_size": 3,
    },
    {"OP_ID": "OP_GROUP_ADD", "group_name": "rack2"},
    {"OP_ID": "OP_GROUP_ASSIGN_NODES", "group_name": "rack2", "nodes": ["node2"]},
    {"OP_ID": "OP_GROUP_SET_PARAMS", "group_name": "rack2", "ndparams": {"ssh_port": 23}},
    {"OP_ID": "OP_GROUP_RENAME", "group_name": "rack2", "new_name": "rack3"},
    {"OP_ID": "OP_NETWORK_ADD", "network_name": "net", "network": "198.51.100.0/29"},
    {
        "OP_ID": "OP_NETWORK_CONNECT",
        "network_name": "net",
        "group_name": "rack3",
        "network_mode": "bridged",
        "network_link": "br0",
    },
    {"OP_ID": "OP_NETWORK_SET_PARAMS", "network_name": "net", "add_reserved_ips": ["198.51.100.2"]},
    {"OP_ID": "OP_TAGS_SET", "kind": "network", "name": "net", "tags": ["a", "b"]},
    {"OP_ID": "OP_TAGS_DEL", "kind": "network", "name": "net", "tags": ["a"]},
    {
        **CREATE,
        "disks": [],
        "disk_template": "diskless",
        "nics": [{"network": "net", "ip": "pool"}],
        "pnode": "node2",
        "iallocator": None,
    },
    {"OP_ID": "OP_INSTANCE_REMOVE", "instance_name": INSTANCE},
    {"OP_ID": "OP_NETWORK_DISCONNECT", "network_name": "net", "group_name": "rack3"},
    {"OP_ID": "OP_NETWORK_REMOVE", "network_name": "net"},
]
REDISTRIBUTE = {"OP_ID": "OP_CLUSTER_REDIST_CONF"}
REPAIR = {"OP_ID": "OP_CLUSTER_REPAIR_DISK_SIZES"}
RENEW_KEYS = {"OP_ID": "OP_CLUSTER_RENEW_CRYPTO", "confd_hmac_key": True}

OK, ERROR, CANCELED = "success", "error", "canceled"

SCENARIOS = {
    "made": Scenario(world, [[making("a", children=2)]], [[OK], [OK], [OK]]),
    "three jobs": Scenario(
        world, [[making("a"), making("b")], [making("a")], [making("c")]], [[OK, OK], [ERROR], [OK]]
    ),
    "broken early": Scenario(world, [[making("a", break_at="change"), making("b")]], [[ERROR, ERROR]]),
    "broken late": Scenario(world, [[making("a", break_at="start")]], [[ERROR]]),
    "killed in calls": Scenario(
        world, [[making("a", slow=50.0), making("b")]], [[CANCELED, CANCELED]], [(5.0, kill(1))]
    ),
    "killed asleep": Scenario(world, [[making("a")]], [[CANCELED]], [(1.5, kill(1))]),
    "create": Scenario(real_world, [[CREATE]], [[OK]]),
    "create, stop, start, remove": Scenario(
        real_world, [[CREATE, SHUTDOWN, STARTUP, REMOVE]], [[OK, OK, OK, OK]]
    ),
    "create without its OS": Scenario(partial(real_world, "instance_os_add"), [[CREATE]], [[ERROR]]),
    "create without a start": Scenario(partial(real_world, "instance_start"), [[CREATE]], [[ERROR]]),
    "create killed": Scenario(real_world, [[CREATE]], [[CANCELED]], [(8.0, kill(1))]),
    "disks": Scenario(real_world, [[{**CREATE, "start": False}, ACTIVATE, DEACTIVATE]], [[OK, OK, OK]]),
    "reboot": Scenario(real_world, [[DISKLESS, {**REBOOT, "reboot_type": "soft"}]], [[OK, OK]]),
    "rename": Scenario(real_world, [[QUIET, RENAME]], [[OK, OK]]),
    "rename killed": Scenario(real_world, [[QUIET, RENAME]], [[OK, CANCELED]], [(4.9, kill(1))]),
    "reinstall": Scenario(real_world, [[QUIET, REINSTALL]], [[OK, OK]]),
    "reinstall without its OS": Scenario(
        partial(real_world, "instance_os_add"), [[QUIET, REINSTALL]], [[OK, ERROR]]
    ),
    "grow": Scenario(real_world, [[QUIET, GROW]], [[OK, OK]]),
    "grow killed": Scenario(real_world, [[QUIET, GROW]], [[OK, CANCELED]], [(4.9, kill(1))]),
    "modify": Scenario(real_world, [[QUIET, MODIFY]], [[OK, OK]]),
    "modify without removal": Scenario(
        partial(real_world, "blockdev_remove"), [[QUIET, MODIFY]], [[OK, ERROR]]
    ),
    "convert": Scenario(real_world, [[QUIET, CONVERT]], [[OK, OK]]),
    "convert killed": Scenario(real_world, [[QUIET, CONVERT]], [[OK, CANCELED]], [(3.5, kill(1))]),
    "convert killed late": Scenario(real_world, [[QUIET, CONVERT]], [[OK, CANCELED]], [(5.0, kill(1))]),
    "convert without a copy": Scenario(
        partial(real_world, "blockdev_convert"), [[QUIET, CONVERT]], [[OK, ERROR]]
    ),
    "failover": Scenario(real_world, [[DISKLESS, FAILOVER]], [[OK, OK]]),
    "failover killed": Scenario(real_world, [[DISKLESS, FAILOVER]], [[OK, CANCELED]], [(3.5, kill(1))]),
    "migrate": Scenario(real_world, [[DISKLESS, MIGRATE]], [[OK, OK]]),
    "migrate killed": Scenario(real_world, [[DISKLESS, MIGRATE]], [[OK, CANCELED]], [(3.5, kill(1))]),
    "migrate killed late": Scenario(real_world, [[DISKLESS, MIGRATE]], [[OK, CANCELED]], [(5.0, kill(1))]),
    "full reboot": Scenario(real_world, [[CREATE, {**REBOOT, "reboot_type": "full"}]], [[OK, OK]]),
    "full reboot killed": Scenario(
        real_world, [[DISKLESS, {**REBOOT, "reboot_type": "full"}]], [[OK, CANCELED]], [(3.5, kill(1))]
    ),
    "settings": Scenario(real_world, [SETTINGS], [[OK] * len(SETTINGS)]),
    "delay": Scenario(real_world, [[DELAY]], [[OK]]),
    "a node's life": Scenario(
        real_world, [[ADD_NODE, DRAIN_NODE, BACK_NODE, REMOVE_NODE]], [[OK, OK, OK, OK]]
    ),
    "keys": Scenario(real_world, [[RENEW_KEYS, REDISTRIBUTE]], [[OK, OK]]),
    "sizes": Scenario(
        partial(real_world, instead={"blockdev_getdimensions": doubled}), [[QUIET, REPAIR]], [[OK, OK]]
    ),
    "hooks": Scenario(hooked_world, [[DISKLESS, SHUTDOWN, REMOVE]], [[OK, OK, OK]]),
    "allocator": Scenario(real_world, [[{**QUIET, "iallocator": "dice", "disks": []}]], [[OK]]),
    "hooks before fail": Scenario(
        partial(hooked_world, failing_hook=["instance-stop", "pre"]), [[DISKLESS, SHUTDOWN]], [[OK, ERROR]]
    ),
    "hooks after fail": Scenario(
        partial(hooked_world, failing_hook=["instance-add", "post"]), [[DISKLESS]], [[OK]]
    ),
    "verify": Scenario(real_world, [[VERIFY]], [[OK], [OK], [OK]]),
}


class MasterBoundaryTests(BoundaryTestCase):
    """
    Jobs of every kind, killed everywhere.
    """

    scenarios = SCENARIOS

    def test_hooks(self) -> None:
        """
        Hooks before and after each of several opcodes.
        """
        self.check("hooks")

    def test_allocator(self) -> None:
        """
        OP_INSTANCE_CREATE whose node a program chooses.
        """
        self.check("allocator")

    def test_hooks_veto(self) -> None:
        """
        Hooks that fail before an operation, which then is not begun, and after one, which stays.
        """
        self.check("hooks before fail")
        self.check("hooks after fail")

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

    def test_create(self) -> None:
        """
        OP_INSTANCE_CREATE.
        """
        self.check("create")

    def test_life(self) -> None:
        """
        OP_INSTANCE_CREATE, SHUTDOWN, STARTUP and REMOVE in one job.
        """
        self.check("create, stop, start, remove")

    def test_create_without_os(self) -> None:
        """
        OP_INSTANCE_CREATE whose OS script fails.
        """
        self.check("create without its OS")

    def test_create_without_start(self) -> None:
        """
        OP_INSTANCE_CREATE whose guest does not start.
        """
        self.check("create without a start")

    def test_create_killed(self) -> None:
        """
        OP_INSTANCE_CREATE that a user kills on the way.
        """
        self.check("create killed")

    def test_disks(self) -> None:
        """
        OP_INSTANCE_ACTIVATE_DISKS and OP_INSTANCE_DEACTIVATE_DISKS.
        """
        self.check("disks")

    def test_reboot(self) -> None:
        """
        OP_INSTANCE_REBOOT in place.
        """
        self.check("reboot")

    def test_rename(self) -> None:
        """
        OP_INSTANCE_RENAME.
        """
        self.check("rename")

    def test_rename_killed(self) -> None:
        """
        OP_INSTANCE_RENAME that a user kills when the new name is there.
        """
        self.check("rename killed")

    def test_reinstall(self) -> None:
        """
        OP_INSTANCE_REINSTALL with another OS.
        """
        self.check("reinstall")

    def test_reinstall_without_os(self) -> None:
        """
        OP_INSTANCE_REINSTALL whose script fails.
        """
        self.check("reinstall without its OS")

    def test_grow(self) -> None:
        """
        OP_INSTANCE_GROW_DISK.
        """
        self.check("grow")

    def test_grow_killed(self) -> None:
        """
        OP_INSTANCE_GROW_DISK that a user kills while the disk grows.
        """
        self.check("grow killed")

    def test_modify(self) -> None:
        """
        OP_INSTANCE_SET_PARAMS that adds a disk and an interface and removes a disk.
        """
        self.check("modify")

    def test_modify_without_removal(self) -> None:
        """
        OP_INSTANCE_SET_PARAMS whose disk cannot be destroyed.
        """
        self.check("modify without removal")

    def test_convert(self) -> None:
        """
        OP_INSTANCE_SET_PARAMS that gives disks another template.
        """
        self.check("convert")

    def test_convert_killed(self) -> None:
        """
        The same, which a user kills while a disk is copied.
        """
        self.check("convert killed")

    def test_convert_killed_late(self) -> None:
        """
        The same, which a user kills while the disk that was copied is destroyed.
        """
        self.check("convert killed late")

    def test_convert_without_a_copy(self) -> None:
        """
        The same, where a disk cannot be copied.
        """
        self.check("convert without a copy")

    def test_failover(self) -> None:
        """
        OP_INSTANCE_FAILOVER.
        """
        self.check("failover")

    def test_failover_killed(self) -> None:
        """
        OP_INSTANCE_FAILOVER that a user kills while the guest starts on the other node.
        """
        self.check("failover killed")

    def test_migrate(self) -> None:
        """
        OP_INSTANCE_MIGRATE.
        """
        self.check("migrate")

    def test_migrate_killed(self) -> None:
        """
        OP_INSTANCE_MIGRATE that a user kills while the guest is sent.
        """
        self.check("migrate killed")

    def test_migrate_killed_late(self) -> None:
        """
        OP_INSTANCE_MIGRATE that a user kills when the guest has arrived.
        """
        self.check("migrate killed late")

    def test_full_reboot(self) -> None:
        """
        OP_INSTANCE_REBOOT that stops and starts.
        """
        self.check("full reboot")

    def test_full_reboot_killed(self) -> None:
        """
        OP_INSTANCE_REBOOT that a user kills while the guest is stopped.
        """
        self.check("full reboot killed")

    def test_settings(self) -> None:
        """
        The cluster's parameters, groups, networks and tags.
        """
        self.check("settings")

    def test_delay(self) -> None:
        """
        OP_TEST_DELAY on the master and on nodes.
        """
        self.check("delay")

    def test_node(self) -> None:
        """
        OP_NODE_ADD, SET_PARAMS twice and REMOVE in one job.
        """
        self.check("a node's life")

    def test_keys(self) -> None:
        """
        OP_CLUSTER_RENEW_CRYPTO of a key that nodes share, and OP_CLUSTER_REDIST_CONF.
        """
        self.check("keys")

    def test_sizes(self) -> None:
        """
        OP_CLUSTER_REPAIR_DISK_SIZES of disks that have others.
        """
        self.check("sizes")

    def test_verify(self) -> None:
        """
        OP_CLUSTER_VERIFY and the jobs that it submits.
        """
        self.check("verify")

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

    def test_programs(self) -> None:
        """
        Units made up at random, some of which fail, are killed by a user, or both.
        """
        source = random.Random(SEED)
        boundaries = 0
        for number in range(PROGRAMS):
            jobs = [[{"OP_ID": "OP_PROGRAM", "program": programs.draw(source, 6)} for _ in range(2)]]
            # At a time at which nothing else happens.
            actions = [(source.randrange(20) / 4 + 0.1, kill(1))] if number % 3 == 0 else []
            scenario = Scenario(program_world, jobs, [], actions)
            undisturbed = run(scenario)
            count = len(undisturbed.lives[0])
            boundaries += count
            for _ in range(KILLS):
                kill_at = [source.randrange(count) for _ in range(source.randrange(1, 4))]
                self.hold(f"program {number}", scenario, undisturbed, kill_at)
        say(
            f"seed {SEED}: {PROGRAMS} programs of {boundaries} boundaries, {PROGRAMS * KILLS} runs with kills"
        )
