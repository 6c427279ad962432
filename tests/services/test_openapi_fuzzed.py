"""Schemathesis calls the examples in all the ways that their documents allow, and in some that they do not.

It runs as a program of its own: it brings a plugin for pytest and many packages that this run can do without.
"""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.selection import full
from tests.services.fuzzed import EXAMPLES
from tests.services.serving import Service, serve
from tests.with_media import need_media
from tests.with_packages import need
from tests.with_torch import import_torch

pytestmark = [pytest.mark.processes, full]

#: What is looked for: server errors, and answers that the document does not have.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)

OPTIONS = ("--max-examples=5", "--seed=1", "--workers=1", "--request-timeout=20", "--continue-on-failure")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    need_media()
    env = {"MODEL_SERVING_JOBS_URL": "memory://"}
    threads = ("--threads", "8")
    with serve(
        "tests.services.fuzzed:all_examples()", workers=1, env=env, args=threads, ready="/iris/readyz"
    ) as service:
        yield service


def ready(service: Service, prefix: str) -> str:
    """Return the URL of an example's document, once its runners are ready."""
    if prefix == "/digits":
        import_torch()
    service.wait_until(lambda: service.status(f"{prefix}/readyz") == 200)
    return f"{service.url}{prefix}/openapi.json"


def fetch(url: str) -> Any:
    with urllib.request.urlopen(url) as answered:
        return json.load(answered)


@pytest.mark.parametrize("prefix", EXAMPLES)
def test_an_example_answers_as_its_document_says(service: Service, prefix: str, tmp_path: Path) -> None:
    need("schemathesis")
    url = ready(service, prefix)

    start = "from schemathesis.cli import schemathesis; schemathesis()"
    program = [sys.executable, "-c", start, "run", url, f"--checks={','.join(CHECKS)}"]
    done = subprocess.run(
        [*program, "--phases=examples,coverage,fuzzing", "--warnings=off", *OPTIONS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("prefix", EXAMPLES)
def test_the_document_of_an_example_is_valid(service: Service, prefix: str) -> None:
    need("openapi_spec_validator")
    from openapi_spec_validator import OpenAPIV31SpecValidator

    found = fetch(ready(service, prefix))

    assert found["servers"] == [{"url": prefix}]
    OpenAPIV31SpecValidator(found).validate()
