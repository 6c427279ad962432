"""Puts any Python callable, a model above all, behind HTTP.

docs/architecture.md has the map of its rooms.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aylien_model_serving.app_factory import FlaskAppWrapper
    from aylien_model_serving.background.tasks import BackgroundTask, BackgroundTasks, TaskResponse
    from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
    from aylien_model_serving.core.callers import current_caller
    from aylien_model_serving.errors import InvalidRequest, ServingError
    from aylien_model_serving.jobs.progress import JobProgress
    from aylien_model_serving.media import AudioFile, ImageFile, MediaFile, VideoFile
    from aylien_model_serving.service import Service

__all__ = [
    "AudioFile",
    "BackgroundTask",
    "BackgroundTasks",
    "CachedFlaskAppWrapper",
    "FlaskAppWrapper",
    "ImageFile",
    "InvalidRequest",
    "JobProgress",
    "MediaFile",
    "Service",
    "ServingError",
    "TaskResponse",
    "VideoFile",
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
    "Service": "service",
    "current_caller": "core.callers",
    "MediaFile": "media",
    "ImageFile": "media",
    "AudioFile": "media",
    "VideoFile": "media",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: importing the package alone loads nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
