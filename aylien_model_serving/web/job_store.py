"""Opens the store of a service's jobs, where the settings say, or beside the service's project."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from aylien_model_serving.core import start_log
from aylien_model_serving.core.secrets import without_passwords
from aylien_model_serving.core.setting_readers import WORKER
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers import callables
from aylien_model_serving.jobs.broker.sender import MessageSender
from aylien_model_serving.jobs.default_place import default_file, expected_file
from aylien_model_serving.jobs.opening import is_shared, open_store
from aylien_model_serving.jobs.retention import Limits
from aylien_model_serving.jobs.service_identity import ServiceIdentity
from aylien_model_serving.process import owner
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.web.state import JobStore

#: The store in the process's memory, in which services of one name are numbered.
MEMORY = "memory://"

#: Bytes of it, at most.
_MAX_MEMORY = 256 * 1024 * 1024

_numbers = itertools.count(1)


def open_jobs(settings: Settings, routes: Iterable[Route]) -> JobStore:
    """Return the store of a service's jobs.

    Args:
        settings: may name another one, and the service.
        routes: the service's; without a name it is known by the module of the first handler of jobs.

    Raises:
        ConfigurationError: webhooks are allowed, and nothing is there to sign them with; or nothing can be
            written where the store would be, or it is another service's.
    """
    with_jobs = [route for route in routes if route.job is not None]
    module, service = _identity(settings, with_jobs)
    url = settings.jobs_url or f"sqlite:///{default_file(module, service, settings.state_home)}"
    if settings.webhook_allow and settings.webhook_secret is None:
        raise ConfigurationError(
            "MODEL_SERVING_WEBHOOK_ALLOW: webhooks are signed: set MODEL_SERVING_WEBHOOK_SECRET as well"
        )
    if is_shared(url) and settings.service_name is None:
        raise ConfigurationError(
            "MODEL_SERVING_JOBS_URL: services that share a store of jobs are told apart by their names: set "
            'MODEL_SERVING_SERVICE_NAME, or write Service("a name")'
        )
    if url != MEMORY and owner.is_first(start_log.PLACE_OF_JOBS):
        start_log.logger.info("Jobs are kept in %s", _shown(url))
    limits = Limits(settings.jobs_max_ended, settings.jobs_max_bytes)
    if url == MEMORY:
        limits = replace(limits, max_bytes=min(limits.max_bytes, _MAX_MEMORY))
        return JobStore(url, open_store(url, limits), f"{service} {next(_numbers)}", is_memory=True)
    handlers = tuple(f"{route.name}={callables.identity(route.callable)}" for route in with_jobs)
    store = open_store(url, limits, ServiceIdentity(service, handlers))
    sender = None
    if settings.jobs_broker is not None and settings.role != WORKER:
        sender = MessageSender(settings.jobs_broker, service)
    return JobStore(url, store, service, is_memory=False, sender=sender)


def place_of_jobs(settings: Settings, routes: Sequence[Route]) -> str | None:
    """Return where a service's jobs will be kept, for people; None where no route has any."""
    if not any(route.job for route in routes):
        return None
    module, service = _identity(settings, routes)
    return _shown(settings.jobs_url or str(expected_file(module, service, settings.state_home)))


def _shown(url: str) -> str:
    return without_passwords(url.removeprefix("sqlite:///"))


def _identity(settings: Settings, routes: Iterable[Route]) -> tuple[str, str]:
    """Return the module of the first handler of jobs, and the name of the service, which may be the same."""
    handler = next(route.callable for route in routes if route.job is not None)
    module = str(getattr(handler, "__module__", None) or "__main__")
    return module, (settings.service_name or module).encode("utf-8", "backslashreplace").decode()
