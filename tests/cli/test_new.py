"""`model-serving new`: the project that it makes passes its own tests, and is served as its README says."""

import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import aylien_model_serving
from aylien_model_serving.cli import library
from tests.cli.conftest import Invoke, one_line
from tests.selection import full, matrix
from tests.services.hosts import processes, wait_until
from tests.services.serving import PROJECT, clean_environment, launch

PACKAGE = Path(aylien_model_serving.__file__).parent

FILES = {
    ".dockerignore",
    ".gitignore",
    "Dockerfile",
    "Makefile",
    "README.md",
    "handler.py",
    "requirements-dev.txt",
    "requirements.lock",
    "requirements.txt",
    "schema.py",
    "service.py",
    "test_service.py",
    "wheels",
}


@pytest.fixture
def project(folder: Path, invoke: Invoke) -> Path:
    result = invoke("new", "my-model")
    assert result.exit_code == 0, result.stderr
    return folder / "my-model"


@pytest.fixture
def venv(folder: Path, project: Path) -> Path:
    """A substitute for the project's virtual environment, in which this checkout is installed."""
    program = folder / "venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{PROJECT}" exec "{sys.executable}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (folder / "venv" / ".installed").touch()
    return folder / "venv"


def test_a_project_has_its_files_and_its_name(project: Path) -> None:
    assert {file.name for file in project.iterdir()} == FILES
    assert (project / "README.md").read_text().startswith("# my-model\n")
    assert not [file.name for file in project.iterdir() if file.is_file() and "{{" in file.read_text()]


def instructions(project: Path) -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, continued lines joined."""
    text = (project / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_image_serves_as_a_user_that_can_not_change_the_code(project: Path) -> None:
    found = instructions(project)

    [user] = [at for at, (name, _) in enumerate(found) if name == "USER"]
    [last] = [at for at, (name, text) in enumerate(found) if name == "FROM" and "AS build" not in text]
    assert found[user][1] == "10001"
    assert {name for name, _ in found[user:]} == {"USER", "ENV", "EXPOSE", "HEALTHCHECK", "CMD"}
    assert "chown service" not in str(found)
    assert [text for name, text in found[last:] if name == "COPY"] == [
        "--from=build --chown=root:root /opt/venv /opt/venv",
        "--chown=root:root . .",
    ]


@full
@pytest.mark.processes
def test_the_image_is_built_from_its_folder_alone(project: Path, folder: Path) -> None:
    found = instructions(project)
    stage = found[: [name for name, _ in found].index("FROM", 1)]
    build = folder / "build"
    build.mkdir()
    for source in (word for name, text in stage if name == "COPY" for word in text.split()[:-1]):
        copy = shutil.copytree if (project / source).is_dir() else shutil.copy
        copy(project / source, build / source)
    commands = [text.replace("/opt/venv", str(folder / "venv")) for name, text in stage if name == "RUN"]
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where there is a `python`
    alone = {
        "PATH": programs,
        "PYTHONPATH": "",
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_COMPILE": "1",
        "PIP_CONFIG_FILE": os.devnull,
    }

    for command in commands:
        text = re.sub("^--mount=[^ ]+ ", "", command)
        subprocess.run(["sh", "-ec", text], cwd=build, env=clean_environment() | alone, check=True)
    listed = subprocess.run(
        [folder / "venv" / "bin" / "model-serving", "routes", project / "service.py"],
        cwd=project,
        env=clean_environment() | {"PYTHONPATH": sysconfig.get_path("purelib")},
        capture_output=True,
        text=True,
    )

    assert listed.stdout.startswith("POST  /predict"), listed.stderr


def test_the_image_keeps_no_password_of_a_package_index(project: Path) -> None:
    found = instructions(project)

    assert "ARG" not in {name for name, _ in found}
    [install] = [text for _, text in found if "pip install" in text]
    assert install.startswith("--mount=type=secret,id=pip,target=/etc/pip.conf ")
    build = subprocess.run(
        ["make", "-n", "image", "PIP_CONF=a file"],
        cwd=project,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert build.stdout == 'docker build --tag "my-model" --secret "id=pip,src=a file" .\n'


def test_the_image_alone_listens_on_all_addresses(project: Path) -> None:
    assert "MODEL_SERVING_HOST=0.0.0.0" in dict(instructions(project))["ENV"]
    others = [project / name for name in FILES - {"Dockerfile", "Makefile", "wheels"}]
    assert not [file.name for file in others if "0.0.0.0" in file.read_text()]


@pytest.mark.parametrize(
    "secret", [".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", ".netrc", "pip.conf"]
)
def test_secrets_go_neither_into_the_image_nor_into_the_repository(project: Path, secret: str) -> None:
    for file in (".dockerignore", ".gitignore"):
        assert secret in (project / file).read_text().splitlines()


def test_a_project_depends_on_the_library_that_made_it(project: Path) -> None:
    assert (project / "requirements.txt").read_text() == "--find-links wheels\nmodel-serving==3.0.0\n"
    development = (project / "requirements-dev.txt").read_text()
    assert development == "-r requirements.txt\nmodel-serving[testing]==3.0.0\n"
    with zipfile.ZipFile(project / "wheels" / "model_serving-3.0.0-py3-none-any.whl") as wheel:
        assert wheel.testzip() is None
        assert wheel.read("aylien_model_serving/cli/new.py") == (PACKAGE / "cli" / "new.py").read_bytes()


def test_a_project_has_the_versions_with_which_the_library_runs_here(project: Path) -> None:
    locked = dict(line.split("==") for line in (project / "requirements.lock").read_text().splitlines()[1:])

    assert {"flask", "gunicorn", "pydantic", "pytest", "werkzeug"} <= locked.keys()
    assert {name: metadata.version(name) for name in locked} == locked


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        ({}, "model-serving[testing]>=3.0.0,<4"),
        ({"url": "file:///a/b.whl", "archive_info": {}}, "model-serving[testing]==3.0.0"),
        (
            {"url": "https://git.example/x", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "model-serving[testing] @ git+https://git.example/x@abc",
        ),
    ],
)
def test_the_requirement_leads_to_where_the_library_came_from(
    monkeypatch: pytest.MonkeyPatch, origin: dict[str, object], line: str
) -> None:
    monkeypatch.setattr(library, "_origin", lambda: origin)
    monkeypatch.setattr(library, "version", lambda: "3.0.0")

    assert library.requirement("testing") == line


@full
@pytest.mark.processes
def test_the_tests_of_a_project_pass(project: Path, venv: Path) -> None:
    done = subprocess.run(
        ["make", "test", f"VENV={venv}"], cwd=project, env=clean_environment(), capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


@pytest.mark.processes
def test_a_project_is_served_by_its_own_verb(project: Path, venv: Path) -> None:
    command = ["make", "run", f"VENV={venv}", "PORT={port}", "WORKERS=1"]

    with launch(command, cwd=project) as running:
        answer = running.post("/predict", json={"text": "What a great day"})
        described = running.get("/openapi.json").json()

    assert answer.json() == {"label": "glad", "confidence": 0.6667}
    assert described["info"]["title"] == "my-model"


@pytest.mark.processes
@pytest.mark.parametrize("verb", matrix(["run", "dev"], "run"))
def test_the_end_of_make_ends_the_server_too(project: Path, venv: Path, verb: str) -> None:
    with launch(["make", verb, f"VENV={venv}", "PORT={port}"], cwd=project) as running:
        running.process.terminate()

        running.process.wait()
        wait_until(lambda: not processes(running))


@pytest.mark.processes
def test_the_verbs_of_a_project_are_listed(project: Path) -> None:
    listed = subprocess.run(["make"], cwd=project, env=clean_environment(), capture_output=True, text=True)

    assert [line.split()[1] for line in listed.stdout.splitlines()] == [
        "help",
        "run",
        "dev",
        "test",
        "lock",
        "image",
        "clean",
    ]


def test_an_empty_folder_may_be_there_already(folder: Path, invoke: Invoke) -> None:
    (folder / "model").mkdir()

    assert invoke("new", "model").exit_code == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("full", "full is not empty"),
        ("file", "file is a file"),
        ("2fast", "'2fast' is no name for a project"),
        ("a b", "'a b' is no name for a project"),
    ],
)
def test_a_place_for_no_project_is_refused(folder: Path, invoke: Invoke, name: str, expected: str) -> None:
    (folder / "full").mkdir()
    (folder / "full" / "kept.txt").touch()
    (folder / "file").touch()

    result = invoke("new", name)

    assert expected in one_line(result)
    assert result.exit_code == 2
    assert [file.name for file in (folder / "full").iterdir()] == ["kept.txt"]
