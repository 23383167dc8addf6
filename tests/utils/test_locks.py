import errno
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from keras_reid.utils import locks
from keras_reid.utils.errors import UserError
from keras_reid.utils.locks import Held, Lock, wait_until_free

HOLD = "import sys; from keras_reid.utils.locks import Lock; lock = Lock(sys.argv[1]); print(1, flush=True); input()"


def test_the_second_is_told_who_has_it(tmp_path):
    first = Lock(tmp_path / "lock")
    with pytest.raises(Held) as held:
        Lock(tmp_path / "lock")
    assert held.value.holder == f"process {os.getpid()}"
    assert (tmp_path / "lock").read_text() == f"{os.getpid()} {socket.gethostname()}\n"
    first.release()
    first.release()
    second = Lock(tmp_path / "lock")
    second.release(remove=True)
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize(
    ("text", "holder"),
    [
        ("", "another process"),
        ("\0\xff junk", "another process"),
        ("77 elsewhere\n", "process 77 on elsewhere"),
    ],
)
def test_who_has_it_may_be_elsewhere_or_not_say(tmp_path, text, holder):
    first = Lock(tmp_path / "lock")
    (tmp_path / "lock").write_text(text)
    with pytest.raises(Held) as held:
        Lock(tmp_path / "lock")
    assert held.value.holder == holder
    first.release()


def test_one_that_waits_gets_it_when_the_first_lets_go(tmp_path):
    first, asked = Lock(tmp_path / "lock"), threading.Event()

    def waiting(holder):
        assert holder == f"process {os.getpid()}"
        asked.set()

    got = []
    thread = threading.Thread(target=lambda: got.append(Lock(tmp_path / "lock", waiting)))
    thread.start()
    assert asked.wait(5)
    assert got == []
    first.release(remove=True)  # the waiting process must not keep a lock on a deleted file
    thread.join(5)
    with pytest.raises(Held):
        Lock(tmp_path / "lock")
    got.pop().release()


@pytest.mark.medium
def test_it_dies_with_its_process_by_sigkill(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()
        with pytest.raises(Held, match=f"process {process.pid}$"):
            Lock(tmp_path / "lock")
        process.send_signal(signal.SIGKILL)
        process.wait()
    Lock(tmp_path / "lock").release()


def test_an_object_that_is_gone_holds_nothing(tmp_path):
    Lock(tmp_path / "lock")
    Lock(tmp_path / "lock").release()


def test_links_are_refused(tmp_path):
    (tmp_path / "victim").write_text("dear")
    (tmp_path / "lock").symlink_to("victim")
    with pytest.raises(UserError, match="lock is a link"):
        Lock(tmp_path / "lock")
    assert (tmp_path / "victim").read_text() == "dear"


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    def flock(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with pytest.warns(UserWarning, match=r"this file system has no locks \(No locks available\): make sure"):
        lock = Lock(tmp_path / "lock")
    lock.release()


def test_another_error_is_not_hidden(tmp_path, monkeypatch):
    def flock(file, how):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with pytest.raises(OSError, match="Input/output error"):
        Lock(tmp_path / "lock")


def test_waiting_until_it_is_free(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_POLL_SECONDS", 0.01)
    wait_until_free(tmp_path / "lock", 0)  # there is none
    first = Lock(tmp_path / "lock")
    with pytest.raises(Held):
        wait_until_free(tmp_path / "lock", 0.02)
    timer = threading.Timer(0.05, first.release)
    timer.start()
    wait_until_free(tmp_path / "lock", 5)
    timer.join()
