"""The landing page: what GET of "/" answers where no route, view or error handler of the service does."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urljoin

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.web import pages
from tests.web.requests import route, serve

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def measure(text: str) -> int:
    """Count <letters> & "signs".

    What is no letter counts as well.
    """
    return len(text)


class Page(HTMLParser):
    """The links, texts and resources of a page.

    Args:
        html: the page.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.resources: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src", "action"):
                (self.links if tag == "a" else self.resources).append(value or "")
        assert tag not in ("script", "iframe", "form")

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def client() -> FlaskClient:
    return serve(
        route(measure, "/measure"), route(lambda name: name, "/files/<name>", methods=["GET"], name="f")
    )


def page_of(client: FlaskClient, path: str = "/", **options: Any) -> Page:
    response = client.get(path, headers=BROWSER, **options)
    assert (response.status_code, response.content_type) == (200, "text/html; charset=utf-8")
    return Page(response.text)


def test_programs_get_the_routes_and_links_as_json(client: FlaskClient) -> None:
    response = client.get("/")

    assert response.headers["Vary"] == "Accept"
    assert response.get_json() == {
        "service": None,
        "routes": [
            {"endpoint": "/measure", "methods": ["POST"], "summary": 'Count <letters> & "signs".'},
            {"endpoint": "/files/<name>", "methods": ["GET"], "summary": ""},
        ],
        "links": {
            "docs": "docs",
            "dashboard": "__dashboard",
            "openapi": "openapi.json",
            "liveness": "livez",
            "readiness": "readyz",
        },
    }


def test_browsers_get_a_page_whose_texts_are_escaped(client: FlaskClient) -> None:
    page = page_of(client)

    for text in ("/measure", "/files/<name>", 'Count <letters> & "signs".'):
        assert text in page.text


def test_a_lone_surrogate_is_shown_as_a_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    def handler(text: str) -> None: ...

    handler.__doc__ = "Measure \ud800."
    monkeypatch.setenv("MODEL_SERVING_SERVICE_NAME", "name \udcff")
    client = serve(route(handler))

    page, body = page_of(client), client.get("/").get_json()

    assert "Measure ?." in page.text
    assert "name ?" in page.text
    assert (body["service"], body["routes"][0]["summary"]) == ("name ?", "Measure ?.")


def test_a_page_replaces_a_lone_surrogate(client: FlaskClient) -> None:
    with client.application.test_request_context():
        values = {"title": "\ud800", "routes": "", "links": ""}
        assert "<title>?</title>" in pages.page("landing.html", **values).get_data(as_text=True)


@pytest.mark.parametrize(
    ("accept", "is_html"),
    [
        ("text/*", True),
        ("text/*, */*;q=0.5", True),
        ("text/*;q=0.5, application/json", False),
        ("text/*, text/html;q=0", False),
        ("text/*;q=0", False),
        ("*/*", False),
        ("", False),
        ("application/xml, application/json;q=0", False),
    ],
)
def test_the_preferred_media_type(client: FlaskClient, accept: str, is_html: bool) -> None:
    response = client.get("/", headers={"Accept": accept})

    assert (response.mimetype == "text/html") is is_html


def test_the_page_loads_nothing_and_forbids_scripts(client: FlaskClient) -> None:
    response = client.get("/", headers=BROWSER)

    assert Page(response.text).resources == ["data:,"]
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src")


def test_each_link_works_below_any_prefix(client: FlaskClient) -> None:
    for link in page_of(client).links:
        assert not link.startswith(("/", "http"))
        assert client.get(f"/{link}").status_code == 200


def test_links_work_below_a_prefix_without_a_slash_at_its_end(client: FlaskClient) -> None:
    links = page_of(client, "", base_url="http://localhost/models/v1/").links

    assert "./v1/openapi.json" in links


@pytest.mark.parametrize(
    ("prefix", "path", "url"),
    [
        ("/a b", "", "http://localhost/a%20b/openapi.json"),
        ("/p:q", "", "http://localhost/p%3Aq/openapi.json"),
        ("/models/v?1#2", "", "http://localhost/models/v%3F1%232/openapi.json"),
        ("/\u00c3\u00bc", "", "http://localhost/%C3%BC/openapi.json"),  # WSGI's form of ü
        ("/p:q", "/", "http://localhost/p%3Aq/openapi.json"),
        ("/p/", "", "http://localhost/p/openapi.json"),
        ("", "", "http://localhost/openapi.json"),
    ],
)
def test_links_are_urls_below_a_prefix(client: FlaskClient, prefix: str, path: str, url: str) -> None:
    environ = {"SCRIPT_NAME": prefix, "PATH_INFO": path}
    requested = "http://localhost" + (quote(prefix, safe="/", encoding="latin-1") + path or "/")

    links = page_of(client, environ_overrides=environ).links
    in_json = client.get("/", environ_overrides=environ).get_json()["links"]

    assert url in [urljoin(requested, link) for link in links]
    assert urljoin(requested, in_json["openapi"]) == url


def test_the_name_of_the_service_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_SERVICE_NAME", "lang<uage>")
    client = serve(route(measure))

    assert client.get("/").get_json()["service"] == "lang<uage>"
    assert "lang<uage>" in page_of(client).text


def test_a_dashboard_that_is_not_there_is_not_linked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_DASHBOARD", "0")

    assert "dashboard" not in serve(route(measure)).get("/").get_json()["links"]


def test_a_service_without_routes_has_a_page_too() -> None:
    assert "There are none." in page_of(serve()).text


def test_a_head_is_answered_without_a_body(client: FlaskClient) -> None:
    response = client.head("/")

    assert (response.status_code, response.data) == (200, b"")
    assert response.content_length == len(client.get("/").data)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_are_a_405(client: FlaskClient, method: str) -> None:
    response = client.open("/", method=method)

    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


def test_it_needs_no_key_and_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "secret")
    client = serve(route(measure))

    assert client.get("/").status_code == client.get("/", headers={"X-API-Key": "wrong"}).status_code == 200
    assert client.post("/").status_code == 401
    assert client.get("/none").status_code == 401
    assert 'method="GET",status="200"' not in client.get("/metrics", headers={"X-API-Key": "secret"}).text


def test_it_shows_the_routes_to_those_who_may_see_the_openapi_document(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "secret")
    client = serve(route(measure))

    assert client.get("/").json["routes"] is None
    assert "measure" not in client.get("/", headers=BROWSER).text
    assert client.get("/", headers={"X-API-Key": "secret"}).json["routes"][0]["endpoint"] == "/p"
    monkeypatch.setenv("MODEL_SERVING_OPEN", "docs")
    assert serve(route(measure)).get("/").json["routes"][0]["endpoint"] == "/p"


class TestOwnAnswers:
    """What a service has at "/" itself is never replaced."""

    def test_a_route_of_another_method_keeps_its_405(self) -> None:
        client = serve(route(measure, "/"))

        refused = client.get("/")
        page = client.get("/", headers=BROWSER)

        assert (refused.status_code, refused.headers["Allow"]) == (405, "OPTIONS, POST")
        assert (page.status_code, page.headers["Allow"]) == (405, "OPTIONS, POST")
        assert client.post("/", json={"text": "abc"}).get_json() == 3

    def test_a_view_that_is_added_later(self, client: FlaskClient) -> None:
        client.application.add_url_rule("/", "home", lambda: "home")

        assert client.get("/", headers=BROWSER).text == "home"

    def test_a_static_file(self, tmp_path: Any) -> None:
        (tmp_path / "index.html").write_text("static")
        app = FlaskAppWrapper.create_app([route(measure)])
        app.static_folder = str(tmp_path)
        app.add_url_rule("/", "index", lambda: app.send_static_file("index.html"))

        with app.test_client().get("/") as response:
            assert response.text == "static"

    @pytest.mark.parametrize("handled", [404, HTTPException])
    def test_an_error_handler(self, client: FlaskClient, handled: Any) -> None:
        client.application.register_error_handler(handled, lambda error: ("mine", 404))

        for path in ("/", "/none"):
            assert (client.get(path).status_code, client.get(path).text) == (404, "mine")

    def test_a_hook_before_the_request(self, client: FlaskClient) -> None:
        client.application.before_request(lambda: ("not you", 403))

        assert client.get("/").status_code == 403

    def test_a_view_that_aborts_with_404(self) -> None:
        client = serve(route(lambda: abort(404), "/", methods=["GET"], name="home"))

        assert client.get("/").status_code == 404

    def test_the_root_of_a_mounted_app(self, client: FlaskClient) -> None:
        inner = Flask("inner")
        client.application.mount_wsgi("/inner", inner)  # type: ignore[attr-defined]  # ours

        assert client.get("/inner/").status_code == 404


def test_other_unknown_paths_are_a_404(client: FlaskClient) -> None:
    assert client.get("/none").status_code == client.get("/none/").status_code == 404
