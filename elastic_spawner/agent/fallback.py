"""The way out when the store is gone and the server must end: a folder in the user's home, until the store is back.

What is saved there is signed, and encrypted, as ever, so that it is believed no more than a store. It counts for the
kernels that it is the newest checkpoint of: the next start copies those into the store, and removes the folder.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from elastic_spawner.checkpoint.chunks import references
from elastic_spawner.checkpoint.encryption import wanted
from elastic_spawner.checkpoint.repository import Repository
from elastic_spawner.errors import CheckpointError, StoreError, StoreUnavailable
from elastic_spawner.stores import open_store

from .deadline import Deadline
from .manifest import SESSION, ServerManifest
from .threads import Caller

if TYPE_CHECKING:
    from .agent import ElasticAgent

SHARE = 0.5
"""How much of the time that a save has is spent waiting for the store."""
LOOK_S = 1.0
COPY_TIMEOUT_S = 600.0
_HEADER = ("format", "session", "generation", "created", "mac", "encrypted", "chunks")


class Fallback:
    """The folder of one server; none where the spawner names none."""

    def __init__(self, agent: ElasticAgent) -> None:
        self._agent = agent
        self._in_thread = Caller(2)
        name = agent.settings.fallback
        self.folder = Path.home() / name if name else None
        self.said = ""
        """What is to be said of what was copied at this start."""
        self._copying: asyncio.Future[int] | None = None

    @property
    def url(self) -> str:
        assert self.folder is not None
        return self.folder.absolute().as_uri()

    async def store_is_gone(self, deadline: Deadline) -> bool:
        """Whether the store does not answer, and there is a folder to fall back to. Waits for it for a part of the time
        that is left."""
        if self.folder is None:
            return False
        patience = Deadline.after(deadline.left * SHARE)
        while True:
            try:
                await self._in_thread(
                    lambda: self._agent.repository.store.stat("manifests/none"),
                    timeout=max(0.1, patience.left),
                    doing="asking the store",
                )
                return False
            except StoreError as error:
                if patience.left < LOOK_S:
                    self._agent.log.error("the store does not answer (%s): falling back to %s", error, self.folder)
                    return True
            await asyncio.sleep(LOOK_S)

    def prepare(self) -> None:
        """Make the folder, for this user only. Raises OSError."""
        assert self.folder is not None
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(self.folder, 0o700)

    async def commit(self, manifest: ServerManifest, saved: Mapping[str, int]) -> int:
        """Write the list of kernels beside what they have saved, as these generations. Raises StoreError."""
        entries = tuple(replace(entry, generation=saved.get(entry.id, entry.generation)) for entry in manifest.kernels)

        def write() -> int:
            with self._open() as repository:
                return repository.commit(SESSION, replace(manifest, kernels=entries).to_json())

        return await self._in_thread(write, timeout=self._agent.store_timeout, doing="storing the list of kernels")

    def _open(self) -> Repository:
        settings = self._agent.settings
        return Repository(open_store(self.url), settings.secret, encrypt=wanted(settings.encrypt))

    def _opened(self) -> Repository:
        try:
            return self._open()
        except StoreError as error:
            raise CheckpointError(str(error)) from error

    async def bring_home(self, timeout_s: float) -> None:
        """Copy what is newer here into the store. What cannot be read is left alone.

        Raises StoreError when the store does not answer, or it takes longer: it then goes on, and is to be asked for
        again.
        """
        if self.folder is None or not self.folder.is_dir():
            return
        if self._copying is None or self._copying.done():
            self._copying = asyncio.ensure_future(
                self._in_thread(self._copy, timeout=COPY_TIMEOUT_S, doing="copying what was kept at home")
            )
        await asyncio.wait([self._copying], timeout=timeout_s)
        if not self._copying.done():
            raise StoreUnavailable(f"what was kept in {self.folder} is still being copied")
        try:
            if copied := self._copying.result():
                many = "One kernel was" if copied == 1 else f"{copied} kernels were"
                self.said = f"{many} kept in {self.folder} while the store was gone, and brought back from there."
        except CheckpointError as error:
            self.said = f"What was kept in {self.folder} while the store was gone cannot be used: {error}"
        if self.said:
            self._agent.log.warning("%s", self.said)

    def _copy(self) -> int:
        target = self._agent.repository
        with self._opened() as source:
            with _read_from(source):
                self._agent.former.take_over_in(source)
                found = source.latest(SESSION)
            if found is None:
                return 0
            kept = ServerManifest.from_json(found)
            known = target.latest(SESSION)
            before = ServerManifest() if known is None else ServerManifest.from_json(known)
            entries, copied = [], 0
            for entry in kept.kernels:
                session = f"kernel-{entry.id}"
                with _read_from(source):
                    here = source.latest(session)
                there = target.latest(session)
                if here is not None and (there is None or there["created"] < here["created"]):
                    for ref in set(references(here)):
                        if not target.store.exists(ref.key):
                            with _read_from(source):
                                chunk = source.store.get(ref.key)
                            target.store.put(ref.key, chunk)
                    content = {name: value for name, value in here.items() if name not in _HEADER}
                    entry = replace(entry, generation=target.commit(session, content))
                    copied += 1
                elif there is not None:
                    entry = replace(entry, generation=there["generation"])
                entries.append(entry)
            if (kept.saved or 0.0) > (before.saved or 0.0):
                target.commit(SESSION, replace(kept, kernels=tuple(entries)).to_json())
        assert self.folder is not None
        shutil.rmtree(self.folder)
        return copied


@contextmanager
def _read_from(source: Repository) -> Iterator[None]:
    """What cannot be read at home is lost, which must not pass for a store that is back later."""
    try:
        yield
    except StoreError as error:
        raise CheckpointError(f"{source.store.url} cannot be read: {error}") from error
