"""The owner of a service, and its folder, which is removed once the owner has exited."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from aylien_model_serving.process import owner


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"model-serving-{os.getuid()}"


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
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        folder = owner.folder(process.pid)
        (folder / "file").write_text("left behind")
        assert owner.folder(os.getpid()).parent == home
        assert folder.is_dir()

    owner.folder(os.getpid())

    assert not folder.exists()


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
