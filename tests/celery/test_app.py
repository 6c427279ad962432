"""An app of Celery's for a service: what it does before a worker starts, and what it refuses then."""

import re
from typing import Any
from unittest import mock

import pytest

from aylien_model_serving import FlaskAppWrapper, Service
from aylien_model_serving.celery import create_celery_app
from aylien_model_serving.celery.worker import _inspected, _refuse_other_brokers
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.web.hosted_jobs import hosted_jobs


class Heavy:
    """A model that must not be built by whoever only wants to know of it."""

    def __init__(self) -> None:
        raise AssertionError("it was built")

    def __call__(self, text: str) -> str:
        return text


def routes(**keys: Any) -> Any:
    return FlaskAppWrapper.create_app([{"endpoint": "/heavy", "callable": Heavy, **keys}])


def test_nothing_is_built_and_no_broker_asked_for_before_a_worker_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MODEL_SERVING_JOBS_BROKER", raising=False)

    app = create_celery_app(mock.Mock(side_effect=AssertionError))

    assert "fries" not in " ".join(app.tasks)


def test_an_app_is_known_without_building_its_models() -> None:
    app = _inspected(lambda: routes(job=True))

    assert [described.route.name for described in app.state.routes] == ["Heavy"]


def test_a_service_is_known_too() -> None:
    service = Service("kitchen")
    service.endpoint("/heavy", job=True)(Heavy)

    assert [described.route.name for described in _inspected(service).state.routes] == ["Heavy"]


def test_what_is_no_service_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^create_celery_app takes a Service, .* and not dict$"):
        _inspected({})


def test_a_service_without_jobs_has_nothing_to_work_on() -> None:
    app = _inspected(routes)

    with pytest.raises(ConfigurationError, match=r"^no route has the key 'job'"):
        hosted_jobs(app)


@pytest.mark.parametrize("url", ["jobs.sqlite3", "memory://"])
def test_jobs_that_other_machines_do_not_reach_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_JOBS_BROKER", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", url)
    app = _inspected(lambda: routes(job=True))

    with pytest.raises(ConfigurationError, match=r"^MODEL_SERVING_JOBS_BROKER: .*set MODEL_SERVING_JOBS_URL"):
        hosted_jobs(app)


@pytest.mark.parametrize("url", ["kafka://broker", "redis:", "amqp://a b"])
def test_another_kind_of_broker_is_refused_and_its_url_not_repeated(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_SERVING_JOBS_BROKER", url)

    with pytest.raises(ConfigurationError, match=r"^MODEL_SERVING_JOBS_BROKER.*: expected amqp://"):
        routes()


def test_celery_as_a_backend_needs_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTAPI_BACKEND", "Celery")
    sentence = (
        "FTAPI_BACKEND=celery: name the broker by MODEL_SERVING_JOBS_BROKER, as in amqp://… or redis://…"
    )

    with pytest.raises(ConfigurationError, match=f"^{re.escape(sentence)}$"):
        routes(job=True)


@pytest.mark.parametrize(
    ("conf", "environ", "culprit"),
    [
        ({"broker_url": "redis://other/0"}, {}, "the configuration of Celery names another broker"),
        ({"broker_read_url": "redis://other/0"}, {}, "the configuration of Celery names another broker"),
        ({}, {"CELERY_BROKER_URL": "redis://other/0"}, "CELERY_BROKER_URL names another broker"),
        ({"broker_transport_options": {"global_keyprefix": "x"}}, {}, "broker_transport_options: "),
    ],
)
def test_a_worker_that_would_listen_elsewhere_is_refused(
    conf: dict[str, Any], environ: dict[str, str], culprit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = "redis://:secret@127.0.0.1/0"
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    plain = {"broker_url": broker, "broker_read_url": None, "broker_transport_options": {}}

    with pytest.raises(ConfigurationError, match=f"^{culprit}") as refusal:
        _refuse_other_brokers(broker, mock.Mock(**{**plain, **conf}))
    assert "secret" not in str(refusal.value)


def test_a_worker_of_the_same_broker_is_not_refused() -> None:
    broker = "redis://127.0.0.1/0"
    conf = mock.Mock(broker_url=broker, broker_read_url=broker, broker_transport_options={})

    _refuse_other_brokers(broker, conf)
