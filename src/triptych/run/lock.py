"""The lock of a run's folder: one process at a time, on whatever host."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
import weakref
from pathlib import Path

LOOKS, LOOK_S = 5, 0.05  # before a folder counts as in use


class FolderInUse(RuntimeError):
    """Another process runs in this folder."""


class FolderLock:
    """Holds ``.lock`` in a folder until it is closed or this process ends, however it ends.

    A process that is forked from this one does not hold it. Where the file system knows no locks, what the file says of
    its owner decides.

    Raises:
        FolderInUse: another process holds it.
        OSError: the file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / ".lock"
        self._number: int | None = None  # of the open file
        while self._number is None:
            number = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            try:
                self._take(number)
                if self._is_of_path(number):
                    os.ftruncate(number, 0)
                    os.pwrite(number, f"{os.getpid()} {socket.gethostname()}".encode(), 0)
                    self._number = number
            finally:
                if self._number is None:
                    os.close(number)
        _HELD.add(self)

    def _take(self, number: int) -> None:
        try:
            for _ in range(LOOKS):  # who only asks whether a run is going on (`report.progress`) lets go at once
                with contextlib.suppress(BlockingIOError):
                    return fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                time.sleep(LOOK_S)
            raise FolderInUse(self._sentence(number))
        except OSError as error:  # a file system without locks
            pid, host = _owner(number)
            if pid and (host != socket.gethostname() or _is_alive(int(pid))):
                raise FolderInUse(f"{self._sentence(number)} If it has ended, delete {self.path}.") from error

    def _is_of_path(self, number: int) -> bool:
        """Whether the folder was not moved aside, by who held the lock before, since the file was opened."""
        try:
            return os.path.samestat(os.fstat(number), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _sentence(self, number: int) -> str:
        pid, host = _owner(number)
        where = f" on {host}" if host and host != socket.gethostname() else ""
        return (
            f"{self.folder} is in use by process {pid or 'unknown'}{where}: wait for it to end, or choose another seed "
            "or run_dir."
        )

    def close(self) -> None:
        """Let others use the folder."""
        if self._number is not None:
            os.ftruncate(self._number, 0)
            self.leave()

    def leave(self) -> None:
        """Forget the lock without a change to it, in a process that was forked."""
        if self._number is not None:
            os.close(self._number)
            self._number = None

    def __del__(self) -> None:
        self.leave()


def is_running(folder: Path) -> bool:
    """Whether a process holds a folder's lock, as the lock file says, which is only read.

    Of a process on another host it is known that it has begun, and not whether it was killed.
    """
    try:
        number = os.open(folder / ".lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        pid, host = _owner(number)
    finally:
        os.close(number)
    return bool(pid) and (host != socket.gethostname() or _is_alive(int(pid)))


def _owner(number: int) -> tuple[str, str]:
    """Return the process and the host that a lock file names; empty texts where it names none."""
    pid, _, host = os.pread(number, 300, 0).decode(errors="replace").strip().partition(" ")
    return (pid, host) if pid.isdecimal() else ("", "")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


_HELD: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def _leave_all() -> None:
    for lock in list(_HELD):
        lock.leave()


os.register_at_fork(after_in_child=_leave_all)
