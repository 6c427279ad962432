"""One file with decorators, served by itself and by every server, with a runner and with jobs."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.selection import full, matrix
from tests.services.hosts import gone_in_the_end, wait_until
from tests.services.raw_http import ask, get, post
from tests.services.serving import Service, clean_environment, launch

pytestmark = pytest.mark.processes

#: Two modules, so that a handler is found in one, and its context in another.
HANDLERS = """
import os

def rate(context, text: str) -> list:
    return [text, context["pid"] == os.getpid(), context["device"]]
"""

LAZILY = "    from twists import twist\n"

SCRIPT = """
import os
from pathlib import Path

from aylien_model_serving import JobProgress, Service
from handlers import rate

app = Service("mine")


@app.init
def load(device):
    with Path("loads").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    return {"pid": os.getpid(), "device": device}


app.endpoint("/here")(rate)
app.endpoint("/there", runner={"devices": ["cpu"]})(rate)


@app.endpoint(runner={"devices": ["cpu"]})
class Shout:
    def __init__(self, context):
        self.pid = context["pid"]

    def __call__(self, text: str) -> list:
        return [text.upper(), self.pid == os.getpid()]


@app.task_endpoint("/fries", queue_size=10)
def fries(job_progress: JobProgress, context, name: str) -> list:
    job_progress.set_status(0.5, "half way")
    return [name, context["pid"] == os.getpid()]


app.serve(SERVE)
"""

BANANA = """
from aylien_model_serving import Service as Banana

app = Banana("server")

@app.init
def init():
    model = "my pytorch model"
    app.optimize(model)

    return app.set_cache({
        "model": model,
        "hello": "world"
    })

@app.handler
def handler(cache, json_in) -> dict:
    print("cache:", cache)
    print("json_in:", json_in)
    return {"json": "out"}

app.serve()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handlers.py").write_text(HANDLERS)
    (tmp_path / "service.py").write_text(SCRIPT.replace("SERVE", "workers=1"))
    return tmp_path


def start(
    command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None
) -> AbstractContextManager[Service]:
    """Start a program on a port of its own, and see that no process of it is left in the end."""
    address = ("MODEL_SERVING_HOST=127.0.0.1", "MODEL_SERVING_PORT={port}")
    jobs = {"MODEL_SERVING_JOBS_URL": f"sqlite:///{folder}/jobs.sqlite3"}
    words = ["env", *address, *command]
    return gone_in_the_end(launch(words, cwd=folder, env=jobs | dict(env or {}), ready="/readyz"))


def answer(service: Service, path: str, **fields: Any) -> Any:
    return ask(service.port, post(fields, path=path)).json()


def check_all_routes(service: Service) -> None:
    assert answer(service, "/here", text="one") == ["one", True, "cpu"]
    assert answer(service, "/there", text="one") == ["one", True, "cpu"]
    assert answer(service, "/Shout", text="one") == ["ONE", True]
    job = answer(service, "/fries", name="curly")["job_id"]
    ended = ask(service.port, get(f"/status/{job}?wait=20")).json()
    assert (ended["result"], ended["message"]) == (["curly", True], "half way")
    assert answer(service, "/there", text="one", context={})["code"] == "field_mismatch"


def test_a_script_serves_its_routes_runners_and_jobs_and_leaves_nothing(folder: Path) -> None:
    with start([sys.executable, "service.py"], folder) as service:
        check_all_routes(service)

        loads = (folder / "loads").read_text().split()
        assert len(loads) == len(set(loads)) == 4  # the worker, and a replica for each of three routes
        assert str(service.pid) not in loads
        os.kill(service.pid, signal.SIGTERM)
        assert service.process.wait(20) == 0


@pytest.mark.parametrize("worker_class", matrix(["gevent", "gthread", "asgi"], "gthread"))
def test_gunicorn_serves_a_service_by_its_name(folder: Path, worker_class: str) -> None:
    settings = ("--config", "python:aylien_model_serving.gunicorn_hooks", "--bind", "127.0.0.1:{port}")
    command = [sys.executable, "-m", "gunicorn", *settings, "--worker-class", worker_class, "service:app"]

    with start(command, folder) as service:
        check_all_routes(service)


@pytest.mark.parametrize("interface", matrix(["wsgi", "asgi"], "wsgi"))
def test_granian_serves_a_script(folder: Path, interface: str) -> None:
    pytest.importorskip("granian")
    options = f"server='granian', worker_class={interface!r}, workers=1".replace("'wsgi'", "'gevent'")
    (folder / "service.py").write_text(SCRIPT.replace("SERVE", options))

    with start([sys.executable, "service.py"], folder) as service:
        check_all_routes(service)


@full
def test_a_script_of_another_folder_keeps_the_working_folder(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    with start([sys.executable, "../service.py"], elsewhere) as service:
        assert answer(service, "/there", text="one") == ["one", True, "cpu"]

    assert (elsewhere / "loads").exists()


def test_the_quick_start_of_banana_serves(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(BANANA)

    with start([sys.executable, "main.py"], tmp_path) as service:
        assert answer(service, "/", name="test") == {"json": "out"}
        wait_until(lambda: "json_in: {'name': 'test'}" in service.log())


@full
def test_a_file_that_changes_is_served_anew_where_it_reloads(folder: Path) -> None:
    script = folder / "service.py"
    script.write_text(SCRIPT.replace("SERVE", "reload=True"))
    (folder / "handlers.py").write_text(
        HANDLERS.replace("    return [text,", f"{LAZILY}    return [twist(text),")
    )
    (folder / "twists.py").write_text("twist = str\n")
    with start([sys.executable, "service.py"], folder) as service:
        assert answer(service, "/there", text="one") == ["one", True, "cpu"]

        (folder / "twists.py").write_text("twist = str.swapcase\n")  # which the replica alone has imported
        wait_until(lambda: answer(service, "/there", text="one")[0] == "ONE")

        script.write_text(script.read_text().replace("text.upper()", "text.title()"))
        (folder / "handlers.py").write_text(HANDLERS.replace("[text,", "[text * 2,"))

        wait_until(lambda: service.status("/readyz") == 200 and _is_new(service))


def _is_new(service: Service) -> bool:
    try:
        return (
            answer(service, "/here", text="one")[0] == answer(service, "/there", text="one")[0] == "oneone"
            and answer(service, "/Shout", text="one")[0] == "One"
        )
    except (OSError, KeyError, ValueError):
        return False


def test_a_service_that_can_not_be_served_ends_with_one_line(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        env = {"MODEL_SERVING_HOST": "127.0.0.1", "MODEL_SERVING_PORT": str(port)}
        path = {"PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(
            [sys.executable, "service.py"],
            cwd=folder,
            env=clean_environment() | env | path,
            capture_output=True,
            text=True,
        )

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"mine can't be served: port {port} is in use" in done.stderr


@full
def test_the_document_of_a_served_script_has_no_context(folder: Path) -> None:
    with start([sys.executable, "service.py"], folder) as service:
        document = ask(service.port, get("/openapi.json")).json()

    assert document["info"]["title"] == "mine"
    assert '"context"' not in json.dumps(document)
