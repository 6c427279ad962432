"""Makes the app of Celery's whose workers run a service's jobs."""

from __future__ import annotations

import sys
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from aylien_model_serving.celery.worker import JobsWorker
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.jobs.broker import messages
from aylien_model_serving.process import lifecycle

if TYPE_CHECKING:
    from celery import Celery

#: Seconds that a process of Celery's pool may take to load the handlers.
_LOAD_SECONDS = 600.0

#: How Celery's workers see to their broker and their pool.
_OPTIONS: dict[str, Any] = {
    "broker_connection_max_retries": None,
    "broker_connection_retry_on_startup": True,
    "broker_connection_timeout": messages.CONNECT_SECONDS,
    "worker_prefetch_multiplier": 1,
    "worker_proc_alive_timeout": _LOAD_SECONDS,
}


def _is_celery_command() -> bool:
    """Return whether this process is one of Celery's commands, which serves nothing."""
    main = getattr(sys.modules["__main__"], "__spec__", None)
    return PurePath("".join(sys.argv[:1])).name == "celery" or getattr(main, "name", "").startswith("celery.")


# Modules that make their app when they are imported import this before.
if _is_celery_command():
    lifecycle.is_inspecting = True


def create_celery_app(source: Any) -> Celery:
    """Return an app whose workers run the jobs of a service.

    Nothing is built or connected before a worker starts, so a module may have this beside its service.

    Args:
        source: the service: a `Service`, an app, or the function that returns one of them.

    Raises:
        ConfigurationError: Celery is missing.
    """
    app = messages.create_celery(**_OPTIONS)
    app.add_defaults(_broker)
    JobsWorker(app, source).connect()
    return app


def _broker() -> dict[str, Any]:
    """Return where the broker is, for all of Celery's commands, once one asks."""
    return {"broker_url": Settings.load_public("jobs_broker").jobs_broker}
