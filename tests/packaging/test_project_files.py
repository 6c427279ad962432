"""The files that people and tools read about the project: they parse, and what they name exists."""

import configparser
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[2]

WORKFLOW = ".github/workflows/ci.yml"
HOOKS = ".pre-commit-config.yaml"
FORMS = [".github/ISSUE_TEMPLATE/bug_report.yml", ".github/ISSUE_TEMPLATE/feature_request.yml"]

PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", ".github/PULL_REQUEST_TEMPLATE.md"]

#: What a form of GitHub consists of, and what each part has beside text.
FORM_PARTS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}

#: Folders that names in backticks start with, where they are paths of this repository.
FOLDERS = ("aylien_model_serving/", "docs/", "examples/", "scripts/", "tests/", ".ci/", ".github/")


def load(name: str) -> Any:
    return yaml.safe_load((PROJECT / name).read_text())


def read(name: str) -> str:
    return (PROJECT / name).read_text()


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", read("Makefile"), re.MULTILINE))


def exists(path: str) -> bool:
    return any(PROJECT.glob(path)) if "*" in path else (PROJECT / path).exists()


def supported_pythons() -> list[str]:
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")
    return re.findall(r":: (3\.\d+)$", setup["metadata"]["classifiers"], re.MULTILINE)


@pytest.mark.parametrize("name", [WORKFLOW, HOOKS, *FORMS])
def test_a_yaml_file_parses(name: str) -> None:
    assert isinstance(load(name), dict)


def test_the_workflow_runs_all_checks_on_each_supported_python() -> None:
    job = load(WORKFLOW)["jobs"]["check"]

    assert job["strategy"]["matrix"]["python"] == supported_pythons()
    assert job["env"] == {"PYTHON": "python${{ matrix.python }}"}
    assert ".ci/run" in [step.get("run") for step in job["steps"]]
    assert (PROJECT / ".ci/run").stat().st_mode & stat.S_IXUSR


def test_the_workflow_may_only_read_and_names_a_major_version_of_each_action() -> None:
    workflow = load(WORKFLOW)

    assert workflow["permissions"] == {"contents": "read"}
    used = [step["uses"] for step in workflow["jobs"]["check"]["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in used)


def test_hooks_run_programs_of_the_virtual_environment_without_a_network() -> None:
    [repo] = load(HOOKS)["repos"]

    assert repo["repo"] == "local"
    for hook in repo["hooks"]:
        program, *arguments = hook["entry"].split()
        assert hook["language"] == "system"
        assert Path(program).parts[:2] == (".venv", "bin")
        assert all(exists(argument) for argument in arguments if argument.endswith(".py"))


@pytest.mark.parametrize("name", FORMS)
def test_an_issue_form_has_the_parts_that_the_host_asks_for(name: str) -> None:
    form = load(name)

    assert form["name"]
    assert form["description"]
    identifiers = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(identifiers) == len(set(identifiers)) > 0
    for part in form["body"]:
        assert part["type"] in FORM_PARTS
        assert part["attributes"].get("label") or part["attributes"].get("value")


def test_the_editors_settings_parse_and_agree_with_the_linter() -> None:
    settings = configparser.ConfigParser()
    settings.read_string("[*top*]\n" + read(".editorconfig"))

    assert settings["*top*"]["root"] == "true"
    [limit] = re.findall(r"^line-length = (\d+)$", read("pyproject.toml"), re.MULTILINE)
    assert settings["*.py"]["max_line_length"] == limit


@pytest.mark.parametrize("page", PAGES)
def test_the_make_targets_that_a_page_names_exist(page: str) -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", read(page), re.MULTILINE))

    assert named <= make_targets()


@pytest.mark.parametrize("page", PAGES)
def test_the_files_that_a_page_names_exist(page: str) -> None:
    named = [word for word in re.findall(r"`([^`\s]+)`", read(page)) if word.startswith(FOLDERS)]

    assert [path for path in named if not exists(path)] == []


def test_the_map_of_the_contributors_names_everything_in_the_package_once() -> None:
    rows = read("CONTRIBUTING.md").partition("```text\n")[2].partition("```")[0].splitlines()
    named = [name.strip() for row in rows for name in row[:33].split(",")]

    package = PROJECT / "aylien_model_serving"
    modules = {path.stem for path in package.glob("[!_]*.py")}
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    assert sorted(named) == sorted(modules | folders)
