"""The parts of a service with jobs: who keeps them, who runs them, and what starts for it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask.testing import FlaskClient

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.models.handle import Model
from aylien_model_serving.process import lifecycle
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.testing import in_process
from aylien_model_serving.web import build, executor_factory, hosted, models, roles
from aylien_model_serving.web.job_store import open_jobs
from aylien_model_serving.web.state import JobStore
from tests.web.requests import error, post, route, serve
from tests.web.test_hosted import ClusterExecutor


def embed(text: str) -> int:
    return len(text)


embedding = Model(embed, name="embedding")


def render(text: str) -> str:
    return text * embedding(text)


def echo(text: str) -> str:
    return text


class Heavy:
    """Notes when it is built."""

    built = 0

    def __init__(self) -> None:
        type(self).built += 1

    def __call__(self, text: str) -> str:
        return text


class Started(ClusterExecutor):
    """Notes what is hosted instead of hosting it."""

    specs: ClassVar[list[str]] = []

    def __init__(self, spec: Any, *_: object) -> None:
        super().__init__()
        self.specs.append(spec.name)


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """The names of what is hosted, over a store in a file."""
    opened: list[JobStore] = []

    def open_and_note(settings: Settings, routes: Iterable[Route]) -> JobStore:
        opened.append(open_jobs(settings, routes))
        return opened[-1]

    monkeypatch.setattr(build, "open_jobs", open_and_note)
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", f"sqlite:///{tmp_path}/jobs.sqlite3")
    monkeypatch.setattr(executor_factory, "RemoteExecutor", Started)
    monkeypatch.setattr(models, "start", start_models)
    monkeypatch.setattr(Started, "specs", [])
    monkeypatch.setattr(Heavy, "built", 0)
    yield Started.specs
    for jobs in opened:
        jobs.store.close()


def start_models(state: Any, routes: Any, called: Any, *, in_process: bool) -> None:
    Started.specs += [model.name for model in called]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be the process that `model-serving worker` starts."""
    monkeypatch.setenv("MODEL_SERVING_ROLE", "worker")
    monkeypatch.setattr(lifecycle, "is_job_worker", True)
    monkeypatch.setattr(roles, "workers", [])


ROUTES = (
    route(render, "/render", job=True),
    route(echo, "/echo"),
    route(Heavy, "/heavy"),
    route(echo, "/hosted", name="hosted", runner=True),
)


def web(monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("MODEL_SERVING_ROLE", "web")
    return serve(*ROUTES)


def test_a_web_tier_keeps_jobs_and_runs_none(monkeypatch: pytest.MonkeyPatch, started: list[str]) -> None:
    client = web(monkeypatch)

    kept = post(client, {"text": "a"}, "/render")

    assert (kept.status_code, kept.get_json()["status"]) == (202, "queued")
    assert started == ["hosted"]
    assert client.get("/__runners").get_json()["render"] == []
    assert 'model_serving_jobs{route="render",status="queued"} 1.0' in client.get("/metrics").text


def test_a_web_tier_answers_for_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    client = web(monkeypatch)
    job_id = post(client, {"text": "a"}, "/render").get_json()["job_id"]

    assert client.get(f"/status/{job_id}").get_json()["status"] == "queued"
    assert post(client, {}, f"/cancel/{job_id}").get_json()["status"] == "cancelled"
    assert post(client, {"text": 1}, "/render").status_code == 400


def test_a_web_tier_is_ready_whether_anybody_runs_jobs_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    client = web(monkeypatch)

    assert client.get("/readyz").status_code == 200
    assert post(client, {"text": "a"}, "/echo").get_json() == "a"
    assert Heavy.built == 1


def test_a_web_tier_sends_who_reloads_a_model_of_jobs_to_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_OPEN", "reload")
    client = web(monkeypatch)

    status, _, message = error(client.post("/__runners/render/reload"))

    assert (status, message) == (
        404,
        "The jobs of 'render' run in worker processes: ask one of these, at its health port",
    )


def test_all_that_a_service_has_is_in_one_process_by_default(started: list[str]) -> None:
    client = serve(*ROUTES)

    assert started == ["render", "hosted", "embedding"]
    assert client.get("/__runners").get_json().keys() == {"render", "hosted"}


@pytest.mark.usefixtures("worker")
def test_a_worker_hosts_what_its_jobs_need_and_no_more(started: list[str]) -> None:
    client = serve(*ROUTES)

    assert started == ["render", "embedding"]
    assert Heavy.built == 0
    assert roles.workers == [client.application]
    assert hosted.executors(client.application.extensions["model_serving"]).keys() == {"render"}
    assert client.get("/readyz").text.startswith("ready")
    assert client.get("/echo").status_code == 404


@pytest.mark.usefixtures("worker")
def test_an_app_without_jobs_gives_a_worker_nothing_to_do(started: list[str]) -> None:
    serve(route(echo, "/echo"))

    assert roles.workers == []
    assert started == []


@pytest.mark.parametrize("role", ["web", "worker"])
def test_jobs_in_the_memory_of_a_process_are_refused_where_others_run_them(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_SERVING_ROLE", role)
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", "memory://")
    monkeypatch.setattr(lifecycle, "is_job_worker", role == "worker")

    sentence = f"^MODEL_SERVING_JOBS_URL=memory:// keeps jobs .* role '{role}' .* name a file or a database"
    with pytest.raises(ConfigurationError, match=sentence):
        FlaskAppWrapper.create_app([route(render, "/render", job=True)])


def test_a_server_is_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_ROLE", "worker")

    with pytest.raises(ConfigurationError, match=r"^MODEL_SERVING_ROLE=worker: .*`model-serving worker`"):
        serve(*ROUTES)


def test_another_role_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_ROLE", "client")

    with pytest.raises(
        ConfigurationError, match=r"^MODEL_SERVING_ROLE='client': expected one of all, web, worker$"
    ):
        serve(*ROUTES)


def test_a_test_within_one_process_runs_all_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODEL_SERVING_ROLE", "web")
    client = in_process(lambda: FlaskAppWrapper.create_app([route(echo, "/work", job=True)])).test_client()

    job_id = post(client, {"text": "a"}, "/work").get_json()["job_id"]

    assert client.get(f"/status/{job_id}?wait=10").get_json()["result"] == "a"
