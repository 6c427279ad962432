"""Puts any Python callable, a model above all, behind HTTP.

docs/architecture.md has the map of its rooms.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aylien_model_serving.app_factory import FlaskAppWrapper
    from aylien_model_serving.background.tasks import BackgroundTask, BackgroundTasks, TaskResponse
    from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
    from aylien_model_serving.codecs.response import Response
    from aylien_model_serving.core.call_scope import current_call
    from aylien_model_serving.core.callers import current_caller
    from aylien_model_serving.core.cancellation import Cancelled
    from aylien_model_serving.errors import InvalidRequest, ServingError
    from aylien_model_serving.handlers.json_request import Request
    from aylien_model_serving.handlers.markers import Body, Cookie, Header, Nested
    from aylien_model_serving.handlers.steps import Done
    from aylien_model_serving.jobs.progress import JobProgress
    from aylien_model_serving.media import AudioFile, ImageFile, MediaFile, VideoFile
    from aylien_model_serving.models.handle import Model
    from aylien_model_serving.schemas.markers import DType, Shape
    from aylien_model_serving.service import Service

__all__ = [
    "AudioFile",
    "BackgroundTask",
    "BackgroundTasks",
    "Body",
    "CachedFlaskAppWrapper",
    "Cancelled",
    "Cookie",
    "DType",
    "Done",
    "FlaskAppWrapper",
    "Header",
    "ImageFile",
    "InvalidRequest",
    "JobProgress",
    "MediaFile",
    "Model",
    "Nested",
    "Request",
    "Response",
    "Service",
    "ServingError",
    "Shape",
    "TaskResponse",
    "VideoFile",
    "current_call",
    "current_caller",
]

_HOMES = {
    "FlaskAppWrapper": "app_factory",
    "CachedFlaskAppWrapper": "cached_app_factory",
    "BackgroundTask": "background.tasks",
    "BackgroundTasks": "background.tasks",
    "TaskResponse": "background.tasks",
    "InvalidRequest": "errors",
    "ServingError": "errors",
    "JobProgress": "jobs.progress",
    "Model": "models.handle",
    "Body": "handlers.markers",
    "Cookie": "handlers.markers",
    "Header": "handlers.markers",
    "Nested": "handlers.markers",
    "Request": "handlers.json_request",
    "Response": "codecs.response",
    "Service": "service",
    "DType": "schemas.markers",
    "Done": "handlers.steps",
    "Shape": "schemas.markers",
    "Cancelled": "core.cancellation",
    "current_call": "core.call_scope",
    "current_caller": "core.callers",
    "MediaFile": "media",
    "ImageFile": "media",
    "AudioFile": "media",
    "VideoFile": "media",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: importing the package alone loads nothing."""
    if name not in _HOMES:
        module = sys.modules[__name__]  # by which Python suggests the nearest name
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=module)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names, also those that were not asked for yet: for shells that complete them."""
    return sorted({*globals(), *__all__})
