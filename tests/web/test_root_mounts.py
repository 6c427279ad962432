"""An application at "/": it answers all that no route and no operators' page does."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask

from aylien_model_serving import Service
from aylien_model_serving.errors import ConfigurationError
from tests.contracts.adapters import Request, series_of
from tests.web.asgi_client import NEEDS_A_LOOP, run, send_request

fastapi_app = FastAPI()
flask_app = Flask("mounted", static_folder=None)


@fastapi_app.get("/metadata")
@flask_app.get("/metadata")
def metadata() -> dict[str, str]:
    return {"name": "iris"}


@fastapi_app.get("/")
@fastapi_app.get("/metrics")
@fastapi_app.get("/static/page")
@flask_app.get("/")
@flask_app.get("/metrics")
@flask_app.get("/static/page")
def page() -> dict[str, str]:
    return {"page": "theirs"}


def service(kind: str) -> Service:
    app = Service()

    @app.endpoint()
    def classify(petal_length: float) -> str:
        return "setosa" if petal_length < 2.5 else "virginica"

    if kind == "asgi":
        app.mount_asgi_app(fastapi_app)
    else:
        app.mount_wsgi_app(flask_app)
    return app


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
class TestBothKinds:
    def test_what_no_route_answers_is_its(self, kind: str) -> None:
        client = service(kind).test_client()

        assert client.get("/metadata").json == {"name": "iris"}
        assert client.get("/").json == client.get("/static/page").json == {"page": "theirs"}
        assert client.get("/nothing").status_code == 404

    def test_routes_and_operators_pages_go_first(self, kind: str) -> None:
        client = service(kind).test_client()

        assert client.post("/classify", json={"petal_length": 1}).json == "setosa"
        assert client.get("/classify").json["code"] == "method_not_allowed"
        assert client.get("/livez").text == "Success"
        assert client.get("/metrics").text.startswith("#")
        assert client.get("/__dashboard").mimetype == "text/html"

    def test_a_mount_below_goes_first_too(self, kind: str) -> None:
        app = service(kind)
        app.mount_wsgi("/below", flask_app)

        assert app.test_client().get("/below/metadata").json == {"name": "iris"}

    def test_its_requests_are_counted_as_those_of_its_path(self, kind: str) -> None:
        app = service(kind)
        app.test_client().get("/metadata")

        series = series_of(app.wsgi)

        assert (
            series['flask_http_request_duration_seconds_count{endpoint="/",method="GET",status="200"}'] == 1
        )

    @NEEDS_A_LOOP
    def test_under_an_asgi_server_as_well(self, kind: str) -> None:
        app: Any = service(kind)

        async def scenario() -> None:
            theirs = await send_request(app, Request("GET", "/metadata"))
            ours = await send_request(app, Request("POST", "/classify", body=b'{"petal_length": 1}'))

            assert (theirs.status, ours.status) == (200, 200)
            assert ours.body == b'"setosa"'

        run(scenario())


def test_one_route_that_leaves_no_path_is_refused() -> None:
    app = Service()
    app.endpoint("/<path:rest>")(lambda rest: rest)
    app.mount_wsgi_app(flask_app)

    with pytest.raises(ConfigurationError, match=r"mount '/': the route '/<path:rest>' leaves it no path"):
        _ = app.wsgi


def test_there_is_one_at_most() -> None:
    app = Service().wsgi
    app.mount_wsgi("/", flask_app)

    with pytest.raises(ConfigurationError, match="mount '/': something is mounted there already"):
        app.mount_asgi("/", fastapi_app)
