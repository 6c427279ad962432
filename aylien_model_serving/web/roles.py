"""Which part of a service with jobs this process is: the web tier, the workers of jobs, or both.

A web tier keeps jobs and runs none; it starts neither the replicas of their routes nor the models that these
alone call. A worker process answers no routes and starts nothing but these.
"""

from __future__ import annotations

from collections.abc import Iterable

from aylien_model_serving.core import start_log
from aylien_model_serving.core.secrets import without_passwords
from aylien_model_serving.core.setting_readers import ALL, WEB, WORKER
from aylien_model_serving.core.settings import Settings, asks_for_celery
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs.opening import is_shared
from aylien_model_serving.process import lifecycle, owner
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.web import overrides
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.job_store import MEMORY

#: What is told of the role, once for all processes of a service.
_ROLE = "role"

#: The apps of this process, a worker's, whose jobs it runs.
workers: list[ServingFlask] = []


def check(settings: Settings, routes: Iterable[Route]) -> None:
    """Refuse a role in which jobs would never run, or routes would never be answered.

    Raises:
        ConfigurationError: jobs are in the memory of one process, and others are to run them; or a server is
            to be a worker.
    """
    if settings.role == WORKER and not lifecycle.is_job_worker:
        raise ConfigurationError(
            f"MODEL_SERVING_ROLE={WORKER}: a server can't be a worker of jobs: start one by `model-serving "
            f"worker`, which sets it, and servers with {WEB!r} or {ALL!r}"
        )
    if not any(route.job for route in routes):
        return
    _check_broker(settings)
    if settings.role != ALL and settings.jobs_url == MEMORY:
        raise ConfigurationError(
            f"MODEL_SERVING_JOBS_URL={MEMORY} keeps jobs in the memory of one process, and in the role "
            f"{settings.role!r} another one needs them: name a file or a database that both reach, or leave "
            "it out for the project's own file"
        )


def _check_broker(settings: Settings) -> None:
    """Refuse Celery without a broker, and a store that its workers may not reach."""
    if settings.jobs_broker is None and asks_for_celery() and not overrides.runs_here():
        raise ConfigurationError(
            "FTAPI_BACKEND=celery: name the broker by MODEL_SERVING_JOBS_BROKER, as in amqp://… or redis://…"
        )
    if settings.jobs_broker is not None and not is_shared(settings.jobs_url or ""):
        raise ConfigurationError(
            "MODEL_SERVING_JOBS_BROKER: workers of Celery may be on any machine, so jobs have to be in a "
            "database: set MODEL_SERVING_JOBS_URL=postgresql://…, the same for them and for the service"
        )


def tell(settings: Settings) -> None:
    """Log once for the service that its jobs wait for others."""
    if settings.runs_jobs or not owner.is_first(_ROLE):
        return
    if settings.jobs_broker is None:
        start_log.logger.info("Jobs are kept and not run here: `model-serving worker` runs them")
    else:
        place = without_passwords(settings.jobs_broker)
        start_log.logger.info("Jobs are kept and not run here: workers of Celery are told at %s", place)


def answers(settings: Settings, route: Route) -> bool:
    """Return whether this process has an endpoint for a route."""
    return settings.role != WORKER or route.job is not None


def runs(settings: Settings, route: Route) -> bool:
    """Return whether this process, or replicas of it, run a route's handler."""
    if route.job is not None:
        return settings.runs_jobs
    return settings.role != WORKER
