"""What `python -m build` and `pip install .` make of the project, and whether the pinned set suits it."""

import email.message
import email.parser
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.selection import full
from tests.services.serving import PROJECT, clean_environment

PYTHONS = ("3.10", "3.11", "3.12", "3.13")

SERVICE = """
from aylien_model_serving.app_factory import FlaskAppWrapper

def run_app():
    return FlaskAppWrapper.create_app([{"endpoint": "/", "callable": len, "methods": ["POST"]}])
"""


def run(*command: str | Path, cwd: Path) -> None:
    done = subprocess.run(
        command, cwd=cwd, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the distribution is made from, so that a build leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("sources")
    for name in (
        "setup.cfg",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "requirements.txt",
        "gunicorn.conf.py",
    ):
        shutil.copy(PROJECT / name, folder)
    for name in ("aylien_model_serving", "examples", "tests"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path) -> zipfile.ZipFile:
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", sources / "dist", cwd=sources)
    [path] = (sources / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> email.message.Message:
    return email.parser.Parser().parsestr(wheel.read("model_serving-3.0.0.dist-info/METADATA").decode())


@full
def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(
    wheel: zipfile.ZipFile, sources: Path
) -> None:
    names = {name for name in wheel.namelist() if not name.startswith("model_serving-3.0.0.dist-info/")}

    files = (path for path in (sources / "aylien_model_serving").rglob("*") if path.is_file())
    assert names == {str(path.relative_to(sources)) for path in files}


@full
def test_the_wheel_holds_its_licence(wheel: zipfile.ZipFile, metadata: email.message.Message) -> None:
    kept = wheel.read("model_serving-3.0.0.dist-info/licenses/LICENSE").decode()

    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Apache License" in kept


@full
def test_the_metadata_names_the_versions_of_python_and_the_extras(metadata: email.message.Message) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("model-serving", "3.0.0")
    assert set(metadata["Requires-Python"].split(",")) == {">=3.10", "<3.14"}
    extras = {
        "client",
        "dev",
        "docs",
        "examples",
        "fast",
        "frames",
        "granian",
        "media",
        "redis",
        "testing",
        "torch",
    }
    assert extras <= set(metadata.get_all("Provides-Extra", []))
    assert metadata["Description-Content-Type"] == "text/markdown"


@pytest.mark.parametrize("python", PYTHONS)
def test_the_pinned_set_has_what_the_package_and_its_extras_ask_for(
    metadata: email.message.Message, python: str
) -> None:
    pinned = pins(python)

    for extra in ("", "client", "docs", "examples", "granian", "media", "redis", "testing", "dev"):
        for asked in map(Requirement, metadata.get_all("Requires-Dist", [])):
            environment = {"extra": extra, "python_version": python}
            if asked.name == "model-serving" or (asked.marker and not asked.marker.evaluate(environment)):
                continue
            assert pinned[canonicalize_name(asked.name)] in asked.specifier, asked


def pins(python: str) -> dict[str, str]:
    """Return the version that requirements.txt has for each distribution, for one version of Python."""
    found: dict[str, str] = {}
    for line in (PROJECT / "requirements.txt").read_text().splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"python_version": python}):
            continue
        [specifier] = requirement.specifier
        assert specifier.operator == "=="
        name = canonicalize_name(requirement.name)
        assert name not in found, f"{name} is pinned twice"
        found[name] = specifier.version
    return found


@full
@pytest.mark.timeout(600)  # seconds: it is the one test that asks the package index
def test_pip_installs_the_project_into_an_empty_environment_in_which_gunicorn_serves_it(
    sources: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    (tmp_path / "service.py").write_text(SERVICE)

    pip = (
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
    )  # building a pip for each environment takes seconds
    pinned = ("--no-compile", "--constraint", sources / "requirements.txt")
    run(*pip, "install", *pinned, sources, cwd=tmp_path)

    run(*pip, "check", cwd=tmp_path)
    run(python, "-c", "import aylien_model_serving.cached_app_factory", cwd=tmp_path)
    settings = sources / "gunicorn.conf.py"
    run(python, "-m", "gunicorn", "--check-config", "--config", settings, "service:run_app()", cwd=tmp_path)
