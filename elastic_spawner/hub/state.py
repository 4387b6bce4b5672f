"""What a spawner remembers in the hub's database, and the keys of its server."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from jupyterhub import orm
from sqlalchemy.orm import Session, object_session

from ..lib import build_lib
from ..migration import Move, Size
from . import naming
from .keys import HubKeys, load_former, load_secret
from .moves import Mover
from .sizes import Bounds
from .traits import ElasticTraits

AGENT_CONFIG = Path(__file__).resolve().parent.parent / "agent" / "etc"
STATE = "elastic"
"""Our part of the spawner's persisted state; it outlives the server, unlike the rest."""


@cache
def _keys(secret: str, secret_file: str, former: tuple[str, ...]) -> HubKeys:
    return HubKeys(load_secret(secret, secret_file), load_former(former))


class ElasticState(ElasticTraits):
    """The part of ElasticSpawnerMixin that is kept."""

    _mover: Mover | None = None
    _unfinished: Move | None = None
    """A move that was under way when the hub ended, as read from the database."""
    _last_move: Move | None = None
    _granted: Size | None = None
    """The size that this server was last moved to; it wins over the configured one."""
    _last_checkpoint: dict[str, Any] | None = None
    _launch = ""
    """Tells the server processes (or pods) of one spawner apart: a new one for each start."""
    _launch_before_move = ""
    _kept: bool | None = None
    """Whether the session of the server that runs is kept. A profile may say so, which only a start asks."""
    _kept_else: bool | None = None
    """What the configuration says of it, where the profile or the state has been asked."""
    _token_in_use = ""
    """The API token which the server was started with; also after the server ended, until it is revoked."""

    @property
    def moving(self) -> bool:
        return self._mover is not None and self._mover.running

    # -- what is kept in the hub's database ----------------------------------------------------------------------------

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        ours = state.get(STATE) or {}
        self._launch = ours.get("launch", "")
        self._launch_before_move = ours.get("launch_before_move", "")
        self._last_checkpoint = ours.get("checkpoint")
        if ours.get("kept") is not None:
            self._kept_else, self.keep_sessions = self.keep_sessions, ours["kept"]
            self._kept = self.keep_sessions
        if ours.get("size"):
            self._granted = Size.from_json(ours["size"])
            if self.keep_sessions:
                self.apply_size(self._granted)
        if ours.get("token"):
            self._token_in_use = self.api_token = self.keys.unseal(ours["token"])
        if ours.get("move"):
            move = self._read_move(ours["move"])
            if move is not None and move.step.final:
                self._last_move = move
            else:
                self._unfinished = move

    def _read_move(self, data: dict[str, Any]) -> Move | None:
        try:
            return Move.from_json(data)
        except (KeyError, TypeError, ValueError) as error:
            # Written by another version. The server itself is found out about by poll(), as ever.
            self.log.error("%s: cannot read the move that was under way: %r", self._log_name, error)
            return None

    def get_state(self) -> dict[str, Any]:
        state: dict[str, Any] = super().get_state()
        move = self._mover.move if self._mover else self._unfinished or self._last_move
        token = (self.api_token or self._token_in_use) if self.keep_sessions else ""
        ours = {
            "kept": self._kept,
            "launch": self._launch,
            "launch_before_move": self._launch_before_move,
            "checkpoint": self._last_checkpoint,
            "size": self._granted.to_json() if self._granted else None,
            "token": self.keys.seal(token) if token else None,
            "move": move.to_json() if move else None,
        }
        if any(ours.values()) or self._kept_else is not None:
            state[STATE] = ours
        return state

    def clear_state(self) -> None:
        """Forget the server that ended; the size, the checkpoint and a move under way are not forgotten."""
        token = self.api_token
        super().clear_state()
        if self.moving:
            self.api_token = token  # the server that takes its place is to have the same
            return
        self._kept = None
        if self._kept_else is not None:
            self.keep_sessions, self._kept_else = self._kept_else, None

    def commit_state(self) -> None:
        """Write the state to the hub's database, at once and durably."""
        if self._database is not None:
            self.orm_spawner.state = self.get_state()
            self._database.commit()

    @property
    def _database(self) -> Session | None:
        """The hub's one session; None for a spawner that is used by itself, without a hub's database."""
        mapped = isinstance(self.orm_spawner, orm.Spawner)
        return object_session(self.orm_spawner) if mapped else None

    # -- sizes ---------------------------------------------------------------------------------------------------------

    @property
    def size(self) -> Size:
        return Size(self.mem_limit or None, self.cpu_limit or None)

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.min_mem, self.max_mem, self.min_cpus, self.max_cpus)

    def apply_size(self, size: Size) -> None:
        """Make the next start use this size."""
        self.mem_limit = size.memory
        self.cpu_limit = size.cpus

    # -- keys and places -----------------------------------------------------------------------------------------------

    @property
    def keys(self) -> HubKeys:
        return _keys(self.secret, str(Path(self.secret_file).absolute()), tuple(self.former_secrets))

    @property
    def checkpoint_url(self) -> str:
        """The prefix of the store that holds this server's checkpoints and nothing else."""
        return naming.join_url(self.store_url, naming.segment(self.user.name), naming.segment(self.name))

    def get_env(self) -> dict[str, str]:
        env: dict[str, str] = super().get_env()
        if not self.keep_sessions:
            return env
        env["ELASTIC_SPAWNER_STORE_URL"] = self.checkpoint_url
        env["ELASTIC_SPAWNER_SECRET"] = self.keys.server_secret(self.user.name, self.name).hex()
        if former := self.keys.former_server_secrets(self.user.name, self.name):
            env["ELASTIC_SPAWNER_FORMER_SECRETS"] = ",".join(secret.hex() for secret in former)
        env["ELASTIC_SPAWNER_ENCRYPT"] = self.encrypt_checkpoints
        env["ELASTIC_SPAWNER_SAVE_INTERVAL"] = str(self.save_interval)
        env["ELASTIC_SPAWNER_FALLBACK"] = self.fallback_folder
        env["ELASTIC_SPAWNER_LAUNCH"] = self._launch
        env["ELASTIC_SPAWNER_LIB"] = self.lib_path()
        # In front, so that it is read; and in addition, so that the admin's own is read too.
        admins = env.get("JUPYTER_CONFIG_PATH", "")
        env["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [self.agent_config_path(), admins]))
        return env

    def agent_config_path(self) -> str:
        """Where the server finds the configuration that loads the agent."""
        return str(AGENT_CONFIG)

    def lib_path(self) -> str:
        """Where the server's kernels find our part of them."""
        return str(build_lib(Path(self.data_dir) / "lib"))

    # -- tokens --------------------------------------------------------------------------------------------------------

    def _revoke_token(self, token: str) -> None:
        """Delete the API token of a server that ended: `will_resume` makes JupyterHub keep it."""
        database = self._database
        if not token or database is None:
            return
        found = orm.APIToken.find(database, token)
        if found is not None:
            database.delete(found)
            database.commit()
