"""ElasticLocalSpawner: servers as processes on the hub's machine, with limits that hold."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyterhub.spawner import LocalProcessSpawner
from traitlets import Bool, Unicode, default

from ..migration import Size
from . import limits, naming, processes
from .mixin import ElasticSpawnerMixin
from .sizes import Bounds


class ElasticLocalSpawner(ElasticSpawnerMixin, LocalProcessSpawner):
    """Runs servers as local processes that can be resized without losing their kernels.

    `mem_limit` holds for the server's process and for each of its kernels (RLIMIT_DATA): a cell that wants more gets a
    MemoryError. `cpu_limit`, rounded up to whole CPUs, is the number of CPUs that all of them share (CPU affinity).
    """

    system_users = Bool(
        False,
        help="""Whether servers run as the system's users of the same names.

        False: all servers run as the user that the hub runs as, each with a home directory of its own
        (`home_template`). That needs no root and no accounts, but the users are not protected from each other: it is
        for one person, for people who trust each other, and for trials. True: as LocalProcessSpawner does; the hub must
        run as root.
        """,
    ).tag(config=True)

    home_template = Unicode(
        "{data_dir}/homes/{username}",
        help="""The home directory of a hub user when `system_users` is False; made when missing.

        `{data_dir}` is that trait's, `{username}` the hub user's name, made fit for a path.
        """,
    ).tag(config=True)

    @default("cmd")
    def _default_cmd(self) -> list[str]:
        # The hub's own Python: jupyterhub-singleuser need not be on the PATH then.
        return [sys.executable, "-m", "jupyterhub.singleuser"]

    @default("max_mem")
    def _default_max_mem(self) -> int | None:
        return limits.total_memory()

    @default("max_cpus")
    def _default_max_cpus(self) -> float:
        return float(len(limits.usable_cpus()))

    @default("min_cpus")
    def _default_min_cpus(self) -> float:
        return 1.0

    # -- who and where -------------------------------------------------------------------------------------------------

    @property
    def home(self) -> Path:
        name = naming.segment(self.user.name)
        return Path(self.home_template.format(data_dir=self.data_dir, username=name)).absolute()

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        if self.system_users:
            return super().user_env(env)
        env["USER"] = self.user.name
        env["HOME"] = str(self.home)
        env["SHELL"] = os.environ.get("SHELL", "/bin/sh")
        return env

    def get_args(self) -> list[str]:
        args: list[str] = super().get_args()
        if not self.system_users and os.getuid() == 0 and "--allow-root" not in args:
            args = [*args, "--allow-root"]
        return args

    async def move_certs(self, paths: dict[str, str]) -> dict[str, str]:
        if self.system_users:
            return await super().move_certs(paths)
        return paths

    # -- limits --------------------------------------------------------------------------------------------------------

    @property
    def bounds(self) -> Bounds:
        # One CPU is the least that affinity can give.
        bounds = super().bounds
        return Bounds(bounds.min_memory, bounds.max_memory, max(1.0, bounds.min_cpus or 1.0), bounds.max_cpus)

    def _cpus(self, size: Size) -> set[int] | None:
        return limits.choose_cpus(size.cpus, f"{self.user.name}/{self.name}", limits.usable_cpus())

    async def try_resize_in_place(self, size: Size) -> bool:
        if not limits.SUPPORTED or not self.pid:
            return False
        if size.memory is not None and (self.size.memory is None or size.memory < self.size.memory):
            return False  # what is used already is not given back by a lower limit
        try:
            pids = list(processes.descendants(self.pid))
            limits.limit_running(pids, size.memory, self._cpus(size) or set(limits.usable_cpus()))
        except OSError as error:
            self.log.warning("%s: cannot be resized in place (%s): moving it", self._log_name, error)
            return False
        return True

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        become_user = super().make_preexec_fn(name) if self.system_users else None
        home = None if self.system_users else str(self.home)
        record, launch = self._launch_file, self._launch
        memory, cpus = self.size.memory, self._cpus(self.size)

        def preexec() -> None:
            processes.write_launch(record, launch)
            if become_user:
                become_user()
            if home:
                os.chdir(home)
            limits.limit_this_process(memory, cpus)

        return preexec

    # -- starting, finding, ending -------------------------------------------------------------------------------------

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._fixed_port: int = self.port
        if not limits.SUPPORTED and (self.mem_limit or self.cpu_limit):
            self.log.warning("Limits of memory and CPU do not hold on this system: they need Linux.")

    @property
    def _launch_file(self) -> Path:
        directory = Path(self.data_dir).absolute() / "run"
        return directory / f"{naming.segment(self.user.name)}.{naming.segment(self.name)}.json"

    _warned = False

    def _warn_of_root(self) -> None:
        if os.getuid() == 0 and not self.system_users and not ElasticLocalSpawner._warned:
            ElasticLocalSpawner._warned = True
            self.log.warning(
                "Servers run as root, and their users are not protected from each other. For more than a trial run the "
                "hub as another user, or set c.ElasticLocalSpawner.system_users = True."
            )

    async def prepare_start(self) -> None:
        self._warn_of_root()
        self._launch_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.system_users:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.port = self._fixed_port  # 0: a free one for each start
        self.proc = None
        self._make_checkpoint_dir()

    def _make_checkpoint_dir(self) -> None:
        """Make the server's own directory in a store of files: its user may not be able to make it."""
        path = naming.file_path(self.checkpoint_url)
        if path is None:
            return
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.system_users:
            import pwd

            entry = pwd.getpwnam(self.user.name)
            os.chown(path, entry.pw_uid, entry.pw_gid)
            for parent in (path.parent, path.parent.parent):
                parent.chmod(parent.stat().st_mode | 0o011)  # to be passed through, not to be listed

    async def running_launch(self) -> str | None:
        record = processes.read_launch(self._launch_file)
        if record is None or not record.alive:
            # One that was started before this class was configured has noted nothing.
            return await super().running_launch()
        if self.pid != record.pid:  # type: ignore[has-type]
            self.pid, self.proc = record.pid, None
        return record.launch

    async def wait_for_death(self, timeout: float = 10) -> bool:
        """Wait for the end of the process; JupyterHub's own wait looks up to five seconds late, in every move."""
        deadline = time.monotonic() + timeout
        while await self.poll() is None:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(self.death_interval)
        return True

    async def _signal(self, sig: int) -> bool:
        """Send a signal; tell whether the process is there. A zombie, or another one of the same number, is not."""
        record = processes.read_launch(self._launch_file)
        if record is not None and record.pid == self.pid and not record.alive:
            return False
        return bool(await super()._signal(sig))
