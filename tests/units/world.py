"""
A small cluster and nodes that remember, for tests of units.
"""

import json
from collections.abc import Callable
from typing import Any

from attrs import define, field

from gnttwist.config.defaults import (
    BACKEND_PARAMETERS,
    HYPERVISOR_PARAMETERS,
    INSTANCE_POLICY,
    NIC_PARAMETERS,
    NODE_PARAMETERS,
)
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import FunctionFailed, NodeError
from gnttwist.model.objects import Cluster, Node, NodeGroup

SPACE = 10_000
MEMORY = 4096
"""
MiB that each node has.
"""

OSES = [
    ["noop", "/srv/ganeti/os/noop", True, "", [], [], [20], True],
    [
        "tiny",
        "/srv/ganeti/os/tiny",
        True,
        "",
        ["small", "large"],
        [["colour", "of the wall"]],
        [20, 15],
        True,
    ],
    ["broken", "/srv/ganeti/os/broken", False, "create is missing", [], [], [], True],
    ["tiny", "/usr/share/ganeti/os/tiny", True, "", [], [], [10], True],
]

HEALTHY: dict[str, Any] = {
    "version": [3_000_000, "3.0.2"],
    "time": [1_700_000_000, 0],
    "filelist": {"/var/lib/ganeti/server.pem": "aa", "/var/lib/ganeti/hmac.key": "bb"},
    "nodesetup": [],
    "hypervisor": {"fake": None, "kvm": None},
    "hvparms": [],
    "instancelist": [],
}
"""
What a node in order answers to C{node_verify}.
"""


def uuid(number: int) -> str:
    """
    A UUID that can be told from others at a glance.
    """
    return f"{number:08x}-0000-4000-8000-000000000000"


def cluster_of(count: int, **members: Any) -> Snapshot:
    """
    A cluster of so many nodes, C{node1.example.com} ..., in one group.

    @param members: Of the cluster, other than usual.
    """
    usual: dict[str, Any] = {
        "uuid": uuid(0xC),
        "cluster_name": "cluster.example.com",
        "master_node": uuid(1),
        "master_ip": "192.0.2.1",
        "master_netdev": "lo",
        "enabled_hypervisors": ["fake", "kvm"],
        "enabled_disk_templates": ["file", "diskless", "sharedfile"],
        "hvparams": {name: dict(each) for name, each in HYPERVISOR_PARAMETERS.items()},
        "beparams": {"default": dict(BACKEND_PARAMETERS)},
        "nicparams": {"default": dict(NIC_PARAMETERS)},
        "ndparams": dict(NODE_PARAMETERS),
        "ipolicy": {**INSTANCE_POLICY, "disk-templates": ["file", "diskless", "sharedfile"]},
        "osparams": {"tiny": {"colour": "blue"}},
    }
    nodes = [
        Node(
            uuid=uuid(number),
            name=f"node{number}.example.com",
            primary_ip=f"192.0.2.{number}",
            secondary_ip=f"192.0.2.{number}",
            group=uuid(0xA),
        )
        for number in range(1, count + 1)
    ]
    return Snapshot(cluster=Cluster(**{**usual, **members}), serial=1).with_objects(
        [NodeGroup(uuid=uuid(0xA), name="default"), *nodes]
    )


@define
class NodeState:
    """
    What is on one node.

    @ivar disks: Paths of disks and their sizes.
    @ivar linked: Those that are usable.
    @ivar copied: Those that were given another's data, and whose.
    @ivar addresses: Those of the cluster that are up.
    @ivar guests: Those at work, and their memory.
    @ivar installed: Instances whose OS was installed.
    @ivar verify: What it answers to C{node_verify}, other than usual.
    @ivar version: Of the protocol.
    @ivar left: Whether it was told to leave the cluster.
    @ivar renewed: Keys that were made anew there.
    @ivar hooks: The hooks that ran: path, phase and environment.
    @ivar failing_hook: Path and phase of one that fails.
    """

    memory_free: int = MEMORY
    disks: dict[str, int] = field(factory=dict)
    linked: set[str] = field(factory=set)
    copied: dict[str, str] = field(factory=dict)
    addresses: set[str] = field(factory=set)
    guests: dict[str, int] = field(factory=dict)
    installed: list[str] = field(factory=list)
    verify: dict[str, Any] = field(factory=dict)
    oses: list[list[Any]] = field(factory=lambda: [list(each) for each in OSES])
    version: int = 3_000_000
    name: str = field(default="", eq=False)
    left: bool = False
    renewed: list[str] = field(factory=list)
    hooks: list[list[Any]] = field(factory=list, repr=False)
    failing_hook: list[str] = field(factory=list)


@define
class World:
    """
    The nodes' side: what functions do and answer.

    @ivar failing: Functions that fail, and with what; called with the node's name for the error.
    """

    nodes: dict[str, NodeState] = field(factory=dict)
    failing: dict[str, Callable[[str], NodeError]] = field(factory=dict)

    def node(self, number: int = 1) -> NodeState:
        """
        The node of this number.
        """
        return self.nodes.setdefault(f"node{number}.example.com", NodeState())

    def __call__(self, node: str, function: str, arguments: list[Any]) -> Any:
        """
        Answer a call.
        """
        if function in self.failing:
            raise self.failing[function](node)
        state = self.nodes.setdefault(node, NodeState())
        state.name = node
        return getattr(self, f"_{function}")(state, *arguments)

    def _node_info(self, state: NodeState, units: Any, specifications: Any) -> Any:
        free = SPACE - sum(state.disks.values())
        return [
            "boot",
            [
                {"type": kind, "name": name, "storage_free": free, "storage_size": SPACE}
                for kind, name, _ in units or ()
            ],
            [{"memory_free": state.memory_free - sum(state.guests.values())} for _ in specifications],
        ]

    def _os_diagnose(self, state: NodeState) -> Any:
        return state.oses

    def _os_validate(
        self, state: NodeState, required: bool, name: str, checks: Any, parameters: Any, force: bool
    ) -> bool:
        base, plus, variant = name.partition("+")
        found = next((each for each in state.oses if each[0] == base), None)
        if found is None:
            if required:
                raise FunctionFailed(f"OS {base} is not here")
            return False
        if not found[2]:
            raise FunctionFailed(f"OS {base} cannot be used: {found[3]}")
        variants = found[4]
        if not force and (bool(variants) != bool(plus) or (plus and variant not in variants)):
            raise FunctionFailed(f"OS {base} has variants {variants}, not {variant!r}")
        return True

    def _bridges_exist(self, state: NodeState, bridges: list[str]) -> None:
        if missing := [each for each in bridges if each.startswith("missing")]:
            raise FunctionFailed(f"Missing bridges {', '.join(missing)}")

    def _hypervisor_validate_params(self, state: NodeState, name: str, parameters: Any) -> None:
        if parameters.get("kernel_path") == "/missing":
            raise FunctionFailed("Kernel /missing is not there")

    def _file_storage_dir_remove(self, state: NodeState, directory: str) -> None:
        if any(each.startswith(f"{directory}/") for each in state.disks):
            raise FunctionFailed(f"{directory} is not empty")

    def _blockdev_create(
        self, state: NodeState, disk: Any, size: int, owner: str, primary: bool, info: str, exclusive: bool
    ) -> Any:
        state.disks[disk["logical_id"][1]] = size
        return disk["logical_id"]

    def _blockdev_remove(self, state: NodeState, disk: Any) -> None:
        state.disks.pop(disk["logical_id"][1], None)
        state.linked.discard(disk["logical_id"][1])
        state.copied.pop(disk["logical_id"][1], None)

    def _blockdev_assemble(
        self, state: NodeState, disk: Any, instance: Any, primary: bool, index: int
    ) -> Any:
        path = disk["logical_id"][1]
        if path not in state.disks:
            raise FunctionFailed(f"{path} is not there")
        state.linked.add(path)
        return [path, f"/var/run/ganeti/instance-disks/{instance['name']}:{index}", None]

    def _blockdev_shutdown(self, state: NodeState, disk: Any) -> None:
        state.linked.discard(disk["logical_id"][1])

    def _blockdev_find(self, state: NodeState, disk: Any) -> Any:
        path = disk["logical_id"][1]
        return {"dev_path": path} if path in state.disks else None

    def _blockdev_grow(
        self, state: NodeState, disk: Any, amount: int, dry_run: bool, backing: bool, exclusive: bool
    ) -> None:
        path = disk["logical_id"][1]
        if path not in state.disks:
            raise FunctionFailed(f"{path} is not there")
        if backing and not dry_run:
            state.disks[path] += amount

    def _blockdev_getdimensions(self, state: NodeState, disks: Any) -> Any:
        sizes = [state.disks.get(each["logical_id"][1]) for each in disks]
        return [None if size is None else [size << 20, None] for size in sizes]

    def _blockdev_wipe(self, state: NodeState, disk: Any, offset: int, size: int) -> None:
        if offset + size > state.disks[disk["logical_id"][1]]:
            raise FunctionFailed("That is behind the end of the disk")

    def _blockdev_convert(self, state: NodeState, disk: Any, new: Any) -> None:
        source, target = disk["logical_id"][1], new["logical_id"][1]
        if state.disks[source] > state.disks[target]:
            raise FunctionFailed("It is too small")
        state.copied[target] = source

    def _blockdev_setinfo(self, state: NodeState, disk: Any, info: str) -> None:
        """
        Files keep none.
        """

    def _file_storage_dir_rename(self, state: NodeState, before: str, after: str) -> None:
        if any(each.startswith(f"{after}/") for each in state.disks):
            if any(each.startswith(f"{before}/") for each in state.disks):
                raise FunctionFailed(f"{after} is there already")
            return
        state.disks = {
            f"{after}/{path.removeprefix(f'{before}/')}" if path.startswith(f"{before}/") else path: size
            for path, size in state.disks.items()
        }

    def _instance_run_rename(self, state: NodeState, instance: Any, old: str, debug: int) -> None:
        for disk in instance["disks_info"]:
            if disk["logical_id"][1] not in state.linked:
                raise FunctionFailed("The disk is not usable")
        state.installed = [instance["name"] if each == old else each for each in state.installed]

    def _instance_balloon_memory(self, state: NodeState, instance: Any, memory: int) -> None:
        state.guests[instance["name"]] = memory

    def _resize_disk(self, state: NodeState, instance: Any, disk: Any, size: int) -> bool:
        if state.disks[disk["logical_id"][1]] << 20 != size:
            raise FunctionFailed("It has another size")
        return instance["name"] in state.guests

    def _instance_os_add(self, state: NodeState, instance: Any, reinstall: bool, debug: int) -> None:
        for disk in instance["disks_info"]:
            if disk["logical_id"][1] not in state.linked:
                raise FunctionFailed("The disk is not usable")
        state.installed.append(instance["name"])

    def _instance_start(self, state: NodeState, instance: Any, paused: bool, reason: Any) -> None:
        if instance["name"] in state.guests:
            raise FunctionFailed("It runs already")
        state.guests[instance["name"]] = instance["beparams"]["maxmem"]

    def _instance_shutdown(self, state: NodeState, instance: Any, timeout: int, reason: Any) -> None:
        state.guests.pop(instance["name"], None)

    def _instance_reboot(self, state: NodeState, instance: Any, kind: str, timeout: int, reason: Any) -> None:
        if instance["name"] not in state.guests:
            raise FunctionFailed("It does not run")

    def _instance_migratable(self, state: NodeState, instance: Any) -> None:
        self._migration_info(state, instance)

    def _migration_info(self, state: NodeState, instance: Any) -> str:
        if instance["name"] not in state.guests:
            raise FunctionFailed("It does not run")
        return str(state.guests[instance["name"]])

    def _accept_instance(self, state: NodeState, instance: Any, info: str, target: str) -> None:
        if instance["name"] in state.guests:
            raise FunctionFailed("It runs here")
        state.linked.update(each["logical_id"][1] for each in instance["disks_info"])

    def _instance_migrate(
        self, state: NodeState, cluster: str, instance: Any, target: str, live: bool
    ) -> None:
        self._migration_info(state, instance)

    def _instance_get_migration_status(self, state: NodeState, instance: Any) -> Any:
        return {"status": "completed"}

    def _instance_finalize_migration_src(
        self, state: NodeState, instance: Any, success: bool, live: bool
    ) -> None:
        if success:
            state.guests.pop(instance["name"], None)
            state.linked.difference_update(each["logical_id"][1] for each in instance["disks_info"])

    def _instance_finalize_migration_dst(
        self, state: NodeState, instance: Any, info: str, success: bool
    ) -> None:
        if success:
            state.guests[instance["name"]] = int(info)
        else:
            state.linked.difference_update(each["logical_id"][1] for each in instance["disks_info"])

    def _instance_console_info(self, state: NodeState, asked: Any) -> Any:
        return {name: {"instance": name, "kind": "msg", "message": "none"} for name in asked}

    def _instance_info(self, state: NodeState, name: str, hypervisor: str, parameters: Any) -> Any:
        return self._all_instances_info(state, [hypervisor], {}).get(name, {})

    def _all_instances_info(self, state: NodeState, hypervisors: Any, parameters: Any) -> Any:
        return {
            name: {"memory": memory, "vcpus": 1, "state": 0, "time": 0}
            for name, memory in state.guests.items()
        }

    def _node_verify(self, state: NodeState, asked: Any, cluster: str, parameters: Any) -> Any:
        return {
            key: value
            for key, value in {**HEALTHY, "oslist": state.oses, **state.verify}.items()
            if key in asked
        }

    def _iallocator_runner(self, state: NodeState, name: str, text: str, parameters: Any) -> str:
        if name != "dice":
            raise FunctionFailed(f"There is no allocator {name}")
        nodes = sorted(json.loads(text)["nodes"])
        return json.dumps({"success": True, "info": "", "result": nodes[-1:]})

    def _hooks_runner(self, state: NodeState, path: str, phase: str, env: Any) -> Any:
        state.hooks.append([path, phase, env])
        failing = state.failing_hook == [path, phase]
        return [[f"{path}-{phase}.d/check", 1 if failing else 2, "no" if failing else ""]]

    def _version(self, state: NodeState) -> int:
        return state.version

    def _node_crypto_tokens(self, state: NodeState, requests: Any) -> Any:
        return [["ssl", f"digest of {state.name}"] for _ in requests]

    def _node_leave_cluster(self, state: NodeState, ssh: bool) -> str:
        state.left = True
        return "Shutdown scheduled"

    def _renew_secret(self, state: NodeState, name: str, rsa: bool) -> None:
        state.renewed.append(name)

    def _node_activate_master_ip(self, state: NodeState, parameters: Any, external: bool) -> None:
        state.addresses.add(parameters["ip"])

    def _node_deactivate_master_ip(self, state: NodeState, parameters: Any, external: bool) -> None:
        state.addresses.discard(parameters["ip"])

    def _node_powercycle(self, state: NodeState, name: str, parameters: Any) -> str:
        return "Reboot scheduled in 5 seconds"

    def _storage_list(
        self, state: NodeState, kind: str, arguments: Any, name: str | None, fields: list[str]
    ) -> Any:
        told = {"used": 0, "free": SPACE, "size": SPACE, "allocatable": True}
        return [[{**told, "name": each}[field] for field in fields] for each in arguments[0]]

    def _restricted_command(self, state: NodeState, command: str) -> str:
        return f"{command} of {state.name}"

    def _test_delay(self, state: NodeState, duration: float) -> None:
        """
        Nobody waits.
        """
