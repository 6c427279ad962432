"""Puts any Python callable, a model above all, behind HTTP.

The house, floor by floor; imports point down, or to a neighbour, and never in a circle.

    4  app_factory cached_app_factory        what users import: FlaskAppWrapper, CachedFlaskAppWrapper
    4  service/                              the same, written as decorators: Service
    4  gunicorn_hooks gunicorn_mends/        what Gunicorn is told, and does otherwise
    4  testing/                              a side door: services started for tests, or answering within them
    4  client/                               a side door: asks services
    4  cli/ __main__                         a side door: the command line `model-serving`
    4  web/                                  the rooms that know Flask: doors, operators' endpoints, assembly
    4  optimize                              a side door: PyTorch models made quick to ask
    3  pipeline                              the way of a request
    3  openapi openapi_answers openapi_calls  the document that tells clients of the routes
    3  routes route_keys                     route dicts, what each key may hold, and every mistake
    3  servers programs ports                who serves an app in production, and where it finds it
    3  replicas/                             the processes behind the web workers: supervisor, replicas
    2  runners/                              where a handler runs
    2  jobs/                                 calls that are kept until they are done
    1  codecs/ schemas/                      pure: bytes ↔ fields, fields → valid fields
    1  media/                                files: what they are, how they come, decoding, URLs
    1  caching metrics                       kept answers; instruments
    1  metric_files metric_values            the files that hold their counts, and the counts in them
    1  runner_metrics                        the instruments of runners
    1  background                            what is to be done once an answer has been sent
    1  batching                              when an idle model takes those who wait
    1  streaming                             items of a generator → chunks of a body
    1  failures logs handlers signatures     how errors are told, log lines, what a callable takes
    1  context                               what the handlers of a service share within a process
    1  docstrings                            what a callable says of itself
    0  errors messages settings owner hints  standard library only
    0  lifecycle                             whether the process is on its way out
    0  allocator                             what it keeps of freed memory
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aylien_model_serving.app_factory import FlaskAppWrapper
    from aylien_model_serving.background import BackgroundTask, BackgroundTasks, TaskResponse
    from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
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
]

_HOMES = {
    "FlaskAppWrapper": "app_factory",
    "CachedFlaskAppWrapper": "cached_app_factory",
    "BackgroundTask": "background",
    "BackgroundTasks": "background",
    "TaskResponse": "background",
    "InvalidRequest": "errors",
    "ServingError": "errors",
    "JobProgress": "jobs.progress",
    "Service": "service",
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
