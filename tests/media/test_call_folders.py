"""The folder of a call: what is left of it by a process that is killed, and by a call that is cancelled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aylien_model_serving.media.call_folders import CallFolder, FileForPath
from aylien_model_serving.process import owner

PROGRAM = """
import signal
from aylien_model_serving.media.call_folders import CallFolder, FileForPath
print(CallFolder().path_of(FileForPath(b"hello", None, "a.txt")), flush=True)
signal.pause()
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.mark.processes
def test_what_a_killed_process_leaves_is_removed_and_what_a_living_one_has_is_kept() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        path = Path(process.stdout.readline().strip())
        owner.remove_unheld_folders()
        assert path.read_text() == "hello"

        os.kill(process.pid, signal.SIGKILL)

    owner.remove_unheld_folders()
    assert not path.parent.parent.exists()


def test_a_file_that_is_written_after_the_call_is_gone_as_well() -> None:
    folder = CallFolder()
    first = folder.path_of(FileForPath(b"hello", None, "a.txt"))
    folder.remove()

    assert not first.exists()
    with pytest.raises(FileNotFoundError):
        folder.path_of(FileForPath(b"hello", None, "a.txt"))


def test_a_folder_lets_its_lock_go(tmp_path: Path) -> None:
    folder = CallFolder()
    folder.path_of(FileForPath(b"hello", None, "a.txt"))
    assert len(open_below(tmp_path)) == 1

    folder.remove()

    until = time.monotonic() + 5
    while open_below(tmp_path) and time.monotonic() < until:  # gevent closes when its hub has had a turn
        time.sleep(0.001)
    assert open_below(tmp_path) == []


def open_below(folder: Path) -> list[str]:
    """Return what this process has open below a folder."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [name for link in links if (name := os.readlink(link)).startswith(str(folder))]
