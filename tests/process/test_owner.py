"""The owner of a service, and its folder, which is removed once the owner has exited."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aylien_model_serving.process import owner
from tests.namespaces import own_pid_namespace

HOLDING = """
import os
from aylien_model_serving.process import owner
from tests.namespaces import own_pid_namespace
owner.folder(os.getpid())
print(flush=True)
print(os.getpid(), flush=True)
input()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / f"model-serving-{os.getuid()}"


@contextmanager
def running(program: str, *before: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program whose temporary folder is this process's, from its first line until the block ends."""
    command = [*before, sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert line_of(process) == ""
        yield process


def test_a_process_on_its_own_owns_itself() -> None:
    assert owner.find() == os.getpid()
    assert not owner.serves_with_others()


def test_a_process_that_may_be_forked_serves_with_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gunicorn.arbiter", sys)

    assert owner.serves_with_others()


def test_the_folder_is_private_and_stays_the_same(home: Path) -> None:
    folder = owner.folder(os.getpid())

    assert folder.parent == home
    assert folder == owner.folder(os.getpid())
    assert (home.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o700, 0o700)


def test_live_owners_keep_their_folders(home: Path) -> None:
    own, parent = owner.folder(os.getpid()), owner.folder(os.getppid())

    assert own != parent
    assert {own, parent} == set(home.iterdir())


@pytest.mark.processes
def test_the_folder_of_an_owner_that_has_exited_is_removed(home: Path) -> None:
    with running(HOLDING) as process:
        folder = home / owner.name_of(process.pid)
        (folder / "file").write_text("left behind")
        assert owner.folder(os.getpid()).parent == home
        assert folder.is_dir()

    owner.folder(os.getpid())

    assert not folder.exists()


@pytest.mark.processes
def test_an_owner_that_never_loaded_this_library_keeps_its_folder(home: Path) -> None:
    with running("print(flush=True); input()") as process:
        home.mkdir(mode=0o700)
        folder = home / owner.name_of(process.pid)
        folder.mkdir()

        owner.folder(os.getpid())
        assert folder.is_dir()

    owner.folder(os.getpid())
    assert not folder.exists()


@pytest.mark.processes
def test_a_folder_of_another_pid_namespace_is_kept_until_its_processes_are_gone(home: Path) -> None:
    with running(HOLDING, *own_pid_namespace()) as process:
        assert line_of(process) == "1"
        [other] = home.iterdir()

        own = owner.folder(os.getpid())
        assert set(home.iterdir()) == {own, other}
        assert not owner.is_alive(other.name)

        with running(HOLDING, *own_pid_namespace()) as second:
            assert line_of(second) == "1"
            assert len({own, other} & set(home.iterdir())) == 2
            assert len(set(home.iterdir())) == 3

    assert set(owner.folder(os.getpid()).parent.iterdir()) == {own}


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_process_has_another_name_in_another_namespace_or_after_a_boot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = owner.name_of(os.getpid())

    assert owner.is_alive(name)
    monkeypatch.setattr(owner, "_machine", lambda: "another")
    assert owner.name_of(os.getpid()) != name
    assert not owner.is_alive(name)


def test_where_proc_is_that_of_other_processes_a_signal_tells_who_is_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "readlink", lambda path: "1")

    assert owner.is_alive(owner.name_of(os.getpid()))
    assert not owner.is_alive("4194305-0")
    assert owner.name_of(4194305) == "4194305-gone"


@pytest.mark.parametrize(
    "name",
    [f"{os.getpid()}-1", "4194305-gone", "nonsense", "-", "12x-3"],
    ids=["begun at another time", "gone", "nonsense", "-", "12x-3"],
)
def test_a_folder_that_belongs_to_no_living_process_is_removed(home: Path, name: str) -> None:
    (home / name).mkdir(parents=True)
    home.chmod(0o700)

    own = owner.folder(os.getpid())

    assert list(home.iterdir()) == [own]


def test_a_folder_for_temporary_files_without_room_stays_the_one_that_it_is(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", fail)

    assert owner.home() == home


def test_one_that_may_not_be_written_to_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, name in (("TMPDIR", "missing"), ("TEMP", "read-only"), ("TMP", "chosen")):
        monkeypatch.setenv(variable, str(tmp_path / name))
    for name in ("read-only", "chosen"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("read-only"))

    assert owner.home().parent == tmp_path / "chosen"


def test_a_home_that_is_open_to_others_is_refused(home: Path) -> None:
    home.mkdir()
    home.chmod(0o750)

    with pytest.raises(PermissionError, match="open to others: remove it, or set TMPDIR"):
        owner.folder(os.getpid())


def test_a_home_that_is_a_link_is_refused(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    home.symlink_to(elsewhere)

    with pytest.raises(PermissionError):
        owner.folder(os.getpid())


@pytest.mark.usefixtures("home")
def test_what_is_told_once_is_told_by_one_process_of_an_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "find", lambda: os.getppid())
    told = [owner.is_first("test") for _ in range(2)]

    assert told == [True, False]


def test_what_nobody_can_know_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> Path:
        raise PermissionError("no folder")

    monkeypatch.setattr(owner, "folder", refuse)

    assert owner.is_first("test")


def test_the_age_of_this_process_is_known() -> None:
    first = owner.seconds_since_start()
    second = owner.seconds_since_start()

    assert first is not None
    assert second is not None
    assert 0 < first <= second
