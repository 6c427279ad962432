"""What a process that runs jobs, and is no server, has to host: the specs of a service's routes with jobs."""

from __future__ import annotations

from typing import NamedTuple

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.jobs.opening import open_store
from aylien_model_serving.jobs.retention import Limits
from aylien_model_serving.jobs.service_identity import ServiceIdentity
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.rpc.spec import Spec
from aylien_model_serving.web import executor_factory, job_store, roles
from aylien_model_serving.web.app import ServingFlask


class HostedJobs(NamedTuple):
    """The jobs of a service.

    Args:
        settings: of the service.
        url: of the store.
        service: its name there.
        specs: what runs the jobs, one for each route.
    """

    settings: Settings
    url: str
    service: str
    specs: tuple[Spec, ...]

    def open_store(self) -> Store:
        """Return the store, with connections of its own."""
        limits = Limits(self.settings.jobs_max_ended, self.settings.jobs_max_bytes)
        return open_store(self.url, limits, ServiceIdentity(self.service))


def hosted_jobs(app: ServingFlask) -> HostedJobs:
    """Return the jobs of a service, of which nothing is built.

    Args:
        app: made to be inspected.

    Raises:
        ConfigurationError: it has no jobs, or they are where no other process finds them.
    """
    routes = [described.route for described in app.state.routes if described.route.job is not None]
    if not routes:
        raise ConfigurationError("no route has the key 'job': there is nothing to work on")
    settings = app.state.settings
    roles.check(settings, routes)
    app.state.jobs = job_store.open_jobs(settings, routes)
    specs = tuple(executor_factory.spec_of(app.state, route) for route in routes)
    return HostedJobs(settings, app.state.jobs.url, app.state.jobs.service, specs)
