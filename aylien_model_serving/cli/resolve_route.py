"""Resolves a URL to a service, and to one of its routes.

A service may be mounted below a path prefix, so its description is requested at the root first, and
then along the URL's path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from aylien_model_serving.cli.errors import CommandFailed, InvalidUsage
from aylien_model_serving.cli.fields import FieldArgument
from aylien_model_serving.cli.service_client import library
from aylien_model_serving.core.suggest import suggestion
from aylien_model_serving.errors import NotFound, ServingError

if TYPE_CHECKING:
    from aylien_model_serving.client import Client
    from aylien_model_serving.client.openapi import Operation

#: Segments, at most, of a service's path prefix.
_DEEPEST = 4

_VALUE = re.compile(r"\{(\w+)\}")


class ResolvedRoute(NamedTuple):
    """A route of a service.

    Args:
        client: of the service.
        operation: the route.
        words: fields of the URL's path and query.
    """

    client: Client
    operation: Operation
    words: list[FieldArgument]


def resolve_route(url: str, method: str | None, connect: Callable[[str], Client]) -> ResolvedRoute:
    """Return the route that a URL resolves to.

    Args:
        url: of the route.
        method: the HTTP method; the first of POST, GET and so on that the route has when omitted.
        connect: makes a client of the service at a URL.

    Raises:
        CommandFailed: there is no service that describes itself.
        InvalidUsage: it has no such route.
        ServingError: it refuses this caller, who has no API key, say.
    """
    query = [
        FieldArgument(name, "=", value)
        for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True)
    ]
    known: list[str] = []
    refusal: ServingError | None = None
    for base, path in _splits(url):
        client = connect(base)
        try:
            operations = _operations(client)
        except ServingError as error:
            refusal = refusal or error
            continue
        found = _nearest([item for item in operations if method in (None, item.method)], path)
        if found is not None:
            operation, values = found
            return ResolvedRoute(client, operation, [*values, *query])
        known += [operation.path for operation in operations if not operation.is_own]
    if not known and refusal is not None:
        raise refusal
    if not known:
        raise CommandFailed(f"{url}: no service that describes itself in /openapi.json answers there")
    path = urlsplit(url).path or "/"
    raise InvalidUsage(
        f"The service has no route {f'{method} ' if method else ''}{path}{suggestion(path, known)}"
    )


def _operations(client: Client) -> list[Operation]:
    """Return the operations of a service; none where there is no description of one.

    Raises:
        ServingError: the service refuses to show it.
    """
    try:
        return list(client._document().operations)
    except (NotFound, library().NotUnderstood):
        return []


def _splits(url: str) -> Iterator[tuple[str, str]]:
    """Yield each URL at which a service might be, and the path below it."""
    parts = urlsplit(url)
    segments = parts.path.lstrip("/").split("/")  # the last is empty where the path ends with a slash
    deepest = len(segments) if segments[-1] else len(segments) - 1
    for count in range(min(deepest, _DEEPEST) + 1):
        base = "/".join(segments[:count])
        yield urlunsplit((parts.scheme, parts.netloc, f"/{base}", "", "")), "/" + "/".join(segments[count:])


def _nearest(operations: list[Operation], path: str) -> tuple[Operation, list[FieldArgument]] | None:
    """Return the operation that a path matches, and its values: of several, the one with the shortest values.

    A trailing slash makes a difference only where both are routes.
    """
    for end in ("", "/"):
        matches = [
            (operation, values)
            for operation in operations
            if (values := _match(operation, operation.path.removesuffix(end), path.removesuffix(end)))
            is not None
        ]
        if matches:
            return min(matches, key=lambda match: sum(len(word.text) for word in match[1]))
    return None


def _match(operation: Operation, template: str, path: str) -> list[FieldArgument] | None:
    """Return the values of a path; None where it does not match the template."""
    parts = _VALUE.split(template)  # text and names by turns
    pattern = re.escape(parts[0])
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        value = ".+" if operation.takes_slashes(name) else "[^/]+"
        pattern += f"(?P<{name}>{value}){re.escape(text)}"
    found = re.fullmatch(pattern, path)
    if found is None:
        return None
    return [FieldArgument(name, "=", unquote(value)) for name, value in found.groupdict().items()]
