"""Which RPC each route is: of a service that the user's own .proto defines, or of one that is generated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.openapi.responses import DescribedRoute
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.schemas import Schema

#: The service of methods that no .proto defines, where the service has no name.
_SERVICE = "ModelService"

_WORDS = re.compile(r"[A-Za-z][a-z0-9]*|[0-9]+")


@dataclass(frozen=True)
class Method:
    """One RPC.

    Args:
        service: full name of its service, as "vision.Classifier".
        name: as "Classify".
        route: that answers it.
        request: message type of what it takes.
        response: message type of what it returns.
        streams: whether it returns a stream of such.
        takes_stream: whether it takes a stream of its own.
        is_defined: whether a .proto of the user's defines it.
    """

    service: str
    name: str
    route: Route
    request: type[Message]
    response: type[Message]
    streams: bool
    takes_stream: bool
    is_defined: bool

    @property
    def path(self) -> str:
        """The path of its requests, as "/vision.Classifier/Classify"."""
        return f"/{self.service}/{self.name}"

    @property
    def http_method(self) -> str:
        """The HTTP method by which the route is asked."""
        return "POST" if "POST" in self.route.methods else self.route.methods[0]


def methods_of(described: Iterable[DescribedRoute], service_name: str | None) -> list[Method]:
    """Return the RPCs of routes, in their order.

    Args:
        described: the routes of a service.
        service_name: the service's name, if it has one.

    Raises:
        ConfigurationError: a route is not what the .proto says of its method, or two routes are one method.
    """
    found: list[Method] = []
    package = ""
    for each in described:
        if each.schema is None or reason_against(each) is not None:
            continue
        package = package or _package_of(each.schema)
        found.append(_method(each.route, each.schema, f"{package}{_camel_case(service_name) or _SERVICE}"))
    _refuse_twice(found)
    return found


def reason_against(described: DescribedRoute) -> str | None:
    """Return why a route is no RPC; None where it is one."""
    route = described.route
    if described.schema is None or described.schema.messages is None:
        return "its schema is no pair of protobuf messages"
    if route.job is not None:
        return "it has jobs"
    if route.path_names:
        return "its path has variable parts"
    return None


def _method(route: Route, schema: Schema, generated: str) -> Method:
    assert schema.messages is not None
    request, response = schema.messages
    defined = _named_by_schema(route.schema) or _only_one(_defined(schema))
    if defined is None:
        name = _camel_case(route.name) or "Call"
        return Method(
            generated, name, route, request, response, schema.streams, schema.takes_stream, is_defined=False
        )
    _check(route, defined, schema)
    service = defined.containing_service.full_name
    return Method(
        service, defined.name, route, request, response, schema.streams, schema.takes_stream, is_defined=True
    )


def _named_by_schema(schema: Any) -> MethodDescriptor | None:
    named = getattr(schema, "method", None)
    return named if isinstance(named, MethodDescriptor) else None


def _defined(schema: Schema) -> Iterator[MethodDescriptor]:
    """Yield the methods of a schema's types, streams or not, in the files that define these types."""
    descriptors = [cast(Descriptor, kind.DESCRIPTOR) for kind in schema.messages or ()]
    streams = (schema.takes_stream, schema.streams)
    files = {descriptor.file.name: descriptor.file for descriptor in descriptors}
    for file in files.values():
        for service in file.services_by_name.values():
            for method in service.methods:
                is_of_types = [method.input_type, method.output_type] == descriptors
                if is_of_types and (method.client_streaming, method.server_streaming) == streams:
                    yield method


def _only_one(methods: Iterable[MethodDescriptor]) -> MethodDescriptor | None:
    """Return the method if there is one alone: of several, the schema has to name one."""
    found = list(methods)
    return found[0] if len(found) == 1 else None


def _check(route: Route, method: MethodDescriptor, schema: Schema) -> None:
    place, streams = (
        f"route {route.endpoint!r}: the .proto says of {method.full_name} that it",
        schema.streams,
    )
    if method.client_streaming and not schema.takes_stream:
        raise ConfigurationError(
            f"{place} takes a stream: let the callable's only parameter be an Iterator of "
            f"{method.input_type.name}"
        )
    if schema.takes_stream and not method.client_streaming:
        raise ConfigurationError(f"{place} takes one message, and the callable takes an iterator of such")
    if method.server_streaming and not streams:
        raise ConfigurationError(
            f"{place} returns a stream: let the callable be a generator, or return an iterator"
        )
    if streams and not method.server_streaming:
        raise ConfigurationError(f"{place} returns one message, and the callable makes a stream of such")


def _refuse_twice(methods: Iterable[Method]) -> None:
    known: dict[str, Method] = {}
    for method in methods:
        other = known.setdefault(method.path, method)
        if other is not method:
            raise ConfigurationError(
                f"routes {other.route.endpoint!r} and {method.route.endpoint!r} are both the method "
                f"{method.path}: give one another name by its key 'name', or name a method of your .proto as "
                "its 'schema'"
            )


def _package_of(schema: Schema) -> str:
    """Return the package of a schema's request, with a dot behind it."""
    assert schema.messages is not None
    package = cast(Descriptor, schema.messages[0].DESCRIPTOR).file.package
    return f"{package}." if package else ""


def _camel_case(name: str | None) -> str:
    """Return a name as protobuf's style guide writes those of services and methods; "" where none is left."""
    words = _WORDS.findall(name or "")
    joined = "".join(word[0].upper() + word[1:] for word in words)
    return joined if joined[:1].isalpha() else ""
