"""Series exist at zero before the first request: what a query finds nothing of, it can't alert on."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.metrics.instruments import Instruments
from tests.metrics.test_instruments import scrape, series

PROJECT = Path(__file__).parents[2]

DURATION = "flask_http_request_duration_seconds"


def classify(text: str) -> dict[str, str]:
    return {"label": text}


def view() -> str:
    return "a view"


def made(*routes: Mapping[str, Any]) -> Any:
    return FlaskAppWrapper.create_app(list(routes))


def shown(app: Any) -> list[str]:
    return [line for line in app.test_client().get("/metrics").text.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize(
    "line",
    [
        f'{DURATION}_count{{endpoint="classify",method="POST",status="200"}} 0.0',
        f'{DURATION}_bucket{{endpoint="classify",le="0.1",method="POST",status="200"}} 0.0',
        f'{DURATION}_sum{{endpoint="classify",method="POST",status="200"}} 0.0',
        'flask_http_request_total{method="POST",status="200"} 0.0',
        'flask_http_request_total{method="POST",status="500"} 0.0',
        'flask_http_request_exceptions_total{method="POST",status="500"} 0.0',
        'model_serving_handler_seconds_count{endpoint="classify"} 0.0',
    ],
)
def test_a_handlers_series_are_at_zero_before_its_first_request(line: str) -> None:
    assert line in shown(made({"endpoint": "/classify", "callable": classify}))


def test_a_route_has_one_histogram_of_requests_for_each_method_until_it_fails() -> None:
    def view() -> str:
        raise ValueError

    app = made({"endpoint": "/view", "callable": view, "methods": ["GET", "POST"], "name": "view"})

    def statuses() -> list[str]:
        return [line for line in shown(app) if line.startswith(f"{DURATION}_count")]

    assert [line.rpartition("status=")[2] for line in statuses()] == ['"200"} 0.0', '"200"} 0.0']
    app.test_client().get("/view")
    assert f'{DURATION}_count{{endpoint="view",method="GET",status="500"}} 1.0' in statuses()


def test_a_view_has_the_series_of_requests_for_each_of_its_methods() -> None:
    lines = shown(made({"endpoint": "/view", "callable": view, "methods": ["GET", "PUT"]}))

    for method in ("GET", "PUT"):
        assert f'{DURATION}_count{{endpoint="view",method="{method}",status="200"}} 0.0' in lines
        assert f'flask_http_request_total{{method="{method}",status="200"}} 0.0' in lines


def test_hits_and_misses_are_at_zero_where_answers_are_cached_and_absent_elsewhere() -> None:
    cached = {"endpoint": "/cached", "callable": classify, "name": "cached", "cache": True}
    lines = shown(made(cached, {"endpoint": "/other", "callable": classify, "name": "other"}))

    assert sorted(line for line in lines if line.startswith("model_serving_cache_total")) == [
        'model_serving_cache_total{endpoint="cached",result="hit"} 0.0',
        'model_serving_cache_total{endpoint="cached",result="miss"} 0.0',
    ]


def test_a_route_of_jobs_is_expected_to_accept_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", "memory://")
    lines = shown(made({"endpoint": "/train", "callable": classify, "name": "train", "job": True}))

    assert f'{DURATION}_count{{endpoint="train",method="POST",status="202"}} 0.0' in lines
    assert f'{DURATION}_count{{endpoint="train",method="POST",status="200"}} 0.0' not in lines


def test_what_is_counted_first_is_added_to_the_series_that_is_there() -> None:
    app = made({"endpoint": "/classify", "callable": classify})

    app.test_client().post("/classify", json={"text": "a"})

    lines = shown(app)
    assert 'flask_http_request_total{method="POST",status="200"} 1.0' in lines
    assert len(lines) == len({line.rpartition(" ")[0] for line in lines})


@pytest.mark.parametrize(
    "name",
    [
        f'{DURATION}_created{{endpoint="classify",method="POST",status="200"}}',
        'flask_http_request_created{method="POST",status="200"}',
        'flask_http_request_exceptions_created{method="POST",status="500"}',
        'model_serving_handler_seconds_created{endpoint="classify"}',
    ],
)
def test_a_process_that_serves_alone_shows_when_a_series_was_created(name: str) -> None:
    lines = dict(line.rsplit(" ", 1) for line in shown(made({"endpoint": "/classify", "callable": classify})))

    assert float(lines[name]) > 1e9


def test_a_method_that_http_does_not_define_has_the_label_other() -> None:
    instruments = Instruments()

    instruments.expect("brew", ["BREW"])

    found = scrape(instruments)
    assert found[series(f"{DURATION}_count", endpoint="brew", method="other", status="200")] == 0
    assert not any(("method", "BREW") in labels for _, labels in found)


SCRAPING = """
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.metrics.instruments import Instruments
from aylien_model_serving.metrics.runners import RunnerInstruments

def classify(text: str) -> dict:
    return {"label": text}

app = FlaskAppWrapper.create_app([{"endpoint": "/classify", "callable": classify}])
RunnerInstruments("hosted", app.state.instruments)
print(app.test_client().get("/metrics").text)
"""


@pytest.mark.processes
def test_processes_that_serve_together_show_series_at_zero_and_no_created_ones(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRAPING],
        env={**os.environ, "MODEL_SERVING_METRICS_DIR": str(tmp_path)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    lines = ran.stdout.splitlines()
    assert f'{DURATION}_count{{endpoint="classify",method="POST",status="200"}} 0.0' in lines
    assert f'{DURATION}_bucket{{endpoint="classify",le="+Inf",method="POST",status="200"}} 0.0' in lines
    assert 'flask_http_request_total{method="POST",status="500"} 0.0' in lines
    assert 'flask_http_request_exceptions_total{method="POST",status="500"} 0.0' in lines
    for reason in ("expired", "abandoned"):
        assert f'model_serving_runner_dropped_total{{reason="{reason}",runner="hosted"}} 0.0' in lines
    assert not any("_created" in line for line in lines)
