"""Parameters as FastAPI has them, which nobody fills here: what to write instead.

Pure. FastAPI and Starlette are not imported: their objects are recognised by module and name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.schemas import hint_parts
from aylien_model_serving.schemas.handler_hints import hints_of

_PACKAGES = ("fastapi", "starlette")

_INJECTED = (
    "nothing is injected: load it in @app.init and name a parameter context, or build it in the __init__ of "
    "a class whose instances are called"
)
_FIELD = (
    "a parameter is a field of the body, the query or the path without it: write the type with its limits, "
    "as Annotated[int, pydantic.Field(ge=1)], and its default behind ="
)
_HEADER = "write Header or Cookie of aylien_model_serving in its place, and its default behind ="

#: By the class of a default, of an extra of `Annotated`, or of the hint itself.
_INSTEAD = {
    "BackgroundTasks": "return TaskResponse(result, background=BackgroundTask(…))",
    "Body": f"{_FIELD}; aylien_model_serving.Body marks the whole body",
    "Cookie": _HEADER,
    "Depends": _INJECTED,
    "File": "write MediaFile, ImageFile, AudioFile, VideoFile or bytes as its type",
    "Form": _FIELD,
    "Header": _HEADER,
    "HTTPConnection": "read flask.request in the handler",
    "Path": _FIELD,
    "Query": _FIELD,
    "Request": "read flask.request in the handler; the fields of a body are parameters of their own",
    "Response": "return aylien_model_serving.Response(result, status=…, headers=…)",
    "Security": "set MODEL_SERVING_API_KEYS, and ask current_caller() who calls",
    "UploadFile": "write MediaFile, ImageFile, AudioFile or VideoFile",
    "WebSocket": "mount the FastAPI app that has it, by app.mount_asgi('/path', app)",
}


def refuse(handler: Callable[..., Any]) -> None:
    """Refuse a parameter that a web framework would fill.

    Raises:
        ConfigurationError: names the parameter, and what to write instead.
    """
    try:
        parameters = inspect.signature(handler).parameters
    except (TypeError, ValueError):
        return
    hints = hints_of(handler).found
    for name, parameter in parameters.items():
        for kind in _kinds(parameter.default, hints.get(name)):
            if (kind.__module__ or "").partition(".")[0] in _PACKAGES and kind.__name__ in _INSTEAD:
                raise ConfigurationError(
                    f"parameter {name!r} has {kind.__name__} of {kind.__module__.partition('.')[0]}: "
                    f"{_INSTEAD[kind.__name__]}"
                )


def _kinds(default: Any, hint: Any) -> Iterator[type]:
    """Yield the classes of a default and of what `Annotated` adds, and those that a hint names."""
    yield type(default)
    for part in hint_parts.parts_of(hint):
        yield from map(type, part.extras)
        if isinstance(part.hint, type):
            yield part.hint
