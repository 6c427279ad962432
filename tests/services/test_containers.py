"""Services in PID namespaces of their own, as in containers, that share one folder for temporary files."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from aylien_model_serving.testing import processes
from tests.namespaces import own_pid_namespace
from tests.selection import full
from tests.services.hosts import wait_until
from tests.services.raw_http import ask, post
from tests.services.serving import SETTINGS, Service, launch

pytestmark = [pytest.mark.processes, full]

MODEL = post({"text": "x"}, path="/model")


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder whose path is short enough for the sockets in it."""
    with tempfile.TemporaryDirectory(prefix="shared-") as folder:
        yield Path(folder)


def container(temporary: Path) -> AbstractContextManager[Service]:
    """Serve a hosted model with one worker in a PID namespace of its own."""
    server = [sys.executable, "-m", "gunicorn", "--config", str(SETTINGS), "--bind", "127.0.0.1:{port}"]
    return launch(
        [*own_pid_namespace(), *server, "--workers", "1", "tests.services.hosted_apps:hosting()"],
        env={"TMPDIR": str(temporary), "ROUTES": "model"},
        ready="/readyz",
        stop_seconds=0.0,  # unshare does not pass SIGTERM on, and its namespace ends with it
    )


def folders(temporary: Path) -> set[Path]:
    return {path for path in temporary.glob("model-serving-*/*") if path.is_dir()}


def test_no_service_takes_the_folder_of_another_one_whose_processes_it_cannot_see(
    temporary: Path,
) -> None:
    with container(temporary) as first:
        [folder] = folders(temporary)
        with container(temporary) as second:
            assert ask(second.port, MODEL).status == 200
            assert folder in folders(temporary)
            assert len(folders(temporary)) == 2
            assert ask(first.port, MODEL).status == 200

        wait_until(lambda: not processes.of(second.folder))
        assert ask(first.port, MODEL).status == 200
