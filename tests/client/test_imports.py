"""The client is for programs that call services: it brings nothing of what serves."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGE = "aylien_model_serving"

pytestmark = pytest.mark.processes


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True)


def test_the_client_loads_of_the_package_nothing_but_itself_and_what_is_below_all() -> None:
    done = run(f"import {PACKAGE}.client, sys\nprint(*sys.modules)")

    loaded = set(done.stdout.split())
    rooms = {name.split(".")[1] for name in loaded if name.startswith(f"{PACKAGE}.")}
    assert rooms == {"client", "core", "errors"}
    assert not loaded & {
        "flask",
        "werkzeug",
        "torch",
        "numpy",
        "msgspec",
        "google.protobuf",
        "gunicorn",
        "gevent",
    }


def test_the_client_without_httpx_says_what_brings_it() -> None:
    done = run(f"import sys\nsys.modules['httpx'] = None\nfrom {PACKAGE}.client import Client")

    assert done.returncode == 1
    [last] = done.stderr.splitlines()[-1:]
    assert last == "ImportError: The client needs httpx: pip install 'model-serving[client]'"


def test_the_package_does_without_httpx() -> None:
    assert run(f"import sys\nsys.modules['httpx'] = None\nimport {PACKAGE}.app_factory").returncode == 0
