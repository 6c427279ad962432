"""Which service and which route a URL leads to, of services that are only described."""

import json
from typing import Any, cast

import pytest

from aylien_model_serving.cli.errors import CommandFailed, InvalidUsage
from aylien_model_serving.cli.resolve_route import ResolvedRoute, resolve_route
from aylien_model_serving.client import Client, NotUnderstood
from aylien_model_serving.client.openapi import Document
from aylien_model_serving.errors import NotFound, Unauthorized

HOST = "http://service.test"


class Described:
    """A client of what is at an address, as far as `resolve_route` asks it."""

    def __init__(self, found: Document | Exception) -> None:
        self.found = found

    def _document(self) -> Document:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def service(*paths: str) -> Document:
    """Return what a service of these routes says of itself; values named `path` take slashes."""
    value = {"name": "path", "in": "path", "schema": {"type": "string", "x-path": True}}
    document = {path: {"get": {"parameters": [value], "responses": {}}} for path in paths}
    return Document(json.dumps({"info": {"title": ""}, "paths": document}).encode())


def located(path: str, found: dict[str, Any]) -> ResolvedRoute:
    """Return where a path leads to; nothing is at the addresses that are not given."""
    return resolve_route(
        HOST + path,
        None,
        lambda base: cast(Client, Described(found.get(base.removeprefix(HOST), NotFound("nothing")))),
    )


def test_a_service_that_refuses_is_reported_as_such() -> None:
    with pytest.raises(Unauthorized):
        located("/a", {"/": Unauthorized()})


def test_a_service_behind_another_that_refuses_is_found() -> None:
    found = located("/behind/a", {"/": Unauthorized(), "/behind": service("/a")})

    assert found.operation.path == "/a"


def test_where_no_service_describes_itself_that_is_reported() -> None:
    with pytest.raises(CommandFailed, match="no service that describes itself"):
        located("/a", {"/": NotUnderstood("a page")})


@pytest.mark.parametrize(
    ("path", "template", "values"),
    [
        ("/files/all", "/files/all", []),
        ("/files/a", "/files/{name}", ["a"]),
        ("/files/a/b", "/files/{path}", ["a/b"]),
        ("/files/a/size", "/files/{name}/size", ["a"]),
        ("/files/a%20b/size", "/files/{name}/size", ["a b"]),
    ],
)
def test_of_several_routes_the_one_with_the_least_text_in_its_values_is_meant(
    path: str, template: str, values: list[str]
) -> None:
    routes = ("/files/{name}", "/files/{path}", "/files/{name}/size", "/files/all")

    found = located(path, {"/": service(*routes)})

    assert found.operation.path == template
    assert [word.text for word in found.words] == values


def test_a_value_that_takes_no_slashes_is_one_segment() -> None:
    with pytest.raises(InvalidUsage, match="no route /users/a/b"):
        located("/users/a/b", {"/": service("/users/{name}")})


@pytest.mark.parametrize(
    ("path", "template"),
    [("/a/", "/a/"), ("/a", "/a"), ("/b/", "/b"), ("/c", "/c/"), ("", "/"), ("/", "/")],
)
def test_a_route_is_reached_with_a_slash_at_its_end_and_without(path: str, template: str) -> None:
    found = located(path, {"/": service("/", "/a", "/a/", "/b", "/c/")})

    assert found.operation.path == template
