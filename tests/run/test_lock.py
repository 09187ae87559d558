"""The lock of a run's folder: who holds it, and who does not any more."""

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from triptych.run import lock
from triptych.run.lock import FolderInUse, FolderLock


def test_a_second_lock_is_refused_until_the_first_is_closed(tmp_path):
    first = FolderLock(tmp_path)
    with pytest.raises(FolderInUse, match=f"in use by process {os.getpid()}: wait"):
        FolderLock(tmp_path)
    first.close()
    first.close()
    FolderLock(tmp_path).close()


def test_who_only_looks_keeps_nobody_out(tmp_path):
    looking = (tmp_path / ".lock").open("w")
    fcntl.flock(looking, fcntl.LOCK_SH)
    threading.Timer(0.08, looking.close).start()
    FolderLock(tmp_path).close()


def test_an_owner_on_another_host_is_named(tmp_path):
    with (tmp_path / ".lock").open("w") as file:
        file.write("12 elsewhere")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(FolderInUse, match="in use by process 12 on elsewhere: wait"):
            FolderLock(tmp_path)


@pytest.mark.parametrize("content", ["999999999 elsewhere", "999999999", "1 {host}", "nobody", "\xff"])
def test_what_the_file_says_of_an_owner_that_ended_does_not_count(tmp_path, content):
    (tmp_path / ".lock").write_text(content.format(host=socket.gethostname()), encoding="latin-1")
    FolderLock(tmp_path).close()
    assert (tmp_path / ".lock").read_text() == ""


@pytest.mark.parametrize(
    ("content", "is_free"),
    [("", True), ("999999999 {host}", True), ("1 {host}", False), ("999999999 elsewhere", False)],
)
def test_where_the_file_system_has_no_locks_the_file_decides(tmp_path, monkeypatch, content, is_free):
    def flock(number, flags):
        raise OSError("no locks available")

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    (tmp_path / ".lock").write_text(content.format(host=socket.gethostname()))
    if is_free:
        held = FolderLock(tmp_path)
        with pytest.raises(FolderInUse):
            FolderLock(tmp_path)
        held.close()
    else:
        with pytest.raises(FolderInUse, match=r"If it has ended, delete .*\.lock"):
            FolderLock(tmp_path)


def test_a_lock_of_a_folder_that_was_moved_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    """Between opening the file and locking it, its holder moves the folder aside and makes a new one."""
    folder, flock = tmp_path / "run", fcntl.flock
    folder.mkdir()

    def move_first(number, flags):
        monkeypatch.setattr(lock.fcntl, "flock", flock)
        folder.rename(tmp_path / "run.old1")
        folder.mkdir()
        flock(number, flags)

    monkeypatch.setattr(lock.fcntl, "flock", move_first)
    held = FolderLock(folder)
    with pytest.raises(FolderInUse):
        FolderLock(folder)
    FolderLock(tmp_path / "run.old1").close()
    held.close()


CHILD = """
import os, sys, time
from pathlib import Path
from triptych.run.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
child = os.fork()
if not child:
    time.sleep(60)
    os._exit(0)
print(child, flush=True)
time.sleep(60)
"""


def test_a_child_that_outlives_its_parent_does_not_hold_the_lock(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    child, deadline = int(process.stdout.readline()), time.monotonic() + 20
    try:
        with pytest.raises(FolderInUse, match=f"process {process.pid}"):
            FolderLock(tmp_path)
        process.kill()
        process.wait()
        os.kill(child, 0)  # it lives
        while True:  # on a busy machine it may not have begun yet, and holds what it inherited
            try:
                FolderLock(tmp_path).close()
                break
            except FolderInUse:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        os.kill(child, 9)
