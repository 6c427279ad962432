"""Folders that are held by locks: by whom, from when, and until when."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aylien_model_serving.process import held_folders

HOLDER = """
import sys
from pathlib import Path
from aylien_model_serving.process import held_folders
held_folders.hold(Path(sys.argv[1]))
print("held", flush=True)
input()
"""

FORKING = """
import os, sys
from pathlib import Path
from aylien_model_serving.process import held_folders
held_folders.hold(Path(sys.argv[1]))
if os.fork():
    os._exit(0)
print("held", flush=True)
input()
"""

EXECUTING = """
import subprocess, sys
from pathlib import Path
from aylien_model_serving.process import held_folders
held_folders.hold(Path(sys.argv[1]))
subprocess.Popen([sys.executable, "-c", "print('held', flush=True); input()"])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "folder"


@contextmanager
def running(program: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a program that holds a folder, from when it has said so until the block ends."""
    command = [sys.executable, "-c", program, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


@pytest.mark.processes
def test_a_folder_is_kept_for_as_long_as_a_process_holds_it(folder: Path) -> None:
    with running(HOLDER, folder) as process:
        held_folders.remove_unheld(folder)
        assert folder.is_dir()
        process.kill()

    held_folders.remove_unheld(folder)

    assert not folder.exists()


@pytest.mark.processes
def test_a_fork_holds_what_its_parent_held(folder: Path) -> None:
    with running(FORKING, folder) as parent:
        assert parent.wait(30) == 0

        held_folders.remove_unheld(folder)

        assert folder.is_dir()


@pytest.mark.processes
def test_a_program_that_is_executed_holds_nothing(folder: Path) -> None:
    with running(EXECUTING, folder) as parent:
        assert parent.wait(30) == 0

        held_folders.remove_unheld(folder)

        assert not folder.exists()


@pytest.mark.processes
def test_several_processes_hold_one_folder(folder: Path) -> None:
    with running(HOLDER, folder):
        with running(HOLDER, folder):
            pass

        held_folders.remove_unheld(folder)

        assert folder.is_dir()


def test_a_folder_that_is_being_removed_is_made_anew(folder: Path) -> None:
    folder.mkdir()
    (folder / "file").write_text("of the last owner")
    remover = held_folders._lock(folder, fcntl.LOCK_EX)
    holding = threading.Thread(target=held_folders.hold, args=(folder,))
    holding.start()

    held_folders.remove(folder)
    holding.join(30)
    os.close(remover)

    assert list(folder.iterdir()) == []
    held_folders.remove_unheld(folder)
    assert folder.is_dir()


def test_a_file_is_no_folder(folder: Path) -> None:
    folder.touch()

    with pytest.raises(NotADirectoryError):
        held_folders.hold(folder)


def test_a_folder_that_somebody_removed_is_made_and_held_again(folder: Path) -> None:
    held_folders.remove(held_folders.hold(folder))

    assert held_folders.hold(folder).is_dir()
    held_folders.remove_unheld(folder)
    assert folder.is_dir()


def test_without_locks_folders_are_made_and_none_is_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)

    held_folders.hold(folder)
    held_folders.remove_unheld(folder)

    assert folder.is_dir()


def test_removing_takes_what_this_process_holds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_folders, "_held", {})
    held_folders.hold(folder)

    held_folders.remove_held()

    assert list(folder.parent.iterdir()) == []


def test_a_link_is_neither_followed_nor_removed(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)

    held_folders.remove_unheld(folder)

    assert folder.is_symlink()
    assert elsewhere.is_dir()
