"""The testing helper: apps that answer within this process, and services that are started for real."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.testing import ServiceFailed, in_process, launch, processes, serve, stub_runners
from tests.selection import matrix
from tests.testing import apps
from tests.testing.apps import plain, run_app, service

APPS = "tests.testing.apps"
PROJECT = Path(__file__).parents[2]


def test_hosted_handlers_are_built_and_run_in_this_process() -> None:
    client = in_process(f"{APPS}:run_app()").test_client()

    answer = client.post("/classify", json={"text": "x"})

    assert answer.json == {"label": "news", "device": "cpu", "pid": os.getpid()}


def test_requests_are_validated_batched_and_streamed_as_the_service_does_it() -> None:
    client = in_process(run_app).test_client()

    refused = [client.post("/classify", json=fields) for fields in ({"text": ""}, {"text": 1}, {})]

    assert [answer.status_code for answer in refused] == [400, 400, 400]
    assert client.post("/lengths", json={"text": "four"}).json == 4
    assert client.post("/count", json={"to": 3}).text.split() == ["0", "1", "2"]
    assert client.post("/echo", json={"text": "x"}).json == "echo x"
    assert client.get("/readyz").status_code == 200


def test_jobs_are_worked_on_in_this_process() -> None:
    client = in_process(run_app).test_client()

    job = client.post("/fries", json={"name": "curly"}).json
    ended = client.get(f"/status/{job['job_id']}?wait=10").json

    assert ended["status"] == "finished"
    assert ended["result"] == {"fries": "curly", "pid": os.getpid()}


def test_a_given_callable_answers_instead_and_the_model_is_not_loaded() -> None:
    app = in_process(f"{APPS}:broken()", {"Broken": lambda: "stub"})

    assert app.test_client().post("/", json={}).json == "stub"


def test_the_schema_stays_that_of_the_real_handler() -> None:
    client = in_process(run_app, {"Classifier": lambda: {"label": "stub"}}).test_client()

    answers = [
        client.post("/classify", json=fields) for fields in ({"text": "x"}, {"text": 1}, {"word": "x"})
    ]

    assert [answer.status_code for answer in answers] == [200, 400, 400]
    assert answers[0].json == {"label": "stub"}


async def shout(text: str) -> str:
    return text.upper()


@pytest.mark.parametrize(
    ("name", "path", "override", "fields", "expected"),
    [
        ("echo", "/echo", lambda text: text * 2, {"text": "ab"}, "abab"),
        ("echo", "/echo", shout, {"text": "ab"}, "AB"),
        ("lengths", "/lengths", lambda text: [7] * len(text), {"text": "ab"}, 7),
        ("Classifier", "/classify", lambda **fields: fields, {"text": "ab"}, {"text": "ab"}),
    ],
)
def test_any_callable_may_answer_for_a_handler_inline_or_hosted(
    name: str, path: str, override: Callable[..., Any], fields: dict[str, Any], expected: Any
) -> None:
    client = in_process(run_app, {name: override}).test_client()

    assert client.post(path, json=fields).json == expected


def test_an_override_works_on_jobs_too() -> None:
    client = in_process(run_app, {"fry": lambda name: name.upper()}).test_client()

    job = client.post("/fries", json={"name": "curly"}).json
    ended = client.get(f"/status/{job['job_id']}?wait=10").json

    assert ended["result"] == "CURLY"


def test_a_service_of_decorators_is_built_anew_each_time() -> None:
    real = in_process(service).test_client()
    stubbed = in_process(f"{APPS}:service", {"decorated": lambda text: {"text": text}}).test_client()

    answer = real.post("/decorated", json={"text": "x"}).json

    assert answer == {"label": "decorated", "text": "x", "pid": os.getpid()}
    assert stubbed.post("/decorated", json={"text": "x"}).json == {"text": "x"}


def test_stubs_last_for_a_block() -> None:
    with stub_runners(echo=lambda text: "stub"):
        app = run_app()

    assert app.test_client().post("/echo", json={"text": "x"}).json == "stub"


@pytest.mark.parametrize(
    ("target", "handlers", "message"),
    [
        (run_app, {"clasifier": print}, "no handler has the name 'clasifier'; did you mean 'Classifier'"),
        (plain, {}, "is no app of this library, but a Flask"),
        (plain, {"echo": print}, "'echo': no app was built meanwhile"),
        (f"{APPS}:run_ap()", {}, "run_ap"),
        ("tests.no_such_apps:app", {}, "no_such_apps"),
        ("tests", {}, 'name it as "module:app"'),
        (f"{APPS}:run_app(", {}, "Failed to parse"),
    ],
)
def test_a_mistake_is_reported_in_one_line(target: Any, handlers: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        in_process(target, handlers)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.processes
def test_an_app_that_was_built_for_real_is_refused() -> None:
    program = (
        "from tests.testing.apps import one_model\n"
        "from aylien_model_serving.testing import in_process\n"
        "in_process(one_model)\n"
        "in_process(one_model())\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )

    assert "was built before, with processes of its own" in done.stderr


@pytest.mark.processes
@pytest.mark.parametrize("server", matrix(["gunicorn", "granian"], "gunicorn"))
@pytest.mark.parametrize("worker_class", matrix(["gthread", "asgi"], "gthread"))
def test_a_service_is_started_with_its_runners_and_leaves_nothing(server: str, worker_class: str) -> None:
    with serve(f"{APPS}:one_model()", server=server, worker_class=worker_class) as running:
        pids = {running.post("/classify", json={"text": "x"}).json()["pid"] for _ in range(20)}
        states = [replica["state"] for replica in running.get("/__runners").json()["Classifier"]]
        during = processes.of(running.folder)

    assert states == ["ready", "ready"]
    assert pids <= during.keys() - {running.pid, os.getpid()}
    assert processes.of(running.folder) == {}
    assert not running.folder.exists()


@pytest.mark.processes
@pytest.mark.parametrize("target", [apps.one_model, service])
def test_an_object_that_stands_in_a_module_is_served(target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "of the test's own environment")

    with serve(target) as running:
        refused = running.post("/nothing", json={})

    assert refused.status_code == 404


def test_an_object_that_stands_nowhere_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="stands nowhere at the top of a module"):
        serve(lambda: None)


@pytest.mark.processes
def test_a_model_that_cannot_be_loaded_fails_the_start_at_once_with_the_log() -> None:
    start = time.monotonic()

    with pytest.raises(ServiceFailed) as caught, serve(f"{APPS}:broken()"):
        pass

    assert "can't build the handler of Broken" in str(caught.value)
    assert "there are no weights" in str(caught.value)
    assert time.monotonic() - start < 30


@pytest.mark.processes
def test_a_module_that_cannot_be_imported_fails_the_start_with_the_log() -> None:
    with pytest.raises(ServiceFailed, match="No module named 'nowhere'"), serve("nowhere:app"):
        pass


@pytest.mark.processes
def test_a_process_that_is_left_fails_loudly_and_is_ended() -> None:
    left = r"left processes behind:\n\d+: .*time.sleep\(60\)"
    with pytest.raises(ServiceFailed, match=left), serve(f"{APPS}:leaves_a_child()") as running:
        pass

    assert processes.of(running.folder) == {}


@pytest.mark.processes
def test_a_program_that_does_not_heed_the_signal_is_ended_by_force_in_time() -> None:
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True)"
    command = [sys.executable, "-c", f"{program}; time.sleep(60)"]

    with launch(command, ready=lambda service: "on" in service.log(), stop_seconds=0.2) as running:
        start = time.monotonic()

    assert time.monotonic() - start < 5
    assert running.process.returncode < 0


def test_a_program_that_can_not_be_started_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with pytest.raises(FileNotFoundError), launch(["./no-such-program"]):
        pass

    assert list(tmp_path.iterdir()) == []


CONFTEST = """
from aylien_model_serving.testing import service_fixture

service = service_fixture("tests.testing.apps:one_model()", env={"MODEL_SERVING_LOG_LEVEL": "INFO"})
"""

TESTS = """
def test_it_answers(service):
    assert service.post("/classify", json={"text": "x"}).json()["label"] == "one"

def test_it_fails(service):
    assert service.get("/nothing").status_code == 200

def test_it_is_the_same(service):
    assert service.status("/readyz") == 200
"""


@pytest.mark.processes
def test_a_fixture_serves_all_tests_and_shows_its_log_below_one_that_fails(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_service.py").write_text(TESTS)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert "1 failed, 2 passed" in done.stdout
    assert "end of the log of http://127.0.0.1:" in done.stdout
    assert "of Classifier is ready on cpu" in done.stdout


@pytest.mark.processes
@pytest.mark.parametrize(
    ("package", "use"),
    [
        ("httpx", "testing.RunningService.client.func(type('', (), {'url': ''})())"),
        ("pytest", "testing.service_fixture('module:app')"),
    ],
)
def test_a_missing_package_is_named_with_what_brings_it(package: str, use: str) -> None:
    program = f"import sys; sys.modules['{package}'] = None; from aylien_model_serving import testing; {use}"

    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True)

    assert f"needs {package}: pip install 'model-serving[testing]'" in done.stderr


@pytest.mark.processes
def test_the_helper_alone_loads_neither_pytest_nor_an_http_client() -> None:
    program = "import sys; from aylien_model_serving import testing; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True)

    assert "aylien_model_serving.testing" in done.stdout.split()
    assert not {"pytest", "httpx", "gevent", "torch"} & set(done.stdout.split())
