"""The agent of one Jupyter server: looks after its kernels from their start to their end."""

from __future__ import annotations

import asyncio
import gc
import secrets
from collections.abc import Awaitable
from typing import Any

from traitlets import Any as AnyTrait
from traitlets import Bool, Float, Integer
from traitlets.config.configurable import LoggingConfigurable

from elastic_spawner.checkpoint.encryption import wanted
from elastic_spawner.checkpoint.repository import Repository
from elastic_spawner.stores import open_store

from .boot import bring_back, bring_back_later
from .channel import new_context
from .fallback import Fallback
from .former import FormerSecrets
from .garbage import Garbage
from .handlers import handlers
from .hooks import KernelHooks
from .journal import Journal
from .kernels import Kernel, kernel_language
from .manifest import Choice, KernelEntry, SessionEntry
from .periodic import PeriodicSaves
from .preparation import Preparation, RestorePlan
from .roster import Roster
from .save import ENDABLE, saved_since


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
        help="Seconds that front ends are kept from a kernel that does not start or load our part.",
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
    keep_generations = Integer(
        2,
        config=True,
        min=1,
        help="""How many checkpoints of each kernel are kept. With more than one, a kernel whose newest checkpoint turns
        out to be damaged comes back from the one before. Older ones go after a save of all kernels, at most once an
        hour, and so do those of kernels that were ended more than an hour ago.""",
    )
    restore_on_death = Bool(
        True,
        config=True,
        help="""Whether a kernel that died by itself (out of memory, say) gets the variables of its last checkpoint
        when it is started again. Not done when it died while or right after these were loaded.""",
    )

    periodic_deadline = Float(
        10.0,
        config=True,
        min=1.0,
        help="""Seconds that a save which nobody asked for may take; it gives way to a cell before that. What it has
        written by then is found by the next one.""",
    )
    journal_interval = Float(
        10.0,
        config=True,
        min=1.0,
        help="""Seconds between two writes of the list of cells that were run since the last checkpoint, of which the
        user is told when the server is lost without notice.""",
    )

    serverapp = AnyTrait()
    settings = AnyTrait()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernels: dict[str, Kernel] = {}
        self.boot: dict[str, Any] = {"status": "none", "error": None}
        self.absent_reports: list[dict[str, Any]] = []
        self.instance = secrets.token_hex(8)
        """Tells this process from others in its place: a container that is started again keeps its address."""
        self.saving = False
        self.last_save: dict[str, Any] | None = None
        self.told: int | None = None
        """The generation of the last save that the hub was told of."""
        self.context = new_context()
        self.roster = Roster(self)
        self.preparation = Preparation(self)
        self.garbage = Garbage(self)
        self.former = FormerSecrets(self)
        self.fallback = Fallback(self)
        self.journal = Journal(self)
        self.periodic = PeriodicSaves(self)
        self.expected: dict[str, RestorePlan] = {}
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
            self._repository = Repository(
                open_store(self.settings.store_url), self.settings.secret, encrypt=wanted(self.settings.encrypt)
            )
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
            self.keep(self._begin())

    async def _begin(self) -> None:
        self.hooks.install()
        await self.recover()
        self.keep(bring_back_later(self))
        self.keep(self.roster.run())
        self.keep(self.garbage.run())
        self.keep(self.journal.run())
        self.keep(self.periodic.run())

    async def recover(self) -> None:
        """Bring back what the store's manifest lists, unless that was done. Never raises."""
        async with self._recovering:
            if not self.roster.recovered:
                await bring_back(self)

    def keep(self, work: Any) -> asyncio.Task[None]:
        """Run this beside everything else."""
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)  # the loop itself holds tasks by weak references only
        task.add_done_callback(self._tasks.discard)
        return task

    # What the hooks tell

    def expect(self, entry: KernelEntry, choice: Awaitable[Choice]) -> None:
        """The kernel of this entry is about to be started, and is to come back from the checkpoint that is chosen."""
        self.expected[entry.id] = RestorePlan("boot", choice, entry)

    def on_start(self, kernel_id: str, manager: Any, folder: str | None) -> None:
        plan = self.expected.pop(kernel_id, None)
        kernel = Kernel(kernel_id, manager.kernel_name, kernel_language(manager), manager, folder)
        if plan is not None and plan.entry is not None:
            kernel.generation, kernel.floor, kernel.saved_at = plan.entry.generation, plan.entry.floor, plan.entry.saved
        self.kernels[kernel_id] = kernel
        self.periodic.begin(kernel)
        self.roster.absent.pop(kernel_id, None)
        self.preparation.prepare(kernel, plan)
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
            self.preparation.prepare(kernel, self.preparation.plan_after_death(kernel))
            return
        # The user wants it empty: what was saved before must not come back, neither now nor later.
        kernel.incarnation += 1
        kernel.restore, kernel.cells = None, []
        self.journal.wake()
        self.preparation.prepare(kernel, None)
        waiting = [self.keep(self.preparation.raise_floor(kernel)), *([kernel.prepared] if kernel.prepared else [])]
        await asyncio.wait(waiting, timeout=5)

    async def on_shutdown(self, kernel_id: str) -> None:
        kernel = self.kernels.pop(kernel_id, None)
        if kernel is not None and kernel.prepared is not None:
            kernel.prepared.cancel()
        # Before the user is told that it is gone, so that nothing brings it back.
        await asyncio.wait([self.keep(self.roster.sync())], timeout=5)

    def on_stop(self) -> bool:
        self.roster.stopped = True
        # Each would be asked to end, and be waited for, while its successor waits for the end of the server. What they
        # are is saved; a kernel that could not be saved in full may have something to do at its end, such as to write
        # the rest of a file.
        last = saved_since(self)
        if last is None or not all(kernel["status"] in ENDABLE and not kernel["lost"] for kernel in last["kernels"]):
            return False
        gc.freeze()  # else Python looks for garbage in everything that it has before it ends: half a second
        return True

    def on_message(
        self, kernel_id: str, ours: bool, message_type: str, parent: dict[str, Any], content: dict[str, Any]
    ) -> None:
        kernel = self.kernels.get(kernel_id)
        if kernel is not None:
            kernel.note_message(ours, message_type, parent, content)
            if message_type in ("status", "execute_input") and not ours:
                self.journal.wake()
                if message_type == "execute_input" and self.roster.known is not None and self.roster.known.ending:
                    self.roster.sync_soon()

    def address(self, kernel: Kernel) -> dict[str, str]:
        """Where the kernel part finds this kernel's checkpoints."""
        return {"url": self.settings.store_url, "session": kernel.session, "key": self.settings.secret.hex()}

    def report_absent(self, entry: KernelEntry, sessions: list[SessionEntry], reason: str) -> None:
        """A kernel of the manifest could not be brought back; it stays on the list."""
        self.log.error("kernel %s was not brought back: %s", entry.id, reason)
        path = sessions[0].path if sessions else None
        self.absent_reports.append(
            {"id": entry.id, "path": path, "cause": "boot", "status": "failed", "reason": reason}
        )
