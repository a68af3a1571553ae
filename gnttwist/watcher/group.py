"""
One run of the watcher for one node group.
"""

import time
from collections.abc import Callable, Collection
from typing import Any

from attrs import define, field

from gnttwist.client.luxi import LuxiClient
from gnttwist.errors import GnttwistError, OperationError
from gnttwist.paths import Paths
from gnttwist.watcher import files
from gnttwist.watcher.notes import MAX_TRIES, Action, Notes, Seen

LOW = 10
"""
The priority of verifying disks.
"""

HELPLESS = ("ERROR_nodedown", "ERROR_nodeoffline")
"""
States of instances that nothing can be done for.
"""

Log = Callable[[str, str], None]
"""
Takes a level, C{debug}, C{info}, C{warning} or C{error}, and a line.
"""


@define
class GroupRun:
    """
    Looking after the instances of one group.

    @ivar uuid: The group's.
    @ivar groups: UUIDs of all groups.
    @ivar _boots: The boot IDs of nodes that are not offline.
    """

    _client: LuxiClient
    _paths: Paths
    _log: Log
    _now: Callable[[], float]
    uuid: str
    groups: Collection[str]
    _notes: Notes = field(factory=Notes, init=False)
    _boots: dict[str, str] = field(factory=dict, init=False)

    def run(self, verify_disks: bool) -> bool:
        """
        Look after them, unless another watcher does.

        @return: Whether this one did.
        @raise GnttwistError: The master daemon cannot be asked.
        """
        state = self._paths.watcher_state(self.uuid)
        # The notes' own lock is Ganeti's, and ends when the file is replaced.
        with files.locked(state.with_name(f"{state.name}.lock")) as ours, files.locked(state) as free:
            if not (ours and free):
                self._log("warning", f"Another watcher looks after group {self.uuid}")
                return False
            self._read(files.read(state))
            instances, offline = self._instances(), self._nodes()
            files.write(
                self._paths.watcher_status(self.uuid),
                files.status_text((each.name, each.status) for each in instances),
            )
            files.merge_status(self._paths, self.groups)
            started = self._check_instances(instances)
            self._check_nodes(instances, started)
            # Before disks are verified, which takes its time: attempts must be counted.
            files.write(state, self._notes.written())
            if verify_disks:
                self._verify_disks(instances, offline)
        return True

    def _read(self, data: bytes) -> None:
        try:
            self._notes = Notes.read(data)
        except ValueError as reason:
            self._log("warning", f"The notes of group {self.uuid} cannot be read and begin anew: {reason}")

    def _query(self, what: str, fields: list[str], wanted: Any) -> list[list[Any]]:
        answer = self._client.call("Query", what, fields, wanted)
        return [[value for _, value in row] for row in answer["data"]]

    def _instances(self) -> list[Seen]:
        fields = ["name", "status", "admin_state", "disks_active", "snodes"]
        rows = self._query("instance", fields, ["=", "pnode.group.uuid", self.uuid])
        return [
            Seen(name, status or "", admin_state, bool(active), tuple(others or ()))
            for name, status, admin_state, active, others in rows
        ]

    def _nodes(self) -> set[str]:
        """
        The nodes that are offline; the others' boot IDs are kept for L{_check_nodes}.
        """
        rows = self._query("node", ["name", "bootid", "offline"], ["=", "group.uuid", self.uuid])
        self._boots = {name: boot or "" for name, boot, offline in rows if not offline}
        return {name for name, _, offline in rows if offline}

    def _check_instances(self, instances: Collection[Seen]) -> set[str]:
        self._notes.forget_old({each.name for each in instances}, self._now())
        locks = self._query("lock", ["name", "mode"], None)
        locked = {name.removeprefix("instance/") for name, mode in locks if mode}
        started = set()
        for each in instances:
            match self._notes.decide(each, locked):
                case Action.RESTART:
                    attempt = self._notes.tries(each.name, "restart") + 1
                    self._log("info", f"Restarting instance {each.name} (attempt {attempt})")
                    if self._carry_out("OP_INSTANCE_STARTUP", each.name, "Restarting"):
                        started.add(each.name)
                    self._notes.tried(each.name, "restart", self._now())
                case Action.CLEAN_UP:
                    self._log("info", f"Instance {each.name} was shut down by its user; marking it down")
                    if self._carry_out(
                        "OP_INSTANCE_SHUTDOWN", each.name, "Cleaning up", admin_state_source="user"
                    ):
                        self._notes.instances.pop(each.name, None)
                    else:
                        self._notes.tried(each.name, "cleanup", self._now())
                case Action.GIVE_UP:
                    self._log("error", f"Giving up instance {each.name} after {MAX_TRIES} attempts")
                    self._notes.tried(each.name, "restart", self._now())
                case Action.GIVEN_UP:
                    self._log("warning", f"Instance {each.name} was given up; start it by hand")
                case Action.LOCKED:
                    self._log("info", f"Instance {each.name} is locked; it is left for the next time")
                case Action.CAME_BACK:
                    self._notes.instances.pop(each.name, None)
                    if each.status not in HELPLESS:
                        self._log("info", f"Instance {each.name} is back")
        return started

    def _check_nodes(self, instances: Collection[Seen], started: Collection[str]) -> None:
        """
        Activate disks of instances that have a second node which was started anew.
        """
        for node in self._notes.rebooted(self._boots):
            for each in instances:
                if node in each.secondaries and each.disks_active and each.name not in started:
                    self._log("info", f"Node {node} was started anew: activating disks of {each.name}")
                    self._carry_out("OP_INSTANCE_ACTIVATE_DISKS", each.name, "Activating disks for")
            self._notes.booted(node, self._boots[node])

    def _verify_disks(self, instances: Collection[Seen], offline: Collection[str]) -> None:
        op = {"OP_ID": "OP_GROUP_VERIFY_DISKS", "group_name": self.uuid, "priority": LOW}
        job, result = self._result([{**op, "reason": self._reason(f"Verifying disks of group {self.uuid}")}])
        self._client.call("ArchiveJob", job)
        known = {each.name: each for each in instances}
        for name in result[0][1]:
            seen = known.get(name)
            if seen and seen.status not in HELPLESS and not set(seen.secondaries) & set(offline):
                self._log("info", f"Activating disks of {name}")
                self._carry_out("OP_INSTANCE_ACTIVATE_DISKS", name, "Activating disks for")

    def _reason(self, text: str) -> list[list[Any]]:
        return [["gnt:watcher", text, time.time_ns()]]

    def _carry_out(self, op_id: str, name: str, doing: str, **members: Any) -> bool:
        """
        Run a job about an instance to its end.

        @return: Whether it succeeded.
        """
        reason = self._reason(f"{doing} instance {name}")
        try:
            self._result([{"OP_ID": op_id, "instance_name": name, "reason": reason, **members}])
        except (JobEnded, OperationError) as error:
            self._log("error", f"{doing} instance {name} failed: {error}")
            return False
        return True

    def _result(self, ops: list[dict[str, Any]]) -> tuple[int, list[Any]]:
        """
        Run a job to its end.

        @return: Its number and its opcodes' results.
        @raise JobEnded: It did not succeed.
        @raise OperationError: It was not accepted.
        """
        job: int = self._client.call("SubmitJob", ops)
        for _ in self._client.wait_for_job(job):
            pass
        [[status, results]] = self._client.call("QueryJobs", [job], ["status", "opresult"])
        if status != "success":
            raise JobEnded(f"job {job} ended in state {status}: {results[-1]}")
        return job, results


class JobEnded(GnttwistError):
    """
    A job of the watcher's did not succeed.
    """
