"""API keys, and the id of each request."""

import json
import logging
from typing import Any, ClassVar

import pytest
from flask.testing import FlaskClient

from aylien_model_serving.core.logging import JsonFormatter, TextFormatter
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

    @pytest.mark.parametrize("path", ["/p", "/view"])
    def test_a_key_as_a_password_is_accepted(self, client: FlaskClient, path: str) -> None:
        assert client.post(path, data=b'{"text": "a"}', auth=("anybody", "one")).status_code == 200

    @pytest.mark.parametrize("auth", [("one", ""), ("one", "two"), ("", "")])
    def test_a_wrong_password_is_a_401_so_that_browsers_ask_again(
        self, client: FlaskClient, auth: tuple[str, str]
    ) -> None:
        assert client.post("/p", data=b'{"text": "a"}', auth=auth).status_code == 401

    @pytest.mark.parametrize("credentials", ["Basic", "Basic ???", "Basic b25l", "Basic /w==", "Basic é"])
    def test_credentials_that_cant_be_decoded_are_a_401(self, client: FlaskClient, credentials: str) -> None:
        assert post(client, {"text": "a"}, Authorization=credentials).status_code == 401

    @pytest.mark.parametrize(
        ("site", "status"), [("cross-site", 401), ("same-site", 401), ("same-origin", 200), ("none", 200)]
    )
    def test_a_password_that_another_site_has_the_browser_send_is_not_taken(
        self, client: FlaskClient, site: str, status: int
    ) -> None:
        headers = {"Sec-Fetch-Site": site}

        assert client.get("/metrics", headers=headers, auth=("", "one")).status_code == status

    @pytest.mark.parametrize(("path", "status"), [("/__dashboard", 200), ("/get?text=a", 401)])
    def test_a_link_of_another_site_leads_to_a_page_and_to_no_route(
        self, monkeypatch: pytest.MonkeyPatch, path: str, status: int
    ) -> None:
        monkeypatch.setenv("MODEL_SERVING_API_KEYS", "one")
        client = serve(route(predict, "/get", methods=["GET"]))
        link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        frame = {**link, "Sec-Fetch-Dest": "iframe"}

        assert client.get(path, headers=link, auth=("", "one")).status_code == status
        assert client.get(path, headers=frame, auth=("", "one")).status_code == 401

    def test_no_other_site_has_a_runner_loaded_again_with_the_password_that_a_browser_keeps(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODEL_SERVING_API_KEYS", "admin:boss:one")
        client = serve(route(predict))
        link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        path = "/__runners/predict/reload"

        assert error(client.post(path, headers=link, auth=("", "one")))[:2] == (403, "cross_origin_refused")
        assert error(client.post(path, auth=("", "one")))[:2] == (404, "not_found")  # it has no runner


class TestPages:
    """Operators' pages with API keys set."""

    HEALTH = ("/__ping", "/livez", "/readyz")
    PAGES: ClassVar = {
        "metrics": ["/metrics", "/__metrics"],
        "runners": ["/__runners"],
        "openapi": ["/openapi.json"],
        "docs": ["/docs", "/docs/docs.js", "/openapi.json"],
        "dashboard": ["/__dashboard", "/__dashboard/main.js"],
    }

    @pytest.fixture(autouse=True)
    def keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MODEL_SERVING_API_KEYS", "one")

    @pytest.mark.parametrize("path", sorted({path for paths in PAGES.values() for path in paths}))
    def test_a_page_asks_for_a_key(self, path: str) -> None:
        client = serve(route(predict))

        refused = client.get(path)

        assert error(refused)[:2] == (401, "unauthorized")
        assert [value.split()[0] for value in refused.headers.getlist("WWW-Authenticate")] == [
            "Bearer",
            "Basic",
        ]
        assert client.get(path, headers={"Authorization": "Bearer two"}).status_code == 403
        assert client.get(path, headers={"Authorization": "Bearer one"}).status_code == 200
        assert client.get(path, auth=("me", "one")).status_code == 200

    def test_all_of_the_operators_pages_are_known_here(self) -> None:
        app = serve(route(predict)).application
        guarded = app.untracked - app.public

        assert {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint in guarded} == {
            "/metrics",
            "/__metrics",
            "/__runners",
            "/__runners/<path:name>/reload",
            "/openapi.json",
            "/docs",
            "/docs/",
            "/docs/<name>",
            "/__dashboard",
            "/__dashboard/",
            "/__dashboard/events",
            "/__dashboard/history",
            "/__dashboard/<name>",
        }

    @pytest.mark.parametrize("path", HEALTH)
    def test_health_needs_none(self, path: str) -> None:
        assert serve(route(predict)).get(path).status_code == 200

    @pytest.mark.parametrize("word", PAGES)
    def test_a_page_that_is_opened_needs_none_and_the_others_do(
        self, word: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODEL_SERVING_OPEN", word)
        client = serve(route(predict))

        for path in {path for paths in self.PAGES.values() for path in paths}:
            assert (client.get(path).status_code == 200) == (path in self.PAGES[word])


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
            lines.append(TextFormatter(8192).format(record))

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


@pytest.mark.parametrize("path", ["/p", "/view"])
def test_every_log_line_of_a_request_names_its_caller_and_never_its_key(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "alice:a-key-of-alice")
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.extend((TextFormatter(8192).format(record), JsonFormatter(8192).format(record)))

    def handler(**fields: Any) -> Any:
        logging.getLogger("model").warning("Working")
        raise ValueError("secret")

    def view() -> Any:
        return handler()

    keep = Keep()
    logging.getLogger().addHandler(keep)
    try:
        client = serve(route(handler), route(view, "/view"))
        post(client, {}, path, X_API_Key="a-key-of-alice", X_Request_ID="id-7")
        logging.getLogger("model").warning("Later")
    finally:
        logging.getLogger().removeHandler(keep)

    *of_request, later, later_json = lines
    assert len(of_request) == 4
    assert all("[id-7 alice]" in line for line in of_request[::2])
    assert all(json.loads(line)["caller"] == "alice" for line in of_request[1::2])
    assert not any("a-key" in line for line in lines)
    assert "alice" not in later + later_json


def test_keys_in_a_misspelt_variable_are_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MODEL_SERVING_API_KEY", "k" * 20)

    serve(route(predict))

    assert caplog.messages == [
        "MODEL_SERVING_API_KEY is no setting and changes nothing; did you mean MODEL_SERVING_API_KEYS?"
    ]
