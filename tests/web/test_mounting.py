"""Which mounts are accepted, and which are refused at start."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from flask import Blueprint, Flask

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.web.app import ServingFlask
from tests.mounted import Seen, Stamp, half


def service(*endpoints: str) -> ServingFlask:
    return FlaskAppWrapper.create_app(
        [{"endpoint": endpoint, "callable": lambda **fields: fields} for endpoint in endpoints]
    )


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("/half", "/half"),
        ("/half", "/half/"),
        ("/v1/half", "/v1"),
        ("/v1/<language>/half", "/v1"),
        ("/v1/<language>/half", "/v1/en"),
        ("/<language>/half", "/en"),
        ("/v<int:number>/half", "/v1"),
        ("/pages/<path:page>", "/pages"),
    ],
)
def test_a_mount_that_would_hide_a_route_is_refused(endpoint: str, path: str) -> None:
    app = service(endpoint)

    with pytest.raises(
        ConfigurationError, match=rf"^mount '{path.rstrip('/')}'.* hide '{endpoint}'.* a route"
    ):
        app.mount_wsgi(path, Flask("mounted"))


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("/half", "/half2"),
        ("/v1/half", "/v1/half/more"),
        ("/v<int:number>/half", "/vx"),
        ("/v1/<any(de, fr):language>/half", "/v1/en"),
        ("/<path:page>", "/pages"),
    ],
)
def test_a_mount_beside_a_route_is_taken(endpoint: str, path: str) -> None:
    app = service(endpoint)

    app.mount_wsgi(path, Flask("mounted"))

    assert [(mount.path, mount.protocol) for mount in app.mounts] == [(path, "wsgi")]


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/__ping", "/openapi.json"])
def test_the_operators_paths_are_their_own(path: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"'{path}', which is the operators' own"):
        service().mount_asgi(path, FastAPI())


@pytest.mark.parametrize(
    "path", ["", "//", "admin", "/<name>", "/a//b", "/a?b", "/a/../b", "/caf\xe9", None, 3]
)
def test_a_path_that_is_none_is_refused(path: Any) -> None:
    with pytest.raises(ConfigurationError, match="a path like '/admin' is expected"):
        service().mount_wsgi(path, Flask("mounted"))


def test_two_applications_at_one_path_are_refused() -> None:
    app = service()
    app.mount_wsgi("/admin", Flask("mounted"))

    with pytest.raises(ConfigurationError, match="something is mounted there already"):
        app.mount_asgi("/admin/", FastAPI())


def test_a_route_that_comes_later_is_refused_too() -> None:
    app, pages = service(), Blueprint("pages", "pages", url_prefix="/admin")
    pages.add_url_rule("/users", view_func=half)
    app.mount_wsgi("/admin", Flask("mounted"))

    with pytest.raises(ConfigurationError, match="'/admin/users', which is a route"):
        app.register_blueprint(pages)


@pytest.mark.parametrize(
    ("method", "app", "hint"),
    [
        ("mount_wsgi", FastAPI(), "it is an ASGI application, for mount_asgi$"),
        ("mount_asgi", Flask("mounted"), "it is a WSGI application, for mount_wsgi$"),
        ("mount_wsgi", "flask_app", "'flask_app' can't be called as a WSGI application$"),
        ("mount_asgi", None, "None can't be called as an ASGI application$"),
    ],
)
def test_an_application_of_the_wrong_kind_is_refused(method: str, app: Any, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=hint):
        getattr(service(), method)("/admin", app)


@pytest.mark.parametrize("method", ["mount_wsgi", "mount_asgi"])
def test_a_service_may_be_mounted_in_another_as_either_kind(method: str) -> None:
    getattr(service(), method)("/other", service())


def test_middleware_of_the_wrong_kind_or_with_wrong_options_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Stamp: .* it is ASGI middleware, for add_asgi_middleware"):
        service().add_middleware(Stamp, stamp="a")
    with pytest.raises(ConfigurationError, match=r"middleware Seen: .*unexpected keyword argument 'colour'"):
        service().add_middleware(Seen, colour="red")
    with pytest.raises(ConfigurationError, match=r"mount '/a': middleware Stamp: .*'stamp'"):
        service().mount_asgi("/a", FastAPI(), middleware=[Stamp])
