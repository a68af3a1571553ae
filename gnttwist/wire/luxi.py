"""
LUXI's calls: what clients ask on the unix socket, each with its arguments.

Pure: messages are L{gnttwist.wire.luxi_messages}', and what to answer is masterd's. The methods and their argument
forms are the reference's (LUXI, section 1.5).
"""

from typing import Annotated, Any, ClassVar

import msgspec

REQUEST_LIMIT = 16 * 1024 * 1024
"""
Bytes of the longest request. An instance's creation takes about 2 kB, so SubmitManyJobs has room for 8,000 of them;
what decoding costs (a third of a second, ten times the memory) is what one client may ask of everybody else.
"""

RESPONSE_LIMIT = 256 * 1024 * 1024
"""
Bytes of the longest answer that our client takes: a hundred thousand jobs with their logs.
"""

WAIT_LIMIT = 89.0
"""
Seconds that a call may be silent: half the time after which Ganeti's clients give up (reference: 1.4).
"""

JobId = Annotated[int, msgspec.Meta(ge=0)] | Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,18}$")]
"""
Job ids come as numbers or as decimal text.
"""

Names = list[str] | None
"""
Which objects; C{None} and an empty list mean all.
"""


class Call(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """
    A request: the arguments of one method, by position.

    @cvar read_only: Whether it changes nothing, so that it may be given up when its client is gone.
    """

    known: ClassVar[dict[str, type["Call"]]] = {}
    read_only: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # msgspec sets a struct's fields after this hook; only the name is needed here.
        Call.known[cls.__name__] = cls
        cls.read_only = cls.__name__.startswith(("Query", "WaitFor"))


class SubmitJob(Call, frozen=True):
    """
    Queue one job; answers its id.
    """

    ops: list[dict[str, Any]]


class SubmitJobToDrainedQueue(Call, frozen=True):
    """
    The same, whether or not the queue is drained.
    """

    ops: list[dict[str, Any]]


class SubmitManyJobs(Call, frozen=True):
    """
    Queue jobs; answers C{[true, id]} or C{[false, text]} for each.
    """

    jobs: list[list[dict[str, Any]]]


class PickupJob(Call, frozen=True):
    """
    Ganeti's daemons' own; always refused.
    """

    job_id: JobId


class WaitForJobChange(Call, frozen=True):
    """
    Answer when a job's fields or log differ from what the client last saw (reference: 1.6).
    """

    job_id: JobId
    fields: list[str]
    previous: list[Any] | None
    log_serial: int | None
    timeout: float


class WaitForAnyJobChange(Call, frozen=True):
    """
    Our own: answer when any of several jobs, or of all, has changed since a revision. Answers the revision to go on
    from and C{[job id, [value of each field]]} for each changed job, none if nothing changed in time.

    With a C{moment}, 0 at first, progress is told of, too, and logs: then the answer has the moment to go on from as
    its third entry, and each job its lines since the revision as its third.
    """

    job_ids: list[JobId] | None
    fields: list[str]
    revision: int
    timeout: float
    moment: int | None = None


class WaitForConfigChange(Call, frozen=True):
    """
    Our own: answer when the configuration has changed since a revision. Answers the revision to go on from, and
    C{[kind, uuid, name, whether it is there]} for each object that changed, none if nothing did in time; null where
    nobody knows what changed since then, as for the revision 0: then everything is to be looked at.
    """

    revision: int
    timeout: float


class CancelJob(Call, frozen=True):
    """
    Ask a job to end; answers whether it did, and a sentence.
    """

    job_id: JobId
    kill: bool = False


class ArchiveJob(Call, frozen=True):
    """
    Put a finished job away; answers whether it was.
    """

    job_id: JobId


class AutoArchiveJobs(Call, frozen=True):
    """
    Put away jobs that ended longer ago than C{age} seconds; a negative age means all.
    """

    age: int
    timeout: float


class ChangeJobPriority(Call, frozen=True):
    """
    Answers whether the priority was changed, and a sentence.
    """

    job_id: JobId
    priority: int


class Query(Call, frozen=True):
    """
    Rows of cells C{[status, value]} with their field definitions.
    """

    what: str
    fields: list[str]
    filter: list[Any] | None


class QueryFields(Call, frozen=True):
    """
    Field definitions only.
    """

    what: str
    fields: Names


class QueryJobs(Call, frozen=True):
    """
    Rows of plain values.
    """

    ids: list[JobId] | None
    fields: list[str]


class QueryInstances(Call, frozen=True):
    """
    Rows of plain values.
    """

    names: Names
    fields: list[str]
    locking: bool


class QueryNodes(Call, frozen=True):
    """
    Rows of plain values.
    """

    names: Names
    fields: list[str]
    locking: bool


class QueryGroups(Call, frozen=True):
    """
    Rows of plain values.
    """

    names: Names
    fields: list[str]
    locking: bool


class QueryNetworks(Call, frozen=True):
    """
    Rows of plain values.
    """

    names: Names
    fields: list[str]
    locking: bool


class QueryExports(Call, frozen=True):
    """
    Rows of node and export.
    """

    nodes: Names
    locking: bool


class QueryFilters(Call, frozen=True):
    """
    Rows of plain values.
    """

    uuids: Names
    fields: list[str]


class ReplaceFilter(Call, frozen=True):
    """
    Add or replace a job filter; answers its UUID.
    """

    uuid: str | None
    priority: int
    predicates: list[Any]
    action: Any
    reason: list[Any]


class DeleteFilter(Call, frozen=True):
    """
    Remove a job filter.
    """

    uuid: str


class QueryTags(Call, frozen=True):
    """
    An object's tags; the name is empty for the cluster's.
    """

    kind: str
    name: str


class QueryJobBlockers(Call, frozen=True):
    """
    What a job waits for; not Ganeti's. The answer is L{gnttwist.masterd.why}'s.
    """

    job_id: JobId


class QueryConfigValues(Call, frozen=True):
    """
    Single values, C{null} for unknown names.
    """

    fields: list[str]


class QueryClusterInfo(Call, frozen=True):
    """
    Everything about the cluster in one object.
    """


class QueryMetrics(Call, frozen=True):
    """
    Figures for monitoring; not Ganeti's. The answer is L{gnttwist.masterd.figures}'s.
    """


class SetDrainFlag(Call, frozen=True):
    """
    Let the queue take jobs, or not.
    """

    drained: bool


class SetQueueLimits(Call, frozen=True):
    """
    How many jobs may run at once, how many may be queued or running, and how many seconds they wait for a node that
    is not answering; C{null} leaves it as it is. Not Ganeti's.
    """

    running: int | None
    queued: int | None
    patience: int | None = None


class SetWatcherPause(Call, frozen=True):
    """
    Keep the watcher still until a time, in seconds since the epoch.
    """

    until: float | None


def job_id(value: int | str) -> int:
    """
    A job id as a number.
    """
    return int(value)
