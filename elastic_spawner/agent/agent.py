"""The agent of one Jupyter server: looks after its kernels from their start to their end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from jupyter_core.utils import ensure_async
from traitlets import Any as AnyTrait
from traitlets import Bool, Float, Integer
from traitlets.config.configurable import LoggingConfigurable

from elastic_spawner.checkpoint.repository import Repository
from elastic_spawner.errors import ElasticError
from elastic_spawner.stores import open_store

from .boot import bring_back, bring_back_later
from .channel import KernelChannel, KernelFailure, new_context
from .deadline import Deadline
from .handlers import handlers
from .hooks import Gate, KernelHooks
from .kernels import Kernel, kernel_language
from .manifest import Choice, KernelEntry, SessionEntry, choose_generation
from .roster import Roster
from .threads import in_thread


@dataclass(frozen=True)
class RestorePlan:
    """What is to be brought back into a kernel once it runs."""

    cause: str
    """`boot`: the server was started; `death`: the kernel's process ended by itself."""
    choice: Awaitable[Choice]
    entry: KernelEntry | None = None


class ElasticAgent(LoggingConfigurable):
    """Saves and restores all kernels of one Jupyter server."""

    save_concurrency = Integer(
        4,
        config=True,
        min=1,
        help="How many kernels are saved at the same time. More need more memory and bandwidth at once.",
    )
    interrupt_reserve = Float(
        20.0,
        config=True,
        help="""With the policy `interrupt`: seconds before the deadline at which a cell that still runs is
        interrupted, so that time is left for saving. Never more than half of the time that was given.""",
    )
    save_grace = Float(
        5.0, config=True, help="Seconds that a kernel may take beyond the deadline to finish a save that it has begun."
    )
    load_timeout = Float(
        60.0,
        config=True,
        help="Seconds that a kernel may take to start and load our part. One that takes longer is not tracked.",
    )
    boot_timeout = Float(
        15.0,
        config=True,
        help="""Seconds that the server waits for kernels to be started again before it answers requests. The hub's
        `http_timeout` (30 s) must not run out meanwhile.""",
    )
    store_timeout = Float(
        10.0, config=True, help="Seconds that reading or writing a small thing in the store may take."
    )
    restore_on_death = Bool(
        True,
        config=True,
        help="""Whether a kernel that died by itself (out of memory, say) gets the variables of its last checkpoint
        when it is started again. Not done when it died while or right after these were loaded.""",
    )

    serverapp = AnyTrait()
    settings = AnyTrait()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernels: dict[str, Kernel] = {}
        self.boot: dict[str, Any] = {"status": "none", "error": None}
        self.absent_reports: list[dict[str, Any]] = []
        self.saving = False
        self.last_save: dict[str, Any] | None = None
        self.context = new_context()
        self.roster = Roster(self)
        self._expected: dict[str, RestorePlan] = {}
        self._repository: Repository | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._recovering = asyncio.Lock()

    @property
    def mapping(self) -> Any:
        """The server's kernel manager."""
        return self.serverapp.kernel_manager

    @property
    def repository(self) -> Repository:
        """The checkpoints of this server. Opened at the first use, in a thread: blocks. Raises StoreError."""
        if self._repository is None:
            self._repository = Repository(open_store(self.settings.store_url), self.settings.secret)
        return self._repository

    def install(self) -> None:
        """Hook into the server, and bring back its kernels. Blocks until their processes are started."""
        web_app = self.serverapp.web_app
        web_app.add_handlers(".*$", handlers(web_app.settings["base_url"], self))
        self.hooks = KernelHooks(self.mapping, self, self)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.serverapp.io_loop.run_sync(self._begin)
        else:  # loaded into a server that runs: there is nothing to be ahead of
            self._keep(self._begin())

    async def _begin(self) -> None:
        self.hooks.install()
        await self.recover()
        self._keep(bring_back_later(self))
        self._keep(self.roster.run())

    async def recover(self) -> None:
        """Bring back what the store's manifest lists, unless that was done. Never raises."""
        async with self._recovering:
            if not self.roster.recovered:
                await bring_back(self)

    def _keep(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)  # the loop itself holds tasks by weak references only
        task.add_done_callback(self._tasks.discard)
        return task

    # What the hooks tell

    def expect(self, entry: KernelEntry, choice: Awaitable[Choice]) -> None:
        """The kernel of this entry is about to be started, and is to come back from the checkpoint that is chosen."""
        self._expected[entry.id] = RestorePlan("boot", choice, entry)

    def on_start(self, kernel_id: str, manager: Any, folder: str | None) -> None:
        plan = self._expected.pop(kernel_id, None)
        kernel = Kernel(kernel_id, manager.kernel_name, kernel_language(manager), manager, folder)
        if plan is not None and plan.entry is not None:
            kernel.generation, kernel.floor, kernel.saved_at = plan.entry.generation, plan.entry.floor, plan.entry.saved
        self.kernels[kernel_id] = kernel
        self.roster.absent.pop(kernel_id, None)
        self._prepare(kernel, plan)
        self.roster.sync_soon()

    def on_death(self, kernel_id: str) -> None:
        kernel = self.kernels.get(kernel_id)
        if kernel is not None:
            self.log.warning("the kernel of %s died", kernel.label)
            kernel.incarnation += 1  # whoever waits for an answer is told so

    async def on_restart(self, kernel_id: str, died: bool) -> None:
        kernel = self.kernels.get(kernel_id)
        if kernel is None:
            return
        if kernel.prepared is not None:
            kernel.prepared.cancel()
        if died:
            self.hooks.watch_activity(kernel_id)  # the ports may be others
            self._prepare(kernel, self._plan_after_death(kernel))
            return
        # The user wants it empty: what was saved before must not come back, neither now nor later.
        kernel.incarnation += 1
        kernel.restore = None
        self._prepare(kernel, None)
        waiting = [self._keep(self._raise_floor(kernel)), *([kernel.prepared] if kernel.prepared else [])]
        await asyncio.wait(waiting, timeout=5)

    async def on_shutdown(self, kernel_id: str) -> None:
        kernel = self.kernels.pop(kernel_id, None)
        if kernel is not None and kernel.prepared is not None:
            kernel.prepared.cancel()
        # Before the user is told that it is gone, so that nothing brings it back.
        await asyncio.wait([self._keep(self.roster.sync())], timeout=5)

    def on_stop(self) -> None:
        self.roster.stopped = True

    def on_message(
        self, kernel_id: str, ours: bool, message_type: str, parent_type: str, content: dict[str, Any]
    ) -> None:
        kernel = self.kernels.get(kernel_id)
        if kernel is not None:
            kernel.note_message(ours, message_type, parent_type, content)

    # Loading and restoring

    def _prepare(self, kernel: Kernel, plan: RestorePlan | None) -> None:
        kernel.tracked, kernel.problem, kernel.status = None, "", {}
        if not kernel.is_python:
            kernel.tracked, kernel.problem = False, f"{kernel.language or 'unknown'} kernels cannot be saved"
            if plan is not None:
                asyncio.ensure_future(plan.choice).cancel()
                self._report(kernel, plan.cause, "empty", f"{kernel.problem}; it was started empty under its old id")
            return
        if plan is not None:
            self._report(kernel, plan.cause, "restoring", "")
        kernel.prepared = self._keep(self._load(kernel, plan, Gate(kernel.manager)))

    async def _load(self, kernel: Kernel, plan: RestorePlan | None, gate: Gate) -> None:
        began = time.monotonic()
        info: dict[str, Any] = {}
        try:
            await _ready(kernel.manager)
            async with KernelChannel(kernel, self.context) as channel:
                deadline = Deadline.after(self.load_timeout)
                info = await channel.info(deadline)
                await channel.load(self.settings.libs, deadline)
                kernel.tracked = True
                if plan is not None:
                    kernel.restore["timings"]["loaded"] = round(time.monotonic() - began, 3)  # type: ignore[index]
                    await self._restore(kernel, plan, channel, lambda: gate.open(info))
        except Exception as error:
            known = isinstance(error, ElasticError)
            problem = str(error) if known else repr(error)
            self.log.warning("the kernel of %s is not looked after: %s", kernel.label, problem, exc_info=not known)
            if not kernel.tracked:
                kernel.tracked, kernel.problem = False, problem
            if plan is not None and kernel.restoring:
                self._report(kernel, plan.cause, "failed", problem)
        finally:
            gate.open(info)

    async def _restore(self, kernel: Kernel, plan: RestorePlan, channel: KernelChannel, sent: Any) -> None:
        began = time.monotonic()
        try:
            choice = await plan.choice
            if choice.generation is None:
                lost = kernel.generation is not None
                reason = "its checkpoint cannot be used" if lost else "there was no checkpoint of it"
                self._report(kernel, plan.cause, "failed" if lost else "empty", reason, notes=choice.notes)
                return
            call = asyncio.ensure_future(
                channel.call("restore", {**self.address(kernel), "generation": choice.generation})
            )
            await asyncio.sleep(0)  # now it is on its way, ahead of whatever a front end may send
            sent()
            result = await call
        except KernelFailure as failure:
            self._report(kernel, plan.cause, "failed", str(failure))
        except ElasticError as error:
            self._report(kernel, plan.cause, "failed", f"{error}; the checkpoint is kept")
        else:
            kernel.generation = result.get("generation", choice.generation)
            told = {**result, "notes": [*choice.notes, *result.get("notes", [])]}
            self._report(kernel, plan.cause, "restored", "", **told)
        kernel.restore["timings"]["restored"] = round(time.monotonic() - began, 3)  # type: ignore[index]

    def address(self, kernel: Kernel) -> dict[str, str]:
        """Where the kernel part finds this kernel's checkpoints."""
        return {"url": self.settings.store_url, "session": kernel.session, "key": self.settings.secret.hex()}

    def _plan_after_death(self, kernel: Kernel) -> RestorePlan | None:
        restore = kernel.restore or {}
        again = kernel.restoring or restore.get("ended", 0) > max(kernel.executed_at, time.monotonic() - 30)
        if not self.restore_on_death or again:
            reason = "it died while or right after its variables were loaded" if again else "restore_on_death is off"
            self._report(kernel, "death", "failed", f"{reason}; it was started empty")
            return None
        return RestorePlan("death", self._choose(kernel))

    async def _choose(self, kernel: Kernel) -> Choice:
        return await in_thread(
            lambda: choose_generation(self.repository, kernel.session, kernel.generation, kernel.floor),
            timeout=self.store_timeout,
            doing=f"looking for the checkpoints of kernel {kernel.id}",
        )

    async def _raise_floor(self, kernel: Kernel) -> None:
        kernel.floor = max(kernel.floor, kernel.generation or 0)
        kernel.generation, kernel.saved_at = None, None
        try:
            newest = await self._choose(kernel)
            kernel.floor = max(kernel.floor, newest.generation or 0)
        except ElasticError as error:
            self.log.warning("checkpoints of %s from before its restart may come back: %s", kernel.label, error)
        await self.roster.sync()

    def _report(self, kernel: Kernel, cause: str, status: str, reason: str, **more: Any) -> None:
        timings = (kernel.restore or {}).get("timings", {}) if kernel.restoring else {}
        kernel.restore = {"notes": [], **more, "cause": cause, "status": status, "reason": reason, "timings": timings}
        if status != "restoring":
            kernel.restore["ended"] = time.monotonic()
            self.log.info("kernel of %s: %s %s", kernel.label, status, reason)

    def report_absent(self, entry: KernelEntry, sessions: list[SessionEntry], reason: str) -> None:
        """A kernel of the manifest could not be brought back; it stays on the list."""
        self.log.error("kernel %s was not brought back: %s", entry.id, reason)
        path = sessions[0].path if sessions else None
        self.absent_reports.append(
            {"id": entry.id, "path": path, "cause": "boot", "status": "failed", "reason": reason}
        )


async def _ready(manager: Any) -> None:
    """Wait until the kernel's process is started."""
    ready = getattr(manager, "ready", None)
    if ready is not None:
        try:
            await (ready if isinstance(ready, asyncio.Future) else asyncio.wrap_future(ready))
        except Exception as error:
            raise ElasticError(f"the kernel did not start: {error}") from error
    await ensure_async(manager.is_alive())
