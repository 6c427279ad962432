"""What an app's routes ask of the machines that run them."""

from __future__ import annotations

import flask
import pytest

from aylien_model_serving import FlaskAppWrapper, Model
from aylien_model_serving.manifests.workload import RunnerNeeds, Workload
from aylien_model_serving.process import lifecycle
from aylien_model_serving.web.workload import workload_of


class Embed:
    def __call__(self, text: str) -> int:
        return len(text)


embed = Model(Embed, runner={"devices": ["cuda:1"], "start_timeout": 60})


def search(text: str) -> int:
    return int(embed(text=text))


def bake(name: str) -> str:
    return name


@pytest.fixture(autouse=True)
def _nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "is_inspecting", True)


def test_routes_that_run_in_the_web_worker_ask_for_no_replicas() -> None:
    app = FlaskAppWrapper.create_app([{"endpoint": "/bake", "callable": bake}])

    assert workload_of(app) == Workload()


def test_runners_are_those_of_routes_and_of_the_models_that_they_call() -> None:
    rate = {"replicas": [2, 5], "devices": [["cuda:0", "cuda:2"], "cpu"], "recycle_after": {"mb": 500}}
    app = FlaskAppWrapper.create_app(
        [
            {"endpoint": "/rate", "callable": Embed, "name": "rate", "runner": rate, "threads": 4},
            {"endpoint": "/search", "callable": search, "cache": 60},
        ]
    )

    found = workload_of(app)

    assert found.web == (
        RunnerNeeds("rate", least=2, most=5, calls=4, gpus=3, memory_mb=500.0),
        RunnerNeeds(embed.name, start_timeout=60.0, gpus=2),
    )
    assert found.shares_counts


def test_jobs_are_a_tier_of_their_own() -> None:
    routes = [
        {"endpoint": "/bake", "callable": bake, "job": {"grace": 30}},
        {"endpoint": "/read", "callable": search, "name": "read", "job": True},
        {"endpoint": "/search", "callable": search, "name": "search"},
    ]

    found = workload_of(FlaskAppWrapper.create_app(routes))

    assert [runner.name for runner in found.web] == [embed.name]
    assert {runner.name for runner in found.jobs} >= {"bake", embed.name}
    assert (found.has_jobs, found.job_grace) == (True, 30.0)


def test_an_operator_s_limit_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_LIMIT", "100/minute")

    app = FlaskAppWrapper.create_app([{"endpoint": "/bake", "callable": bake}])

    assert workload_of(app).shares_counts


def test_of_another_application_nothing_is_known() -> None:
    assert workload_of(flask.Flask("other")) == Workload()
    assert workload_of(lambda environ, start_response: []) == Workload()


def test_a_runner_on_ray_asks_this_machine_for_a_gateway_alone() -> None:
    on_ray = {"engine": "ray", "replicas": [0, 8], "num_gpus": 1}
    app = FlaskAppWrapper.create_app(
        [{"endpoint": "/far", "callable": Embed, "name": "far", "runner": on_ray}]
    )

    [needs] = workload_of(app).web
    assert (needs.least, needs.most, needs.gpus) == (1, 1, 0)
