"""API keys, and the id of each request."""

import logging
from typing import Any

import pytest
from flask.testing import FlaskClient

from aylien_model_serving.core.logging import TextFormatter
from tests.web.requests import error, post, route, serve


def predict(text: str) -> dict[str, str]:
    return {"text": text}


class TestKeys:
    """With API keys set."""

    @pytest.fixture
    def client(self, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
        monkeypatch.setenv("MODEL_SERVING_API_KEYS", "one,schlüssel")
        return serve(route(predict), route(lambda: "a view", "/view"))

    @pytest.mark.parametrize("path", ["/p", "/view", "/nowhere"])
    def test_a_request_without_a_key_is_a_401(self, client: FlaskClient, path: str) -> None:
        response = post(client, {"text": "a"}, path)

        assert error(response)[:2] == (401, "unauthorized")
        assert response.headers["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize(
        "headers",
        [
            {"X-API-Key": "two"},
            {"Authorization": "Bearer two"},
            {"X-API-Key": "one,schlüssel"},
            {"X-API-Key": "On"},
        ],
    )
    @pytest.mark.parametrize("path", ["/p", "/view"])
    def test_a_wrong_key_is_a_403(self, client: FlaskClient, path: str, headers: dict[str, str]) -> None:
        assert error(client.post(path, data=b'{"text": "a"}', headers=headers))[:2] == (403, "forbidden")

    @pytest.mark.parametrize(
        "headers",
        [{"X-API-Key": "one"}, {"Authorization": "Bearer one"}, {"Authorization": "bearer one"}],
    )
    @pytest.mark.parametrize("path", ["/p", "/view"])
    def test_a_valid_key_is_accepted(self, client: FlaskClient, path: str, headers: dict[str, str]) -> None:
        assert client.post(path, data=b'{"text": "a"}', headers=headers).status_code == 200

    def test_a_scheme_that_carries_no_key_is_a_401(self, client: FlaskClient) -> None:
        assert post(client, {"text": "a"}, Authorization="Basic b25lOg==").status_code == 401

    @pytest.mark.parametrize("path", ["/__ping", "/livez", "/readyz", "/metrics", "/__metrics"])
    def test_the_operators_need_none(self, client: FlaskClient, path: str) -> None:
        assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/p", "/view", "/nowhere", "/__ping"])
def test_every_answer_carries_the_clients_request_id(path: str) -> None:
    client = serve(route(predict), route(lambda: "a view", "/view"))

    response = client.open(
        path, method="GET" if path == "/__ping" else "POST", headers={"X-Request-ID": "id-7"}
    )

    assert response.headers.getlist("X-Request-ID") == ["id-7"]


@pytest.mark.parametrize("offered", ["", "a b", "x" * 200, "ä", "<b>"])
def test_an_id_that_is_not_sane_is_replaced(offered: str) -> None:
    client = serve(route(predict))

    given = [post(client, {"text": "a"}, X_Request_ID=offered).headers["X-Request-ID"] for _ in range(2)]

    assert offered not in given
    assert len(set(given)) == 2


def test_every_log_line_of_a_request_carries_its_id() -> None:
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(TextFormatter().format(record))

    def handler(**fields: Any) -> Any:
        logging.getLogger("model").warning("Working")
        raise ValueError("secret")

    keep = Keep()
    logging.getLogger().addHandler(keep)
    try:
        post(serve(route(handler)), {}, X_Request_ID="id-7")
    finally:
        logging.getLogger().removeHandler(keep)

    assert len(lines) == 2
    assert all("[id-7]" in line for line in lines)
