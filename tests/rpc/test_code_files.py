"""Files of the service's own code: which they are, and whether they have changed."""

import json as standard_library
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from aylien_model_serving.rpc import code_files
from aylien_model_serving.rpc.code_files import MAX_FILES, MISSING, KnownFiles
from aylien_model_serving.rpc.spec import Spec

MODEL = Spec(name="model", target="a:b")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_modules_of_the_service_are_its_own_and_those_of_packages_are_not(project: Path) -> None:
    (project / "own_helper.py").write_text("WORD = 1")
    __import__("own_helper")

    found = set(code_files.imported())

    assert str(project / "own_helper.py") in found
    assert not {str(standard_library.__file__), str(pytest.__file__)} & found


@pytest.mark.parametrize(
    ("file", "is_own"),
    [
        ("helper.py", True),
        ("../beside/helper.py", True),
        (".venv/lib/python3.11/site-packages/x.py", False),
        ("/usr/lib/python3/dist-packages/x.py", False),
        (f"{os.path.dirname(os.__file__)}/x.py", False),
        ("/home/someone/.cache/modules/x.py", False),
        ("cache/.modules/x.py", False),
    ],
)
def test_code_that_people_edit_is_told_from_installed_and_generated_code(
    file: str, is_own: bool, project: Path
) -> None:
    assert code_files.is_own(str(project / file)) is is_own


def test_a_project_in_a_hidden_folder_is_its_own(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = project / ".projects"
    hidden.mkdir()
    monkeypatch.chdir(hidden)

    assert code_files.is_own(str(hidden / "service.py"))


@pytest.mark.parametrize("text", ["raise ValueError", "WORD = (", "import broken_too"])
def test_a_failed_import_names_the_file_at_fault(text: str, project: Path) -> None:
    (project / "broken.py").write_text(text)
    (project / "broken_too.py").write_text("raise RuntimeError")

    with pytest.raises(Exception) as raised:  # noqa: PT011  # of whatever kind
        __import__("broken")

    found = set(code_files.named_by(raised.value))
    assert str(project / "broken.py") in found
    assert (str(project / "broken_too.py") in found) == ("too" in text)
    assert "broken" not in sys.modules


def test_what_an_error_was_raised_from_counts_too(project: Path) -> None:
    (project / "cause.py").write_text("raise ValueError")
    try:
        try:
            __import__("cause")
        except ValueError as error:
            raise LookupError from error
    except LookupError as error:
        found = set(code_files.named_by(error))

    assert str(project / "cause.py") in found


def test_files_without_a_change_have_no_digest() -> None:
    known = {"a": (1, 2), "b": (3, 4)}

    assert code_files.digest_of_changes(known, dict(known)) == ""


def test_a_change_has_the_same_digest_for_whoever_sees_it() -> None:
    known = {"a": (1, 2), "b": (3, 4)}
    changed = code_files.digest_of_changes(known, {"a": (1, 2), "b": (9, 4)})

    assert changed
    assert changed == code_files.digest_of_changes({"b": (3, 4)}, {"b": (9, 4)})
    assert changed != code_files.digest_of_changes(known, {"a": (1, 2), "b": (9, 5)})
    assert changed != code_files.digest_of_changes(known, {"a": (1, 2), "b": MISSING})


def test_the_first_stamp_of_a_file_is_kept_for_each_runner(tmp_path: Path) -> None:
    path = tmp_path / "code.json"
    KnownFiles(path).add(MODEL, {"a": (1, 2)})
    KnownFiles(path).add(MODEL, {"a": (5, 6), "b": (7, 8)})
    KnownFiles(path).add(Spec(name="other", target="a:b"), {"a": (5, 6)})

    assert code_files.read(path) == {
        "0/model": {"a": (1, 2), "b": (7, 8)},
        "0/other": {"a": (5, 6)},
    }


def test_files_that_are_remembered_are_bounded(tmp_path: Path) -> None:
    known = KnownFiles(tmp_path / "code.json")
    for begin in (0, MAX_FILES - 5, 2 * MAX_FILES):
        known.add(MODEL, {str(begin + number): (1, 1) for number in range(MAX_FILES)})

    assert len(code_files.read(tmp_path / "code.json")["0/model"]) == MAX_FILES


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"0/model": 1}', b'{"0/model": {"a": ["x"]}}'])
def test_a_damaged_file_is_an_empty_one(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "code.json"
    if content is not None:
        path.write_bytes(content)

    assert code_files.read(path) == {}
    KnownFiles(path).add(MODEL, {"a": (1, 2)})
    assert code_files.read(path) == {"0/model": {"a": (1, 2)}}
