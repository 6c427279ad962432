"""The service of the fuzz run: a route of every kind."""

from __future__ import annotations

from functools import cache
from typing import Any

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.web.app import ServingFlask
from examples import example_schema_pb2
from tests.fuzz import handlers
from tests.schemas.proto_files import message_class

#: What the service needs to be as it is in the run: nothing is written to a disk, and what it keeps, which
#: would look like a leak, is soon as much as it may be.
ENVIRONMENT = {
    "MODEL_SERVING_JOBS_URL": "memory://",
    "MODEL_SERVING_LOG_LEVEL": "CRITICAL",
    "MODEL_SERVING_CACHE_MB": "1",
    "MODEL_SERVING_JOBS_MAX_ENDED": "100",
}

#: What the services with keys have in addition: they are known by any name, and called by pages of any site.
OPEN_ENVIRONMENT = {"MODEL_SERVING_ALLOWED_HOSTS": "*", "MODEL_SERVING_CORS_ORIGINS": "*"}
KEY = "the-key"

GET = ["GET"]
BOTH = ["GET", "POST"]

_NUMBERS = """
message Numbers
repeated double values
optional int32 count
"""


_KNOWN = """
message Known
Timestamp at
Duration span
Any any
Struct struct
FieldMask mask
Int64Value wrapped
repeated Value items
int64 number
optional bytes data
repeated int32 several
"""


@cache
def known_schema() -> tuple[Any, None]:
    """Return the message of the route that takes protobuf's well-known types."""
    return message_class(_KNOWN, "Known"), None


@cache
def numbers_schema() -> tuple[Any, Any]:
    """Return the messages of the route that takes an array."""
    return message_class(_NUMBERS, "Numbers"), message_class(_NUMBERS, "Numbers")


def route(endpoint: str, target: Any, methods: Any = None, **keys: Any) -> dict[str, Any]:
    """Return a route that is named after its path."""
    name = keys.pop("name", endpoint.strip("/").replace("/", " "))
    return {"endpoint": endpoint, "callable": target, "methods": methods or ["POST"], "name": name, **keys}


def routes() -> list[dict[str, Any]]:
    """Return a route of every kind."""
    return [
        route("/echo", handlers.echo),
        route("/open", handlers.everything, ["POST", "PUT", "PATCH", "DELETE"]),
        route("/verbatim", handlers.verbatim, BOTH),
        route("/async", handlers.echo_async),
        route("/view", handlers.view),
        route("/view-with-schema", handlers.view_with_schema),
        route("/text", handlers.text_view, GET),
        route("/greet/<lang>/<int:number>", handlers.greet, BOTH, name="greet"),
        route("/weigh/<float:number>/<uuid:name>", handlers.everything, BOTH, name="weigh"),
        route("/files/<path:name>", handlers.find_file, GET, schema=None, name="files"),
        route("/folder/", handlers.echo),
        route("/folder/<lang>/", handlers.greet, name="inner folder"),
        route("/größe", handlers.echo, name="size"),
        route("/search", handlers.search, GET),
        route("/options", handlers.echo, ["POST", "OPTIONS"]),
        route("/upload", handlers.measure),
        route("/detect", handlers.detect, schema=example_schema_pb2),
        route("/numbers", handlers.numbers, schema=numbers_schema()),
        route("/known", handlers.everything, BOTH, schema=known_schema()),
        route("/cached", handlers.echo, cache=True),
        route("/cached-search", handlers.search, GET, cache=60),
        route("/cached-view", handlers.cached_view),
        route("/cached-numbers", handlers.numbers, schema=numbers_schema(), cache=True),
        route("/stream", handlers.stream, GET),
        route("/stream-async", handlers.stream_async, BOTH),
        route("/request", handlers.use_request, BOTH),
        route("/session", handlers.use_session),
        route("/background", handlers.in_the_background),
        route("/response", handlers.answer_file, BOTH),
        route("/hinted", handlers.hinted),
        route("/order", handlers.order, BOTH),
        route("/whole", handlers.whole),
        route("/any-value", handlers.any_value, BOTH),
        route("/shout", handlers.shout),
        route("/length", handlers.size),
        route("/message", handlers.message),
        route("/typed", handlers.typed, BOTH),
        route("/timed", handlers.echo, timeout=5),
        route("/batched", handlers.batched, batch={"max_size": 4, "max_wait_ms": 0}),
        route("/batched-stream", handlers.batched_stream, batch={"max_size": 4, "max_wait_ms": 0}),
        route("/threads", handlers.echo, threads=4),
        route("/limited", handlers.echo, BOTH, limit={"rate": "1000/second;9000/minute", "concurrent": 50}),
        *_media_routes(),
        *_job_routes(),
    ]


def _media_routes() -> list[dict[str, Any]]:
    return [
        route("/describe", handlers.picture, BOTH),
        route("/invert", handlers.invert),
        route("/listen", handlers.listen),
        route("/watch", handlers.watch),
        route("/compare", handlers.files),
    ]


def _job_routes() -> list[dict[str, Any]]:
    return [
        route("/work", handlers.work, job={"queue_size": 1000, "keep": 60}),
        route("/report", handlers.report, job={"queue_size": 1000, "keep": 60}),
        route("/items", handlers.work_in_items, job={"queue_size": 1000, "keep": 60}),
    ]


def _hosted_routes() -> list[dict[str, Any]]:
    """Return routes whose calls go to replicas."""
    return [
        route("/hosted", handlers.echo, BOTH, runner=True),
        route("/hosted-verbatim", handlers.verbatim, BOTH, runner=True),
        route("/hosted-detect", handlers.detect, schema=example_schema_pb2, runner=True),
        route("/hosted-batched", handlers.batched, runner=True, batch={"max_size": 4, "max_wait_ms": 1}),
        route("/hosted-batched-stream", handlers.batched_stream, runner=True, batch={"max_wait_ms": 1}),
        route("/hosted-stream", handlers.stream, GET, runner=True),
    ]


def service(*, hosted: bool = False) -> ServingFlask:
    """Return the service.

    Args:
        hosted: whether it has routes with runners too.
    """
    described = [*routes(), *(_hosted_routes() if hosted else [])]
    app = FlaskAppWrapper.create_app(described, {"SECRET_KEY": "secret"})
    app.mount_wsgi("/mounted-wsgi", handlers.mounted_wsgi)
    app.mount_asgi("/mounted-asgi", handlers.mounted_asgi)
    return app


def hosted_service() -> ServingFlask:
    """Return the service with routes whose calls go to replicas."""
    return service(hosted=True)
