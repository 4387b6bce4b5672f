"""A store in a directory of a local or network file system.

Objects are written to a temporary file, made durable, and renamed to their names: under its name an object is always
whole and its bytes are on the disk. `stage` puts the last two steps off until `flush`, in batches, so that the disk
is kept busy while the next chunks are hashed. A crash leaves temporary files only, which `sweep` removes when they
are old.

`evict` first moves an object to `.trash`, looks at its age there, and puts it back when somebody touched it in the
meantime. So a writer which reuses an object and a collector which deletes it cannot both believe they succeeded,
without any lock.

An object is a regular file in a real directory. Whatever else lies in the place of one (a symbolic link, a pipe, a
device) is no object: it is neither followed, nor read, nor waited for, and the next put replaces it. The store's own
directory may be a link.
"""

from __future__ import annotations

import builtins
import errno
import io
import itertools
import os
import stat as stat_module
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from elastic_spawner.errors import StoreError, StoreNotFound, StoreURLError
from elastic_spawner.stores.base import Buffer, Entry, Store, check_key
from elastic_spawner.stores.errors import os_errors

TEMPORARY = ".tmp"
TRASH = ".trash"

_BATCH_FILES = 32
"""Staged files are made durable at the latest when there are so many: bounds the open files."""

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}

_serial = itertools.count()


def _cpus() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def _open_regular(path: str) -> io.FileIO:
    """Open a regular file to read. Never follows a link at the end of the path, and never waits for a pipe."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket
            raise _not_an_object(path) from error
        raise
    if not stat_module.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise _not_an_object(path)
    return io.FileIO(fd, "rb")


def _sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # file systems that need no fsync of directories say so thus
            raise
    finally:
        os.close(fd)


def _not_an_object(path: str) -> StoreNotFound:
    return StoreNotFound(f"{path} is no regular file: something else was put in its place, which is not read")


def _refuse_link(directory: str) -> None:
    """Nothing is written or deleted through a link that somebody put in the place of one of our directories."""
    if os.path.islink(directory):
        raise StoreURLError(f"{directory} is a symbolic link: the store does not use it; put a real directory there")


class _Staged:
    """A temporary file that waits for its fsync and rename."""

    __slots__ = ("key", "path", "fd")

    def __init__(self, key: str, path: str, fd: int) -> None:
        self.key, self.path, self.fd = key, path, fd


class DirectoryStore(Store):
    """A store in the directory `path`, which is made (mode 0700) unless `create` is false.

    Raises `StoreURLError` where `path` is a file, `StoreNotFound` where it is absent and `create` is false,
    `StoreDenied` where it may not be made.
    """

    def __init__(self, path: str | os.PathLike[str], create: bool = True) -> None:
        self.root = os.path.abspath(os.path.expanduser(os.fspath(path)))
        self.url = Path(self.root).as_uri()
        self.parallel = min(6, _cpus() + 1)  # one more than can compute: somebody is always waiting for the disk
        self._lock = threading.Lock()
        self._staged: list[_Staged] = []
        self._unsynced: set[str] = set()  # directories with renames that are not durable yet
        self._made: set[str] = set()  # directories known to be there
        with os_errors(self.root):
            if os.path.exists(self.root) and not os.path.isdir(self.root):
                raise StoreURLError(
                    f"{self.root} is a file, not a directory: give the path of a directory for the store"
                )
            if not os.path.isdir(self.root):
                if not create:
                    raise StoreNotFound(f"there is no checkpoint store: the directory {self.root} does not exist")
                self._make_directory(self.root)

    # -- reading

    def get(self, key: str) -> bytes:
        with os_errors(self.root, key), self._open(key) as file:
            return file.readall()

    def get_into(self, key: str, buffer: memoryview) -> int:
        with os_errors(self.root, key), self._open(key) as file:
            size = os.fstat(file.fileno()).st_size
            count = 0
            while count < min(size, len(buffer)):
                read = file.readinto(buffer[count:])
                if not read:
                    break
                count += read
            return size if size > len(buffer) else count

    def stat(self, key: str) -> Entry | None:
        with os_errors(self.root, key):
            try:
                status = os.lstat(self._path(key))
            except FileNotFoundError:
                if not self._rescue(key):
                    return None
                status = os.lstat(self._path(key))
            return Entry(key, status.st_size, status.st_mtime) if stat_module.S_ISREG(status.st_mode) else None

    def list(self, prefix: str = "") -> Iterator[Entry]:
        with os_errors(self.root):
            yield from self._walk(self.root, "", prefix)

    def _walk(self, directory: str, at: str, prefix: str) -> Iterator[Entry]:
        try:
            found = sorted(os.scandir(directory), key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        for item in found:
            key = at + item.name
            if item.name.startswith("."):
                continue
            if item.is_dir(follow_symlinks=False):
                below = key + "/"
                if below.startswith(prefix) or prefix.startswith(below):
                    yield from self._walk(item.path, below, prefix)
            elif key.startswith(prefix) and item.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):  # deleted since the scan
                    status = item.stat(follow_symlinks=False)
                    yield Entry(key, status.st_size, status.st_mtime)

    def _open(self, key: str) -> io.FileIO:
        path = self._path(key)
        try:
            return _open_regular(path)
        except FileNotFoundError:
            if self._rescue(key):
                return _open_regular(path)
            raise

    # -- writing

    def put(self, key: str, data: Buffer) -> None:
        with os_errors(self.root, key):
            staged = self._write(key, data)
            self._settle([staged])
            self._sync_directories()

    def create(self, key: str, data: Buffer) -> bool:
        with os_errors(self.root, key):
            final = self._path(key)
            if os.path.exists(final):
                return False
            staged = self._write(key, data)
            try:
                os.fsync(staged.fd)
                self._make_directory(os.path.dirname(final))
                if not self._link_new(staged.path, final):
                    return False
                self._mark(final)
            finally:
                self._forget(staged)
            self._sync_directories()
            return True

    def stage(self, key: str, data: Buffer) -> None:
        with os_errors(self.root, key):
            staged = self._write(key, data)
            with suppress(OSError, AttributeError):
                # Starts the disk on it at once (and keeps the page cache for the user's own files); the fsync then
                # only waits.
                os.posix_fadvise(staged.fd, 0, 0, os.POSIX_FADV_DONTNEED)
            with self._lock:
                self._staged.append(staged)
                batch = self._staged if len(self._staged) >= _BATCH_FILES else []
                if batch:
                    self._staged = []
            if batch:
                self._settle(batch)

    def flush(self) -> None:
        with os_errors(self.root):
            with self._lock:
                batch, self._staged = self._staged, []
            self._settle(batch)
            self._sync_directories()

    def touch(self, key: str) -> bool:
        with os_errors(self.root, key):
            path = self._path(key)
            try:
                os.utime(path, follow_symlinks=False)
            except FileNotFoundError:
                return False
            self._mark(path)  # whoever renamed it there may not have made the name durable yet
            return True

    def delete(self, key: str) -> None:
        with os_errors(self.root, key), suppress(FileNotFoundError):
            os.unlink(self._path(key))

    # -- collecting

    def evict(self, key: str, not_newer_than: float) -> bool:
        path, trashed = self._path(key), self._trash(key)
        with os_errors(self.root, key):
            self._make_directory(os.path.dirname(trashed))
            try:
                if os.lstat(path).st_mtime > not_newer_than:
                    return False
                os.rename(path, trashed)
                if os.lstat(trashed).st_mtime > not_newer_than:
                    self._rescue(key)
                    return False
                os.unlink(trashed)
            except FileNotFoundError:  # somebody else deleted or rescued it
                return False
            return True

    def recover(self) -> None:
        with os_errors(self.root), suppress(FileNotFoundError):
            trash = os.path.join(self.root, TRASH)
            _refuse_link(trash)
            for name in os.listdir(trash):
                with suppress(StoreURLError):  # not named by us
                    self._rescue(check_key(name.replace("%", "/")))

    def sweep(self, not_newer_than: float, dry_run: bool = False) -> int:
        removed = 0
        with os_errors(self.root), suppress(FileNotFoundError):
            # By descriptor and without following links: who can write to the store must not be able to have a
            # collector with more rights empty another directory.
            fd = os.open(
                os.path.join(self.root, TEMPORARY), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            )
            try:
                for name in os.listdir(fd):
                    with suppress(FileNotFoundError, IsADirectoryError):
                        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                        if status.st_mtime <= not_newer_than and not stat_module.S_ISDIR(status.st_mode):
                            if not dry_run:
                                os.unlink(name, dir_fd=fd)
                            removed += 1
            finally:
                os.close(fd)
        return removed

    def now(self) -> float:
        with os_errors(self.root):
            fd, path = self._temporary()
            try:
                return os.fstat(fd).st_mtime
            finally:
                os.close(fd)
                os.unlink(path)

    def close(self) -> None:
        """Drop what was staged and not flushed."""
        with self._lock:
            batch, self._staged = self._staged, []
        for staged in batch:
            self._forget(staged)

    # -- the steps

    def _path(self, key: str) -> str:
        return os.path.join(self.root, check_key(key))

    def _trash(self, key: str) -> str:
        return os.path.join(self.root, TRASH, key.replace("/", "%"))

    def _make_directory(self, path: str) -> None:
        if path in self._made:
            return
        if path != self.root:
            _refuse_link(path)
        if not os.path.isdir(path):
            self._make_directory(os.path.dirname(path))
            with suppress(FileExistsError):
                os.mkdir(path, 0o700)
            self._mark(path)
        self._made.add(path)

    def _temporary(self) -> tuple[int, str]:
        name = f"{os.getpid()}-{next(_serial)}-{os.urandom(6).hex()}"
        path = os.path.join(self.root, TEMPORARY, name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._make_directory(os.path.dirname(path))
        try:
            return os.open(path, flags, 0o600), path
        except FileNotFoundError:  # somebody has emptied the store's directory since
            self._made.clear()
            self._make_directory(os.path.dirname(path))
            return os.open(path, flags, 0o600), path

    def _write(self, key: str, data: Buffer) -> _Staged:
        check_key(key)
        fd, path = self._temporary()
        staged = _Staged(key, path, fd)
        try:
            rest = memoryview(data).cast("B")
            while rest:
                rest = rest[os.write(fd, rest) :]
        except BaseException:
            self._forget(staged)
            raise
        return staged

    def _settle(self, batch: builtins.list[_Staged]) -> None:
        """Make the files durable, then give them their names. On an error none of the rest keeps its temporary file."""
        try:
            for staged in batch:
                os.fsync(staged.fd)
            for staged in batch:
                self._publish(staged)
        finally:
            for staged in batch:
                self._forget(staged)

    def _publish(self, staged: _Staged) -> None:
        final = self._path(staged.key)
        self._make_directory(os.path.dirname(final))
        if not os.path.exists(staged.path):
            raise StoreError(
                f"a temporary file of this save vanished from {self.root}: "
                "was the directory emptied, or collected with no grace?"
            )
        try:
            os.rename(staged.path, final)
        except FileNotFoundError:
            self._made.clear()
            self._make_directory(os.path.dirname(final))
            os.rename(staged.path, final)
        self._mark(final)

    def _forget(self, staged: _Staged) -> None:
        with suppress(OSError):
            os.close(staged.fd)
        with suppress(OSError):
            os.unlink(staged.path)

    def _mark(self, path: str) -> None:
        with self._lock:
            self._unsynced.add(os.path.dirname(path))

    def _sync_directories(self) -> None:
        with self._lock:
            directories, self._unsynced = sorted(self._unsynced), set()
        try:
            if len(directories) > self.parallel > 1:
                # those who ask at the same time wait for one commit of the file system's journal
                with ThreadPoolExecutor(self.parallel, "elastic-sync") as pool:
                    for _ in pool.map(_sync_directory, directories):
                        pass
            else:
                for directory in directories:
                    _sync_directory(directory)
        except BaseException:
            with self._lock:
                self._unsynced.update(directories)
            raise

    def _link_new(self, source: str, final: str) -> bool:
        """Give the file its name unless something has it: atomically, also where the file system has no hard links."""
        try:
            os.link(source, final)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # A lock file left by a crash only blocks this one name: the caller goes on to the next.
            lock = os.path.join(self.root, TEMPORARY, "lock%" + os.path.relpath(final, self.root).replace("/", "%"))
            try:
                os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            except FileExistsError:
                return False
            try:
                if os.path.exists(final):
                    return False
                os.rename(source, final)
            finally:
                os.unlink(lock)
        return True

    def _rescue(self, key: str) -> bool:
        """Bring an object back from the trash; returns whether it is there now."""
        trashed, final = self._trash(key), self._path(key)
        if not os.path.exists(trashed):
            return os.path.exists(final)
        _refuse_link(os.path.dirname(trashed))
        try:
            self._make_directory(os.path.dirname(final))
            with suppress(FileExistsError):
                self._link_new(trashed, final)
            self._mark(final)
            with suppress(FileNotFoundError):
                os.unlink(trashed)
        except FileNotFoundError:  # another one was faster
            pass
        return os.path.exists(final)
