"""Where jobs are kept by default: with the project, and never with the interpreter's packages."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs import default_place
from aylien_model_serving.jobs.default_place import default_file


def module(monkeypatch: pytest.MonkeyPatch, name: str, file: Path, *, is_package: bool = False) -> str:
    made = ModuleType(name)
    made.__file__ = str(file)
    if is_package:
        made.__path__ = [str(file.parent)]
    monkeypatch.setitem(sys.modules, name, made)
    return name


def test_a_module_keeps_its_jobs_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = module(monkeypatch, "a_service", tmp_path / "a_service.py")

    found = default_file(name, "s", tmp_path / "state")

    assert found == tmp_path / "instance" / "jobs-s.sqlite3"
    assert found.parent.stat().st_mode & 0o777 == 0o700


def test_a_package_keeps_its_jobs_beside_its_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = module(monkeypatch, "a_package", tmp_path / "a_package" / "__init__.py", is_package=True)

    assert default_file(f"{name}.models.large", "s", tmp_path / "state").parent == tmp_path / "instance"


def test_two_projects_have_two_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = set()
    for project in ("one", "other"):
        (tmp_path / project).mkdir()
        name = module(monkeypatch, "service", tmp_path / project / "service.py")
        places.add(default_file(name, "s", tmp_path / "state"))

    assert len(places) == 2


def test_two_services_of_a_project_have_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = module(monkeypatch, "a_service", tmp_path / "a_service.py")
    services = ["a", "b", "a b", "a/b", "../a", "ä", "", "x" * 500, "x" * 501]

    files = [default_file(name, service, tmp_path / "state") for service in services]

    assert len(set(files)) == len(services)
    for file in files:
        assert file.parent == tmp_path / "instance"
        file.touch()


def test_an_installed_package_keeps_its_jobs_in_the_users_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = Path(sysconfig.get_path("purelib"))
    name = module(monkeypatch, "installed", packages / "installed" / "__init__.py", is_package=True)

    found = default_file(name, "s", tmp_path / "state")

    assert found.is_relative_to(tmp_path / "state" / "model-serving")
    assert found.parent.name.startswith("installed-")


def test_a_project_that_cant_be_written_to_keeps_its_jobs_in_the_users_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "instance").write_text("a file where the folder would be")
    name = module(monkeypatch, "a_service", tmp_path / "a_service.py")

    assert default_file(name, "s", tmp_path / "state").is_relative_to(tmp_path / "state")


def test_nowhere_to_write_names_the_places_and_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = module(monkeypatch, "a_service", tmp_path / "a_service.py")
    (tmp_path / "instance").write_text("a file where the folder would be")
    (tmp_path / "state").write_text("another")

    with pytest.raises(ConfigurationError, match=r"instance or .*state.* set MODEL_SERVING_JOBS_URL"):
        default_file(name, "s", tmp_path / "state")


def test_a_module_that_was_never_imported_has_its_jobs_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert default_file("unknown_here", "s", tmp_path / "state").parent == tmp_path / default_place.FOLDER
