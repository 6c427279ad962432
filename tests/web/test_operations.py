"""The operators' endpoints, and what they show of requests."""

from typing import Any

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.process import lifecycle
from tests.web.requests import error, post, route, serve


def predict(text: str) -> dict[str, str]:
    return {"text": text}


def classify(lang: str, text: str) -> dict[str, str]:
    return {lang: text}


@pytest.fixture
def client() -> Any:
    return serve(route(classify, "/v1/<lang>"), route(predict))


def lines(client: Any, start: str) -> list[str]:
    """Return the samples that begin so, but for those of series that are at zero."""
    shown = client.get("/metrics").text.splitlines()
    return [line for line in shown if line.startswith(start) and not line.endswith(" 0.0")]


@pytest.mark.parametrize("path", ["/__ping", "/livez"])
def test_a_ping_is_a_success(client: Any, path: str) -> None:
    response = client.get(path)

    assert (response.status_code, response.text) == (200, "Success")
    assert response.headers["X-Request-ID"]


def test_a_service_whose_handlers_are_ready_is_ready(client: Any) -> None:
    assert client.get("/readyz").status_code == 200


def test_a_process_that_is_draining_is_not_ready(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "_drain_checks", [lambda: True])

    response = client.get("/readyz")

    assert error(response) == (503, "unavailable", "This process is shutting down")
    assert int(response.headers["Retry-After"]) > 0
    assert client.get("/livez").status_code == 200


@pytest.mark.parametrize("path", ["/__metrics", "/metrics"])
def test_the_metrics_are_prometheus_text(client: Any, path: str) -> None:
    post(client, {"text": "a"})

    response = client.get(path)

    assert response.content_type.startswith("text/plain; version=0.0.4")
    assert "# TYPE flask_http_request_duration_seconds histogram" in response.text


def test_a_request_is_counted_under_the_name_of_its_route(client: Any) -> None:
    post(client, {"text": "a"}, "/v1/en")
    post(client, {"text": "a"}, "/v1/de")
    post(client, {}, "/v1/fr")

    counts = lines(client, "flask_http_request_duration_seconds_count")

    assert sorted(counts) == [
        'flask_http_request_duration_seconds_count{endpoint="classify",method="POST",status="200"} 2.0',
        'flask_http_request_duration_seconds_count{endpoint="classify",method="POST",status="400"} 1.0',
    ]
    assert lines(client, "flask_http_request_total") == [
        'flask_http_request_total{method="POST",status="200"} 2.0',
        'flask_http_request_total{method="POST",status="400"} 1.0',
    ]


def test_paths_and_methods_that_clients_invent_share_a_label(client: Any) -> None:
    for number in range(20):
        client.get(f"/nowhere/{number}")
        client.open(f"/nowhere/{number}", method=f"BREW{number}")
        client.open("/p", method=f"BREW{number}")

    counts = lines(client, "flask_http_request_duration_seconds_count")

    assert {line.partition("{")[2] for line in counts} == {
        'endpoint="unmatched",method="GET",status="404"} 20.0',
        'endpoint="unmatched",method="other",status="404"} 20.0',
        'endpoint="unmatched",method="other",status="405"} 20.0',
    }


@pytest.mark.parametrize("path", ["/__ping", "/livez", "/readyz", "/metrics", "/__metrics"])
def test_operators_requests_are_not_counted(client: Any, path: str) -> None:
    for _ in range(3):
        client.get(path)

    assert lines(client, "flask_http_request_total{") == []


def test_a_run_of_a_handler_is_timed(client: Any) -> None:
    post(client, {"text": "a"})
    post(client, {})

    assert 'model_serving_handler_seconds_count{endpoint="predict"} 1.0' in lines(
        client, "model_serving_handler"
    )


def test_faults_of_the_service_are_counted_and_those_of_clients_are_not() -> None:
    def broken(n: int) -> None:
        raise ValueError("secret")

    client = serve(route(broken))
    post(client, {"n": 1})
    post(client, {"n": "a"})

    assert lines(client, "flask_http_request_exceptions_total{") == [
        'flask_http_request_exceptions_total{method="POST",status="500"} 1.0'
    ]


def test_a_scrape_may_select_series(client: Any) -> None:
    post(client, {"text": "a"})

    text = client.get("/metrics?name[]=flask_http_request_total").text

    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        'flask_http_request_total{method="POST",status="200"} 1.0',
        'flask_http_request_total{method="POST",status="500"} 0.0',
    ]


def test_a_view_may_ask_not_to_be_counted() -> None:
    def view() -> str:
        return "quiet"

    client = serve(route(FlaskAppWrapper.metrics.do_not_track()(view)))

    assert post(client).text == "quiet"
    assert lines(client, "flask_http_request_total{") == []


@pytest.mark.parametrize("path", ["/metrics", "/livez"])
def test_a_route_on_an_endpoint_of_the_operators_stops_the_start(path: str) -> None:
    with pytest.raises(ValueError, match=path):
        serve(route(predict, path, methods=["GET"]))


def test_the_operators_endpoints_answer_nothing_but_a_get(client: Any) -> None:
    assert error(post(client, {}, "/__ping"))[:2] == (405, "method_not_allowed")
