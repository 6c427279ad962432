"""The client: calls a service of this library, from Python, by the service's own description.

    client = Client("http://localhost:8000")
    client.classify(text="…")

Its operations are generators of effects, with no I/O in them. A driver performs them: that of `_async` for
asyncio, from which `scripts/unasync.py` generates the blocking one of `_sync`. The wing knows nothing of how
services are made.
"""

from __future__ import annotations

try:
    import httpx as _httpx  # noqa: F401  # imported here, so that a missing one is reported in one line
except ImportError as error:
    raise ImportError("The client needs httpx: pip install 'model-serving[client]'") from error

from aylien_model_serving.client._async.client import AsyncClient
from aylien_model_serving.client._async.handles import AsyncJob, AsyncStream
from aylien_model_serving.client._sync.client import Client
from aylien_model_serving.client._sync.handles import Job, Stream
from aylien_model_serving.client.errors import (
    ClientError,
    ConnectionLost,
    JobCancelled,
    JobEnded,
    JobFailed,
    NotUnderstood,
    TimedOut,
    UnknownRoute,
    Unreachable,
)
from aylien_model_serving.client.files import ReceivedFile
from aylien_model_serving.client.jobs import JobState
from aylien_model_serving.client.reloads import RunnerReload
from aylien_model_serving.errors import InvalidRequest, ServingError

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "AsyncStream",
    "Client",
    "ClientError",
    "ConnectionLost",
    "InvalidRequest",
    "Job",
    "JobCancelled",
    "JobEnded",
    "JobFailed",
    "JobState",
    "NotUnderstood",
    "ReceivedFile",
    "RunnerReload",
    "ServingError",
    "Stream",
    "TimedOut",
    "UnknownRoute",
    "Unreachable",
]

for _name in set(__all__) - {"InvalidRequest", "ServingError"}:
    globals()[_name].__module__ = __name__  # signatures and tracebacks name it where users find it
