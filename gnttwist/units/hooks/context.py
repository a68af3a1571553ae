"""
The job context of a unit that has hooks.

Units check everything first and then act, so the first step that changes something is the moment for the hooks that
come before the operation: all is checked and locked, nothing is touched.
"""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from attrs import define, field

from gnttwist.config.draft import Draft
from gnttwist.config.snapshot import Snapshot
from gnttwist.errors import OperationError, OpPrereqError
from gnttwist.jobs.context import JobContext, LockMode
from gnttwist.model.objects import Node
from gnttwist.model.opcode import Opcode
from gnttwist.units.hooks import running
from gnttwist.units.hooks.scope import Failure, Hooks, Scope, Subject
from gnttwist.wire.calls import FUNCTIONS

T = TypeVar("T")

CONFIG_UPDATE = "config-update"
"""
The hooks that run on the master after each opcode that changed the configuration.
"""


@define(eq=False)
class Course:
    """
    How far an operation and its hooks are.

    @ivar _begun: Whether the hooks before it have run, or there are none.
    @ivar changed: Whether it changed the configuration.
    @ivar held: Locks that it holds.
    @ivar undos: What is registered to be undone.
    """

    _job: JobContext
    _op: Opcode
    _hooks: Hooks | None
    _begun: bool = False
    changed: bool = False
    held: set[str] = field(factory=set)
    undos: list[str] = field(factory=list)
    _variables: dict[str, str] = field(factory=dict)
    _scope: Scope | None = None

    @property
    def begun(self) -> bool:
        """
        Whether no hooks are to run before the operation any more.
        """
        return self._begun or self._hooks is None

    async def begin(self) -> None:
        """
        Run the hooks before the operation, unless they have run.

        @raise HooksAbort: One failed.
        """
        if self.begun:
            return
        assert self._hooks is not None, "begun otherwise"
        self._begun = True
        config = await self._job.config()
        scope = self._scope = self._described(config)
        self._variables = _texts(scope.variables)
        try:
            running.veto(await self._run(config, scope.before, self._hooks.path, "pre", self._variables))
        except OperationError:
            self._keep()
            raise

    async def end(self) -> list[Failure]:
        """
        Run the hooks after the operation, which nothing that happens now undoes.

        @return: Those that failed.
        """
        self._keep()
        try:
            failures = await self._after()
            await self._after_changes()
        except OperationError as reason:
            self._job.log(f"The operation is done; not all hooks after it were run: {reason}")
            return []
        return failures

    def _keep(self) -> None:
        """
        Undo nothing of what is registered: nothing was touched yet, or all is done.
        """
        for what in reversed(self.undos):
            self._job.undo_no_more(what)
        self.undos.clear()

    async def _after(self) -> list[Failure]:
        if self._hooks is None or self._op.dry_run:
            return []
        config = await self._job.config()
        assert self._scope is not None, "the operation has begun"
        scope, after = self._scope, self._variables
        try:
            scope = self._described(config)
            after = _texts(scope.variables)
        except OpPrereqError:
            pass  # it is about something that is gone now: what was known before is all there is
        variables = {**self._variables, **{f"POST_{name}": value for name, value in after.items()}}
        failures = await self._run(config, scope.after, self._hooks.path, "post", variables)
        if self._hooks.merge is None:
            running.tell(self._job, failures)
        return failures

    async def _after_changes(self) -> None:
        if self.changed:
            config = await self._job.config()
            failures = await self._run(config, [config.master], CONFIG_UPDATE, "post", self._variables)
            running.tell(self._job, failures)

    def _described(self, config: Snapshot) -> Scope:
        assert self._hooks is not None, "asked only with hooks"
        nodes = frozenset(each.removeprefix("node/") for each in self.held if each.startswith("node/"))
        return self._hooks.describe(Subject(config, self._op, nodes))

    async def _run(
        self, config: Snapshot, nodes: Sequence[Node], path: str, phase: str, variables: Mapping[str, str]
    ) -> list[Failure]:
        kind = self._hooks.kind if self._hooks else None
        whole = running.environment(config, self._op, path, phase, kind, variables)
        return await running.run(self._job, nodes, path, phase, whole)


def _texts(variables: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in variables.items()}


@define(eq=False)
class HookedContext:
    """
    A scope of a unit with hooks: passes everything on to the scope beneath.

    @ivar _branch: Whether this is one of several side by side, which cannot wait for each other's hooks.
    """

    _inner: JobContext
    _course: Course
    _branch: bool = False

    # Docstrings are the interface's: L{JobContext}.

    @property
    def job_id(self) -> int:
        return self._inner.job_id

    @property
    def op_index(self) -> int:
        return self._inner.op_index

    async def _begin(self) -> None:
        if not self._course.begun:
            if self._branch:
                raise RuntimeError("A unit with hooks begins to change things in one of several branches")
            await self._course.begin()

    async def acquire(self, locks: Mapping[str, LockMode], *, opportunistic: bool = False) -> frozenset[str]:
        granted = await self._inner.acquire(locks, opportunistic=opportunistic)
        self._course.held.update(granted)
        return granted

    async def release(self, names: Sequence[str]) -> None:
        await self._inner.release(names)
        self._course.held.difference_update(names)

    async def downgrade(self, names: Sequence[str]) -> None:
        await self._inner.downgrade(names)

    async def config(self) -> Snapshot:
        return await self._inner.config()

    async def query(self, kind: str, fields: Sequence[str], qfilter: object) -> dict[str, Any]:
        return await self._inner.query(kind, fields, qfilter)

    async def query_fields(self, kind: str, names: Sequence[str] | None) -> dict[str, Any]:
        return await self._inner.query_fields(kind, names)

    async def change(self, what: str, edit: Callable[[Draft], T]) -> T:
        await self._begin()
        result = await self._inner.change(what, edit)
        self._course.changed = True
        return result

    async def call(
        self,
        node: Node,
        function: str,
        arguments: Sequence[Any],
        *,
        limit: float | None = None,
        on_feedback: Callable[[Any], None] | None = None,
    ) -> Any:
        if FUNCTIONS[function].changing:
            await self._begin()
        return await self._inner.call(node, function, arguments, limit=limit, on_feedback=on_feedback)

    async def gather(self, *branches: Callable[[JobContext], Awaitable[T]]) -> list[T]:
        return await self._inner.gather(*(partial(self._hooked, branch=each) for each in branches))

    async def _hooked(self, inner: JobContext, *, branch: Callable[[JobContext], Awaitable[T]]) -> T:
        return await branch(HookedContext(inner, self._course, branch=True))

    async def now(self) -> float:
        return await self._inner.now()

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)

    async def until(
        self, poll: Callable[[JobContext], Awaitable[T | None]], *, interval: float, timeout: float
    ) -> T | None:
        return await self._inner.until(poll, interval=interval, timeout=timeout)

    async def submit(self, jobs: Sequence[Sequence[dict[str, Any]]]) -> list[list[Any]]:
        await self._begin()
        return await self._inner.submit(jobs)

    def random(self, what: str) -> random.Random:
        return self._inner.random(what)

    def on_failure(self, what: str, undo: Callable[[JobContext], Awaitable[None]]) -> None:
        self._inner.on_failure(what, undo)
        self._course.undos.append(what)

    def undo_no_more(self, what: str) -> None:
        self._inner.undo_no_more(what)
        self._course.undos.remove(what)

    def log(self, text: str) -> None:
        self._inner.log(text)

    def progress(self, what: str, done: float, total: float | None, unit: str = "") -> None:
        self._inner.progress(what, done, total, unit)


async def hooked(
    job: JobContext,
    op: Any,
    *,
    hooks: Hooks | None,
    body: Callable[[JobContext, Any], Awaitable[Any]],
) -> Any:
    """
    Carry out an opcode with its hooks before and after it.

    @raise HooksAbort: A hook before it failed, and nothing was touched.
    """
    course = Course(job, op, hooks)
    result = await body(HookedContext(job, course), op)
    await course.begin()
    failures = await course.end()
    return result if hooks is None or hooks.merge is None else hooks.merge(job, op, result, failures)
