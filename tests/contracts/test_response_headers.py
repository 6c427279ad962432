"""The headers that every response has, and what keeps a handler's HTML from running as the service's own."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, Response, abort, after_this_request, request

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.background.tasks import TaskResponse
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import ADAPTERS, Answer, Request, ServiceByAdapter

PAGE = "<script>alert(1)</script>"
POLICY = "default-src 'self'"


def page(kind: str) -> Response:
    return Response(PAGE, content_type=kind)


def page_in_context(kind: str) -> Response:
    return Response(request.args.get("nothing", PAGE), content_type=kind)


async def page_async(kind: str) -> Response:
    return Response(PAGE, content_type=kind)


def page_with_task(kind: str) -> Any:
    return TaskResponse(page(kind), background=str)


def page_streamed(kind: str) -> Response:
    return Response(iter([PAGE]), content_type=kind)


def page_aborted(kind: str) -> None:
    abort(Response(PAGE, 404, content_type=kind))


def turned_into_a_page(kind: str) -> str:
    @after_this_request
    def turn(response: Response) -> Response:
        response.content_type = kind
        return response

    return PAGE


def view() -> Response:
    return page(request.args["kind"])


def view_of_handler() -> Response:
    return FlaskAppWrapper.process_json(page)


def own_policy(kind: str) -> Response:
    return Response(PAGE, content_type=kind, headers={"content-security-policy": POLICY})


def attached(kind: str) -> Response:
    return Response(PAGE, content_type=kind, headers={"Content-Disposition": 'Attachment; filename="a"'})


def shown(kind: str) -> Response:
    return Response(PAGE, content_type=kind, headers={"Content-Disposition": "inline"})


def sniffing(kind: str) -> Response:
    return Response(PAGE, content_type=kind, headers={"X-Content-Type-Options": "please sniff"})


HANDLERS = [
    page,
    page_in_context,
    page_async,
    page_with_task,
    page_streamed,
    page_aborted,
    turned_into_a_page,
    view,
    view_of_handler,
]


async def mounted_asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        headers = [(b"content-type", b"text/html"), (b"X-Content-Type-Options", b"nosniff")]
        is_own = scope["path"].endswith("own")
        await send({"type": "http.response.start", "status": 200, "headers": headers[: 2 if is_own else 1]})
        await send({"type": "http.response.body", "body": PAGE.encode()})


def route(handler: Any, path: str = "", **keys: Any) -> dict[str, Any]:
    return {"endpoint": f"/{path or handler.__name__}", "callable": handler, "methods": ["GET"], **keys}


def build() -> ServingFlask:
    app = FlaskAppWrapper.create_app(
        [
            *map(route, HANDLERS),
            *map(route, (own_policy, attached, shown, sniffing)),
            *(
                route(
                    handler,
                    f"{handler.__name__}/{key}",
                    name=f"{handler.__name__}-{key}",
                    content_security_policy=value,
                )
                for handler in HANDLERS
                for key, value in (("open", None), ("chosen", POLICY))
            ),
        ]
    )
    app.add_url_rule("/by-hand", "by-hand", lambda: PAGE)
    mounted = Flask("mounted")
    mounted.add_url_rule("/page", "page", lambda: PAGE)
    mounted.add_url_rule("/own", "own", lambda: (PAGE, {"x-content-type-options": "nosniff"}))
    app.mount_wsgi("/flask", mounted)
    app.mount_asgi("/asgi", mounted_asgi)
    return app


@pytest.fixture(scope="module")
def service() -> ServiceByAdapter:
    return ServiceByAdapter(build, {"MODEL_SERVING_EXPOSE_ERRORS": "0"})


def get(service: ServiceByAdapter, adapter: str, path: str, kind: str = "text/html") -> Answer:
    return service.send(adapter, Request("GET", f"{path}?kind={kind}"))


def policies(answer: Answer) -> list[str]:
    return [value for name, value in answer.headers if name == "content-security-policy"]


PATHS = [
    *(f"/{handler.__name__}" for handler in HANDLERS),
    "/sniffing",
    "/nowhere",
    "/page/",
    "/livez",
    "/metrics",
    "/openapi.json",
    "/__dashboard",
    "/docs",
    "/",
    "/flask/page",
    "/flask/own",
    "/flask/nowhere",
    "/asgi/page",
    "/asgi/own",
]


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE"])
def test_no_browser_guesses_what_an_answer_is(service: ServiceByAdapter, adapter: str, method: str) -> None:
    for path in PATHS:
        answer = service.send(adapter, Request(method, f"{path}?kind=text/html"))

        found = [value for name, value in answer.headers if name == "x-content-type-options"]
        assert found == ["nosniff"], path


PAGES = ("text/html", "TEXT/HTML;%20charset=utf-8", "image/svg%2Bxml", "application/xhtml%2Bxml", "text/xml")
NO_PAGES = ("application/json", "text/plain", "image/png", "application/pdf", "text/css")


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handlers_page_runs_no_scripts_unless_the_route_says_otherwise(
    service: ServiceByAdapter, adapter: str, handler: Any
) -> None:
    path = f"/{handler.__name__}"

    for kind in PAGES:
        assert policies(get(service, adapter, path, kind)) == ["sandbox"], kind
    for kind in NO_PAGES:
        assert policies(get(service, adapter, path, kind)) == [], kind
    assert policies(get(service, adapter, f"{path}/open")) == []
    assert policies(get(service, adapter, f"{path}/chosen")) == [POLICY]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_handlers_own_headers_and_pages_of_flask_stay_as_they_are(
    service: ServiceByAdapter, adapter: str
) -> None:
    paths = ("/own_policy", "/attached", "/shown", "/by-hand", "/flask/page")

    found = [policies(get(service, adapter, path)) for path in paths]

    assert found == [[POLICY], [], ["sandbox"], [], []]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_all_adapters_add_the_same(service: ServiceByAdapter, adapter: str) -> None:
    for path in PATHS[:10]:
        assert get(service, adapter, path) == get(service, "flask", path), path


@pytest.mark.parametrize("value", ["", " ", 3, True, "default-src\n'self'", "\u00e9"])
def test_a_policy_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="route '/page': key 'content_security_policy': a policy"):
        FlaskAppWrapper.create_app([route(page, content_security_policy=value)])


@pytest.mark.parametrize("value", [None, False])
def test_no_policy_can_be_asked_for(value: Any) -> None:
    client = FlaskAppWrapper.create_app([route(page, content_security_policy=value)]).test_client()

    assert "Content-Security-Policy" not in client.get("/page?kind=text/html").headers
