"""The page that shows the routes, its files, and the error page for browsers."""

from typing import Any

import pytest

from aylien_model_serving.web import docs
from tests.web.requests import error, route, serve

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def predict(text: str) -> str:
    return text


@pytest.fixture
def client() -> Any:
    return serve(route(predict))


@pytest.fixture
def version() -> str:
    return docs.installed().version


def test_the_page_loads_only_files_of_its_own_service(client: Any, version: str) -> None:
    response = client.get("/docs")

    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert "//" not in response.text


@pytest.mark.parametrize("name", ["swagger-ui.css", "swagger-ui-bundle.js"])
def test_a_file_of_swagger_ui_is_immutable_where_its_url_names_the_version(
    client: Any, version: str, name: str
) -> None:
    named = client.get(f"/docs/{name}?v={version}")
    unnamed = client.get(f"/docs/{name}")
    again = client.get(f"/docs/{name}", headers={"If-None-Match": unnamed.headers["ETag"]})

    assert named.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert unnamed.headers["Cache-Control"] == "no-cache"
    assert named.data == unnamed.data
    assert (again.status_code, again.data) == (304, b"")
    assert named.content_type.startswith("text/css" if name.endswith("css") else "text/javascript")


@pytest.mark.parametrize("name", ["docs.css", "docs.js"])
def test_a_file_of_our_own_is_revalidated_each_time(client: Any, name: str) -> None:
    first = client.get(f"/docs/{name}")
    again = client.get(f"/docs/{name}", headers={"If-None-Match": first.headers["ETag"]})

    assert (first.status_code, first.headers["Cache-Control"]) == (200, "no-cache")
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path",
    ["x.js", "docs.html", "__init__.py", "../docs", "..%2f__init__.py", "%2e%2e/app.py", "js/a", "%00"],
)
def test_nothing_else_has_a_path_there(client: Any, path: str) -> None:
    assert error(client.get(f"/docs/{path}")) == (404, "not_found", "No such path")


def test_a_slash_at_the_end_leads_to_the_page_below_any_prefix(client: Any) -> None:
    response = client.get("/docs/")

    assert (response.status_code, response.headers["Location"]) == (308, "../docs")


def test_the_page_is_no_request_that_counts() -> None:
    client = serve(route(predict))

    assert client.get("/docs/docs.js").status_code == 200
    assert client.get("/docs/nothing").status_code == 404
    assert "docs" not in client.get("/metrics").text


def test_a_route_can_not_have_the_path_of_the_page() -> None:
    with pytest.raises(ValueError, match="'/docs': GET of this path is the operators' own"):
        serve(route(predict, "/docs", methods=["GET"]))


def test_a_browser_with_an_unknown_path_gets_a_page_that_links_to_the_routes(client: Any) -> None:
    response = client.get("/no<b>", headers={"Accept": BROWSER})
    below = client.get("/no", headers={"Accept": BROWSER}, environ_overrides={"SCRIPT_NAME": "/v2"})

    assert (response.status_code, response.content_type) == (404, "text/html; charset=utf-8")
    assert "/no&lt;b&gt;" in response.text
    assert 'href="/docs"' in response.text
    assert 'href="/v2/docs"' in below.text
    assert response.headers["Vary"] == "Accept"
    assert response.headers["X-Request-ID"]
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_a_browser_with_a_wrong_method_gets_a_page_that_names_the_right_one(client: Any) -> None:
    response = client.get("/p", headers={"Accept": BROWSER})

    assert response.status_code == 405
    assert response.headers["Allow"] == "OPTIONS, POST"
    assert "This path answers OPTIONS, POST only" in response.text


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/json", "application/json, text/html", "text/*", "text/html;q=0", "text/css"],
)
def test_others_get_json(client: Any, accept: str) -> None:
    assert error(client.get("/no", headers={"Accept": accept})) == (404, "not_found", "No such path")


def test_what_a_handler_does_not_find_is_json_for_browsers_too() -> None:
    def find(text: str) -> str:
        """Find it."""
        from werkzeug.exceptions import NotFound

        raise NotFound("no such text")

    response = serve(route(find, methods=["GET"])).get("/p?text=a", headers={"Accept": BROWSER})

    assert error(response) == (404, "not_found", "no such text")
