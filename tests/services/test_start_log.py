"""Starting says where the time goes, and where jobs are kept, at the default level and under every server."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import pytest

from tests.selection import full, matrix
from tests.services.hosts import gone_in_the_end
from tests.services.serving import BRIEF_SECONDS, SETTINGS, START_SECONDS, Service, free_port, launch
from tests.with_packages import need

pytestmark = pytest.mark.processes

SERVICE = """
from aylien_model_serving import Service

app = Service("loading")

@app.endpoint("/here")
class Here:
    def __call__(self, text: str) -> str:
        return text

@app.endpoint("/there", runner={"replicas": 2, "devices": ["cpu"]})
class There:
    def __call__(self, text: str) -> str:
        return text

@app.endpoint("/plain")
def plain(text: str) -> str:
    return text

@app.task_endpoint("/later")
def later(text: str) -> str:
    return text

def run_app():
    return app()
"""

COMMANDS = {
    "gunicorn": ["gunicorn", "--config", str(SETTINGS), "--bind", "127.0.0.1:{port}", "service:run_app()"],
    "plain gunicorn": ["gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "2", "service:run_app()"],
    "uvicorn": ["uvicorn", "--port", "{port}", "--workers", "2", "--factory", "service:run_app"],
    "granian": [
        "granian",
        "--interface",
        "asgi",
        "--port",
        "{port}",
        "--workers",
        "2",
        "--factory",
        "service:run_app",
    ],
}

#: What is told of a start: pattern → how often, where two workers build a handler of their own.
TOLD = {
    r"Jobs are kept in {folder}/jobs\.sqlite3": 1,
    r"Process [0-9]+ loads Here, [0-9.]+ s after its start": 2,
    r"Here is ready in process [0-9]+ after [0-9]+\.[0-9] s": 2,
    r"The runner of There loads on cpu, cpu": 1,
    r"Replica [01] of There is ready on cpu after [0-9]+\.[0-9] s": 2,
    r"Replica 0 of later is ready on cpu after [0-9]+\.[0-9] s": 1,
}


def counts(service: Service, folder: Path) -> dict[str, int]:
    """Return how many lines of the log are as each pattern says."""
    lines = [
        line.partition(" INFO aylien_model_serving.start [-] ")[2] for line in service.log().splitlines()
    ]
    shown = {pattern: pattern.replace("{folder}", re.escape(str(folder))) for pattern in TOLD}
    return {
        pattern: sum(re.fullmatch(full, line) is not None for line in lines)
        for pattern, full in shown.items()
    }


@pytest.mark.parametrize("server", matrix(COMMANDS, "gunicorn"))
def test_a_start_says_where_its_time_goes_and_where_jobs_are_kept(tmp_path: Path, server: str) -> None:
    module = server.split()[-1]
    need(module)
    (tmp_path / "service.py").write_text(SERVICE)
    is_brief = "gunicorn" not in server

    with gone_in_the_end(
        launch(
            [sys.executable, "-m", *COMMANDS[server]],
            cwd=tmp_path,
            env={"MODEL_SERVING_JOBS_URL": f"sqlite:///{tmp_path}/jobs.sqlite3"},
            **({"stop_seconds": BRIEF_SECONDS} if is_brief else {}),
        )
    ) as service:
        service.wait_until(lambda: counts(service, tmp_path) == TOLD)
        if server == "gunicorn":
            service.process.send_signal(signal.SIGHUP)
            loaded = r"Here is ready in process [0-9]+ after [0-9]+\.[0-9] s"
            service.wait_until(lambda: counts(service, tmp_path)[loaded] == 4)
            assert next(iter(counts(service, tmp_path).values())) == 1


@full
@pytest.mark.parametrize("words", [["service.py"], ["-m", "aylien_model_serving", "run", "service.py"]])
def test_a_place_that_is_printed_before_the_start_is_not_logged_again(
    tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "service.py").write_text(SERVICE + "\napp.serve()\n")
    env = {
        "MODEL_SERVING_PORT": str(free_port()),
        "MODEL_SERVING_JOBS_URL": f"sqlite:///{tmp_path}/jobs.sqlite3",
    }

    with gone_in_the_end(launch([sys.executable, *words], cwd=tmp_path, env=env, ready=None)) as service:
        service.wait_until(lambda: "of later is ready on cpu" in service.log(), START_SECONDS)
        log = service.log()

    assert f"\nIts jobs are kept in {tmp_path}/jobs.sqlite3\n" in log
    assert "  POST  /later  as jobs" in log
    assert " Jobs are kept in" not in log


@full
def test_a_start_is_silent_where_errors_alone_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(SERVICE)

    with gone_in_the_end(
        launch(
            [sys.executable, "-m", *COMMANDS["gunicorn"]],
            cwd=tmp_path,
            env={"MODEL_SERVING_LOG_LEVEL": "ERROR"},
        )
    ) as service:
        service.wait_until(lambda: service.status("/readyz") == 200)

        assert "aylien_model_serving.start" not in service.log()
