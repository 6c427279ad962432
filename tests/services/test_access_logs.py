"""Access logs of real servers: probes are left out until their outcome changes, and callers are named."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.selection import matrix
from tests.services.hosts import gone_in_the_end
from tests.services.raw_http import ask, connect, get, post
from tests.services.serving import BRIEF_SECONDS, SETTINGS, Service, launch
from tests.with_packages import need

pytestmark = pytest.mark.processes

SERVICE = """
import time
from pathlib import Path

from aylien_model_serving import FlaskAppWrapper

class Slow:
    def __init__(self):
        while not Path("open").exists():
            time.sleep(0.02)

    def __call__(self, text: str) -> str:
        return text

def length(text: str) -> int:
    return len(text)

def view():
    return FlaskAppWrapper.process_json(length)

def run_app():
    return FlaskAppWrapper.create_app([
        {"endpoint": "/slow", "callable": Slow, "runner": True},
        {"endpoint": "/length", "callable": length},
        {"endpoint": "/view", "callable": view},
    ])
"""

GUNICORN = ["gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "1", "--access-logfile", "-"]
OURS = [*GUNICORN, "--config", str(SETTINGS), "service:run_app()"]
GRANIAN = ["granian", "--port", "{port}", "--access-log", "--factory", "service:run_app", "--interface"]

COMMANDS = {
    "asgi": [*OURS, "--worker-class", "asgi"],
    "gevent": [*OURS, "--worker-class", "gevent"],
    "gthread": [*OURS, "--worker-class", "gthread"],
    "uvicorn worker": [*OURS, "--worker-class", "uvicorn.workers.UvicornWorker"],
    "plain gunicorn": [*GUNICORN, "--threads", "4", "service:run_app()"],
    "uvicorn": ["uvicorn", "--port", "{port}", "--factory", "service:run_app"],
    "granian asgi": [*GRANIAN, "asgi"],
    "granian wsgi": [*GRANIAN, "wsgi"],
}


def access_lines(service: Service, path: str) -> list[str]:
    """Return what follows the path in each line of the access log about it."""
    lines = (re.search(rf'"?(GET|POST) {path} HTTP/1.1"?', line) for line in service.log().splitlines())
    return [found.string[found.end() :] for found in lines if found]


def status(service: Service, path: str) -> int:
    """Return the status of an answer, for which a busy machine may take its time."""
    return ask(service.port, get(path)).status


@pytest.mark.parametrize("server", matrix(COMMANDS, "asgi"))
def test_a_probe_is_logged_when_its_outcome_changes(tmp_path: Path, server: str) -> None:
    if (module := server.split()[0]) in ("uvicorn", "granian"):
        need(module)
    (tmp_path / "service.py").write_text(SERVICE)
    is_brief = COMMANDS[server][0] != "gunicorn"

    with gone_in_the_end(
        launch(
            [sys.executable, "-m", *COMMANDS[server]],
            cwd=tmp_path,
            **({"stop_seconds": BRIEF_SECONDS} if is_brief else {}),
        )
    ) as service:
        waiting = [status(service, "/readyz") for _ in range(3)]
        (tmp_path / "open").touch()
        service.wait_until(lambda: status(service, "/readyz") == 200)
        ready = [status(service, path) for path in ("/readyz", "/livez") * 2]
        status(service, "/openapi.json")
        service.wait_until(lambda: access_lines(service, "/openapi.json"))
        told = {path: access_lines(service, path) for path in ("/readyz", "/livez")}

    assert waiting == [503] * 3
    assert ready == [200] * 4
    assert [re.findall(r"\b(?:503|200)\b", line)[0] for line in told["/readyz"]] == ["503", "200"]
    assert told["/livez"] == []


@pytest.mark.parametrize("server", matrix(("asgi", "gevent", "gthread"), "asgi"))
def test_the_access_log_names_the_caller_whatever_path_a_request_takes(tmp_path: Path, server: str) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "open").touch()
    key = "Authorization: Bearer " + "k" * 20
    none = "X-Other: 1"
    asked = [("/length", key), ("/view", key), ("/none", key), ("/length", none), ("/view", none)]

    with gone_in_the_end(
        launch(
            [sys.executable, "-m", *COMMANDS[server]],
            cwd=tmp_path,
            env={"MODEL_SERVING_API_KEYS": "ann:" + "k" * 20},
        )
    ) as service:
        with connect(service.port) as connection:
            answers = [
                connection.ask(post({"text": "hi"}, header, f"X-Request-ID: id-{number}", path=path))
                for number, (path, header) in enumerate(asked)
            ]
        service.wait_until(lambda: "[id-4" in service.log())
        origins = re.findall(r" gunicorn\.access \[(id-\d[^]]*)\]", service.log())

    assert [answer and answer.status for answer in answers] == [200, 200, 404, 401, 401]
    assert origins == ["id-0 ann", "id-1 ann", "id-2 ann", "id-3", "id-4"]
