"""The service's own description, /openapi.json → its operations, by the names under which they are called.

Pure. Read by hand, because clients of OpenAPI documents (openapi-python-client and others) are generated as
source code beforehand, and a client of this library has the methods of the service that it finds.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aylien_model_serving.client.effects import STREAM_MEDIA_TYPES
from aylien_model_serving.client.errors import NotUnderstood, UnknownRoute
from aylien_model_serving.client.signatures import Schema, resolved, signature_of, type_of
from aylien_model_serving.core.suggest import suggestion

PATH = "/openapi.json"

#: Of several methods of one path, the first is the one that its plain name calls.
_METHODS = ("post", "get", "put", "patch", "delete")

_PATH_NAME = re.compile(r"\{(\w+)\}")
_RULE_VALUE = re.compile(r"<(?:[^<>]*:)?(\w+)>")


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    Args:
        name: what the document calls it.
        plain_name: without the method, which the document adds where one route has several of a path.
        method: the HTTP method in upper case.
        path: with the names of its values in braces.
        fields: the schema of each field that is known, those of the path included.
        is_known: whether the document describes the fields; of a view it can't.
        is_job: whether it is answered with a job.
        is_stream: whether it is answered item by item, as far as the document says.
        is_own: whether every service with jobs has it.
        text: what is said of it.
        signature: as a method; what a job or a stream is there is for the client to say.
    """

    name: str
    plain_name: str
    method: str
    path: str
    fields: Mapping[str, Schema]
    is_known: bool
    is_job: bool
    is_stream: bool
    is_own: bool
    text: str
    signature: inspect.Signature

    @property
    def path_names(self) -> list[str]:
        return _PATH_NAME.findall(self.path)

    def takes_slashes(self, name: str) -> bool:
        """Return whether a value of the path may go over several of its segments."""
        return self.fields.get(name, {}).get("x-path") is True


class Document:
    """The description of a service.

    Args:
        body: of /openapi.json.

    Raises:
        NotUnderstood: it is no such document.
    """

    def __init__(self, body: bytes) -> None:
        try:
            read = json.loads(body)
            self.title = str(read["info"]["title"])
            components = read.get("components", {}).get("schemas", {})
            operations = [
                operation
                for path, methods in read["paths"].items()
                for operation in _of_path(path, methods, components)
            ]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise NotUnderstood(f"{PATH} of this address is no description of a service") from error
        self.operations = operations
        self.by_name: dict[str, Operation] = {}
        routes = [operation for operation in operations if not operation.is_own]
        names = [(operation.name, operation) for operation in routes]
        names += [(operation.plain_name, operation) for operation in routes]
        names += [(operation.name, operation) for operation in operations]
        for name, operation in names:
            self.by_name.setdefault(name, operation)

    def names(self) -> list[str]:
        """Return the names of the service's routes, one for each path."""
        return list(
            dict.fromkeys(operation.plain_name for operation in self.operations if not operation.is_own)
        )

    def find(self, name: str) -> Operation:
        """Return the operation of a name or of a path, before which its method may stand.

        Raises:
            UnknownRoute: there is none.
        """
        method, _, path = name.rpartition(" ")
        if not path.startswith("/"):
            found = self.by_name.get(name)
        else:
            wanted = _RULE_VALUE.sub(r"{\1}", path)
            found = next(
                (
                    operation
                    for operation in self.operations
                    if operation.path == wanted and method.upper() in ("", operation.method)
                ),
                None,
            )
        if found is None:
            raise UnknownRoute(f"The service has no route {name!r}{suggestion(name, self.names())}")
        return found


def _of_path(path: str, methods: Mapping[str, Any], components: Mapping[str, Schema]) -> Iterator[Operation]:
    names = {
        method: methods[method].get("operationId") or path.strip("/")
        for method in _METHODS
        if method in methods
    }
    bases = {method: _base(name, method) for method, name in names.items()}
    for method, name in names.items():
        is_only = list(bases.values()).count(bases[method]) == 1
        plain_name = name if is_only else bases[method] or name
        yield _operation(path, method, (name, plain_name), methods[method], components)


def _base(name: str, method: str) -> str | None:
    """Return a name without the method, and the number after it, that the document may have added."""
    found = re.fullmatch(rf"(.+)_{method}(?:_\d+)?", name)
    return None if found is None else found[1]


def _operation(
    path: str,
    method: str,
    names: tuple[str, str],
    described: Mapping[str, Any],
    components: Mapping[str, Schema],
) -> Operation:
    parameters = {
        item["name"]: item for item in described.get("parameters", ()) if item["in"] in ("path", "query")
    }
    body = _body(described, components)
    fields = {name: item.get("schema", {}) for name, item in parameters.items()} | dict(
        body.get("properties", {})
    )
    required = {name for name, item in parameters.items() if item.get("required")} | set(
        body.get("required", ())
    )
    responses = described.get("responses", {})
    content = responses.get("200", {}).get("content", {})
    bare = body if body.get("type", "object") != "object" else None
    is_known = "requestBody" not in described or "properties" in body or bare is not None
    is_open = not is_known or bool(body.get("additionalProperties"))
    return Operation(
        name=names[0],
        plain_name=names[1],
        method=method.upper(),
        path=path,
        fields=fields,
        is_known=is_known,
        is_job="202" in responses,
        is_stream=bool(STREAM_MEDIA_TYPES & content.keys()),
        is_own="jobs" in described.get("tags", ()),
        text=described.get("description") or described.get("summary") or "",
        signature=signature_of(
            fields,
            required,
            components,
            is_open=is_open,
            returns=_returned(content, components),
            body=bare,
        ),
    )


def _body(described: Mapping[str, Any], components: Mapping[str, Schema]) -> Schema:
    """Return the schema of a body's fields; of several forms of it, the first that has them."""
    content = described.get("requestBody", {}).get("content", {})
    return next((resolved(form["schema"], components) for form in content.values() if "schema" in form), {})


def _returned(content: Mapping[str, Any], components: Mapping[str, Schema]) -> Any:
    schema: Schema = next((form["schema"] for form in content.values() if "schema" in form), {})
    return type_of(schema, components)
