"""What the web asks of an executor whose handler runs elsewhere: a stand-in is no class that it knows."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from flask.testing import FlaskClient

from aylien_model_serving.core.messages import Call, Reply
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.inline import InlineExecutor
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.jobs.runner import EnqueueExecutor
from aylien_model_serving.replicas.client.remote_executor import RemoteExecutor
from aylien_model_serving.rpc.control_messages import ReloadAnswer, ReloadState, Replica
from aylien_model_serving.rpc.hosted import Hosted, HostedExecutor
from aylien_model_serving.testing import in_process
from aylien_model_serving.web import executor_factory, hosted
from aylien_model_serving.web.dashboard import snapshot
from tests.web.requests import post, route, serve

#: What operators see of its one replica.
SHOWN = {"number": 0, "pid": 0, "device": "cluster", "state": "starting", "restarts": 0}


def classify(text: str) -> dict[str, str]:
    return {"label": text}


class ClusterExecutor:
    """Hosts on a cluster that is not there."""

    takes_batches = False

    def __init__(self, *_: object) -> None:
        self.reloads = 0

    def start(self) -> None: ...

    def wake(self) -> None: ...

    def ready(self) -> bool:
        return True

    def is_immediate(self) -> bool:
        return False

    def run(self, arguments: dict[str, Any], call: Call) -> Reply:
        return Reply(200, b'"from the cluster"')

    async def run_async(self, arguments: dict[str, Any], call: Call, *, beside_loop: bool = False) -> Reply:
        return self.run(arguments, call)

    def run_many(self, calls: Sequence[Call]) -> list[Reply | Exception]:
        return [self.run({}, call) for call in calls]

    def replicas(self) -> Sequence[Replica]:
        return [
            Replica(
                number=0,
                incarnation=1,
                socket="",
                record="",
                pid=0,
                device="cluster",
                state="starting",
                restarts=0,
                error="",
                version="1",
            )
        ]

    def describe(self, *, with_errors: bool) -> list[dict[str, Any]]:
        return [SHOWN]

    def reload(self, *, begin: bool) -> ReloadAnswer:
        self.reloads += begin
        return ReloadAnswer(ReloadState(id="r", state="running", replaced=0, replicas=1))

    def retire(self, within: float) -> None: ...

    def status_calls(self) -> dict[int, Callable[[], dict[str, Any]]]:
        return {7: lambda: {"waiting": 3, "running": 1}}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setattr(executor_factory, "RemoteExecutor", ClusterExecutor)
    monkeypatch.setenv("MODEL_SERVING_OPEN", "reload")
    return serve(route(classify, runner=True))


def test_calls_go_to_what_hosts_the_handler(client: FlaskClient) -> None:
    assert post(client, {"text": "a"}).get_json() == "from the cluster"


def test_operators_see_what_hosts_it(client: FlaskClient) -> None:
    assert client.get("/__runners").get_json() == {"classify": [SHOWN]}
    assert client.get("/readyz").text == "ready\nclassify, replica 0: starting"


def test_scrapes_show_its_replicas_and_its_queue(client: FlaskClient) -> None:
    shown = client.get("/metrics").text.splitlines()

    assert 'model_serving_runner_replicas{runner="classify",state="starting"} 1.0' in shown
    assert 'model_serving_runner_waiting{runner="classify"} 3.0' in shown


def test_it_is_loaded_again_on_request(client: FlaskClient) -> None:
    state = client.application.extensions["model_serving"]

    answer = client.post("/__runners/classify/reload")

    assert (answer.status_code, answer.get_json()["state"]) == (202, "running")
    assert hosted.executors(state)["classify"].reloads == 1  # type: ignore[attr-defined]


def test_the_dashboard_shows_it(client: FlaskClient) -> None:
    [runner] = snapshot.take(client.application.extensions["model_serving"])["runners"]

    assert (runner["name"], runner["replicas"]) == ("classify", [SHOWN])


def test_a_test_without_processes_refuses_an_app_that_has_it(client: FlaskClient) -> None:
    with pytest.raises(ConfigurationError, match="processes of its own"):
        in_process(lambda: client.application)


def test_executors_are_told_apart_by_what_they_can_do() -> None:
    inline = InlineExecutor(classify, Signature.of(classify), None, None)  # type: ignore[arg-type]
    jobs = EnqueueExecutor(None, None, None, ClusterExecutor())  # type: ignore[arg-type]

    assert not isinstance(inline, Hosted)
    assert isinstance(jobs, Hosted)
    assert not isinstance(jobs, HostedExecutor)
    assert isinstance(ClusterExecutor(), HostedExecutor)
    assert issubclass(RemoteExecutor, Hosted)
