"""The audit of the pinned requirements: what it finds, and what is no finding."""

from __future__ import annotations

import configparser
import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = Path(__file__).parents[2]
FILES = sorted(PROJECT.glob("requirements*.txt"))

#: What pip says of a version that the index does not have, and of an index that does not answer.
GONE = (
    "ERROR: Could not find a version that satisfies the requirement two==2 (from versions: 1.0, 3.0)\n"
    "ERROR: No matching distribution found for two==2"
)
AWAY = (
    "ERROR: Could not find a version that satisfies the requirement one==1 (from versions: none)\n"
    "ERROR: No matching distribution found for one==1"
)
YANKED = (
    "WARNING: The candidate selected for download or install is a yanked version: 'one' candidate "
    "(version 1 at https://files.example/one-1-py3-none-any.whl (from https://index.example/simple/one/))\n"
    "Reason for being yanked: it deletes files"
)


@pytest.fixture
def audit() -> ModuleType:
    place = PROJECT / "scripts" / "audit_requirements.py"
    spec = importlib.util.spec_from_file_location("audit_requirements", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer_as_pip(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[list[str]]:
    """Have pip answer so, in this order: warnings, or an error; return the requirements it was asked."""
    asked: list[list[str]] = []
    left = list(answers)

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append([word for word in command if "==" in word])
        said = left.pop(0)
        return subprocess.CompletedProcess(command, 1 if said.startswith("ERROR") else 0, "", said)

    monkeypatch.setattr(subprocess, "run", run)
    return asked


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_requirement_is_one_version(audit: ModuleType, file: Path) -> None:
    assert audit.lines_of(file)
    assert audit.unpinned(file) == []


@pytest.mark.parametrize(
    "line",
    ["flask", "flask>=3", "flask==3.*", "flask==3.1,!=3.1.1", "flask @ https://a/b.whl", "-r other.txt"],
)
def test_what_is_not_one_version_is_found(audit: ModuleType, tmp_path: Path, line: str) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(f"# a comment\nclick==8.5.1; python_version > '3'\n{line}\n")

    assert audit.unpinned(file) == [f"requirements.txt: {line!r} is not one version"]


def test_the_pinned_requirements_are_all_that_they_need(audit: ModuleType) -> None:
    pins = audit.held(audit.lines_of(PROJECT / "requirements.txt"))

    assert [finding for finding in audit.differing(pins) if "not pinned" in finding] == []


def test_a_missing_and_a_differing_requirement_are_found(audit: ModuleType) -> None:
    found = list(audit.differing(audit.held(["flask==0.1", "Click==8.5.1"])))

    assert any(finding.startswith("flask: 3.") and "flask==0.1 pinned" in finding for finding in found)
    assert "flask: it needs jinja2, which is not pinned" in [finding.lower() for finding in found]


def test_the_lowest_python_is_the_lowest_that_is_supported(audit: ModuleType) -> None:
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")

    assert setup["options"]["python_requires"].startswith(f">={audit.LOWEST},")


def test_another_python_is_asked_for_what_holds_there(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    lines = ["one==1; python_version < '3.9'", "one==2; python_version >= '3.9'", "two==3"]

    audit.ask_index(audit.versions(audit.held(lines, "3.8")), "3.8")

    [asked] = commands
    assert asked[-2:] == ["one==1", "two==3"]
    assert asked[asked.index("--python-version") + 1] == "3.8"


def test_a_withdrawn_version_is_found(audit: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_as_pip(monkeypatch, YANKED)

    assert audit.ask_pip(["one==1", "two==1"]) == (["one==1: its authors have withdrawn it"], ())


def test_a_version_that_is_gone_is_found_and_the_others_are_asked_for(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answer_as_pip(monkeypatch, GONE, YANKED)

    findings, untold = audit.ask_pip(["one==1", "two==2"])

    assert findings == [
        f"two==2: the index has no such version for Python {audit.THIS}",
        "one==1: its authors have withdrawn it",
    ]
    assert (list(untold), asked) == ([], [["one==1", "two==2"], ["one==1"]])


@pytest.mark.parametrize("said", [AWAY, "ERROR: HTTP error 503 while getting one"])
def test_an_index_that_does_not_answer_is_no_finding(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: str
) -> None:
    answer_as_pip(monkeypatch, *[said] * 40)
    monkeypatch.setattr(audit, "inconsistent", list)
    monkeypatch.setattr(audit, "differing", lambda _: [])

    assert audit.main() == 0
    assert "the index did not answer for" in capsys.readouterr().out


def test_a_finding_fails_the_audit(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "ask_index", lambda *_: audit.Outcome(["one==1: it is gone"]))
    monkeypatch.setattr(audit, "inconsistent", list)
    monkeypatch.setattr(audit, "differing", lambda _: [])

    assert audit.main() == 1
    assert "FOUND  one==1: it is gone" in capsys.readouterr().out
