"""Which service, and which of its routes, a URL leads to.

Floor 4. A service may be behind a path of its own, so its description is looked for at the host first, and
then along the URL's path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from aylien_model_serving.cli.asking import library
from aylien_model_serving.cli.faults import Failed, Misused, nearest
from aylien_model_serving.cli.fields import Word
from aylien_model_serving.errors import ServingError

if TYPE_CHECKING:
    from aylien_model_serving.client import Client
    from aylien_model_serving.client.document import Operation

#: Segments of a path, at most, that a service may be behind.
_DEEPEST = 4

_VALUE = re.compile(r"\\\{(\w+)\\\}")


class Located(NamedTuple):
    """A route of a service.

    Args:
        client: of the service.
        operation: the route.
        words: fields that the URL holds, in its path and in its query.
    """

    client: Client
    operation: Operation
    words: list[Word]


def locate(url: str, method: str | None, connect: Callable[[str], Client]) -> Located:
    """Return the route that a URL leads to.

    Args:
        url: of the route.
        method: the HTTP method; the first of POST, GET and so on that the route has when omitted.
        connect: makes a client of the service at a URL.

    Raises:
        Failed: there is no service that describes itself.
        Misused: it has no such route.
    """
    query = [Word(name, "=", value) for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True)]
    known: list[str] = []
    for base, path in _splits(url):
        client = connect(base)
        operations = _operations(client)
        for operation in operations:
            values = _match(operation.path, path)
            if values is not None and method in (None, operation.method):
                return Located(client, operation, [*values, *query])
        known += [_shown(operation) for operation in operations if not operation.is_own]
    if not known:
        raise Failed(f"{url}: no service that describes itself in /openapi.json answers there")
    path = urlsplit(url).path or "/"
    raise Misused(f"The service has no route {f'{method} ' if method else ''}{path}{nearest(path, known)}")


def _operations(client: Client) -> list[Operation]:
    """Return the operations of a service; none where there is no description of one."""
    try:
        return list(client._document().operations)
    except (ServingError, library().NotUnderstood):
        return []


def _splits(url: str) -> Iterator[tuple[str, str]]:
    """Yield each address that a service might have, and the path below it."""
    parts = urlsplit(url)
    segments = parts.path.strip("/").split("/") if parts.path.strip("/") else []
    for count in range(min(len(segments), _DEEPEST) + 1):
        base = "/".join(segments[:count])
        yield urlunsplit((parts.scheme, parts.netloc, f"/{base}", "", "")), "/" + "/".join(segments[count:])


def _match(template: str, path: str) -> list[Word] | None:
    """Return the values of a path; None where the template is another one's."""
    pattern = _VALUE.sub(r"(?P<\1>.+)", re.escape(template))
    found = re.fullmatch(pattern, path)
    return (
        None
        if found is None
        else [Word(name, "=", unquote(value)) for name, value in found.groupdict().items()]
    )


def _shown(operation: Operation) -> str:
    return operation.path
