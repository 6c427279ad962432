"""Has the gRPC server of a service hosted, by the supervisor of its replicas: any web worker does."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import threading
import time
from functools import cached_property

from flask import Response

from aylien_model_serving.core.settings import Settings, secret_variables
from aylien_model_serving.errors import ConfigurationError, NotFound
from aylien_model_serving.process import lifecycle, owner
from aylien_model_serving.replicas.client import hosted_code
from aylien_model_serving.replicas.client.supervisor_client import Replica, SupervisorClient
from aylien_model_serving.rpc.spec import Spec
from aylien_model_serving.servers import commands, import_paths, ports
from aylien_model_serving.service_definition.definition import ServiceDefinition
from aylien_model_serving.service_definition.methods import methods_of, reason_against
from aylien_model_serving.web import inference_routes, overrides
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.ops_endpoints import ROUTES_OPENED_BY

logger = logging.getLogger(__name__)

#: The name under which the supervisor hosts it.
_NAME = "gRPC"

#: Seconds in which the module of an app has to be imported, where no server tells that it serves.
_IMPORT_SECONDS = 60.0
_POLL_SECONDS = 0.1


def definition_of(app: ServingFlask) -> ServiceDefinition:
    """Return the gRPC services of an app.

    Raises:
        ConfigurationError: a route is not what a .proto says of its method.
    """
    routes = [each for each in app.state.routes if not each.is_own]
    return ServiceDefinition(methods_of(routes, app.state.settings.service_name))


def check(app: ServingFlask) -> None:
    """Refuse a gRPC server that could serve nothing.

    Raises:
        ConfigurationError: its package is not installed, no route is an RPC, or a route is not what its
            .proto says.
    """
    settings = app.state.settings
    if settings.grpc_port is None or lifecycle.is_job_worker:
        return
    if not lifecycle.is_inspecting and importlib.util.find_spec("grpc_health") is None:
        raise ConfigurationError(
            "MODEL_SERVING_GRPC_PORT: gRPC's packages are not installed: pip install 'model-serving[grpc]'"
        )
    if not definition_of(app).methods and not _has_models(app):
        routes = [each for each in app.state.routes if not each.is_own]
        reasons = [f"{each.route.endpoint}: {reason_against(each)}" for each in routes]
        raise ConfigurationError("; ".join(["MODEL_SERVING_GRPC_PORT: no route is an RPC", *reasons]))


def _has_models(app: ServingFlask) -> bool:
    """Return whether a route is a model of the Open Inference Protocol, whose service needs no messages."""
    return any(inference_routes.is_model(app.state.settings, each) for each in app.state.routes)


def register(app: ServingFlask) -> None:
    """Have the gRPC server of an app hosted, if it is to have one, and offer its definition by HTTP."""
    settings = app.state.settings
    if settings.grpc_port is None or lifecycle.is_job_worker or overrides.runs_here():
        return
    hosting = GRPCHosting(app)
    views = {"/service.proto": hosting.proto, "/service.protoset": hosting.descriptor_set}
    app.add_pages(views, opened_by=ROUTES_OPENED_BY)
    if not lifecycle.is_hosted():
        hosting.begin_when_serving()


class GRPCHosting:
    """The gRPC server of an app, who asks for it, and how it is defined.

    Args:
        app: the service.
    """

    #: Whether an app of this process has one already: a port is one app's.
    _is_taken = False

    def __init__(self, app: ServingFlask) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._has_begun = False

    def begin_when_serving(self) -> None:
        """Have the server hosted once this process serves, and its module has been imported."""
        lifecycle.when_serving(self.begin)
        if owner.find() != os.getpid() and "gunicorn.arbiter" not in sys.modules:
            threading.Thread(target=self._begin_soon, name="model-serving-grpc", daemon=True).start()

    def proto(self) -> Response:
        """Return the .proto that is generated for routes which none of the user's own has."""
        found = self._definition.proto
        if found is None:
            raise NotFound("All methods are defined by the service's own .proto: /service.protoset has it")
        return Response(found, content_type="text/plain; charset=utf-8")

    def descriptor_set(self) -> Response:
        """Return all files that clients need, as protoc's `--descriptor_set_in` takes them."""
        return Response(self._definition.descriptor_set, content_type="application/octet-stream")

    @cached_property
    def _definition(self) -> ServiceDefinition:
        return definition_of(self._app)

    def begin(self) -> None:
        """Have the server hosted; a further call does nothing."""
        try:
            target = lifecycle.app_uri or import_paths.find(self._app).target
            self._host(target)
        except (ConfigurationError, OSError) as error:
            logger.error("gRPC can't be served: %s", error)

    def _begin_soon(self) -> None:
        """Begin once another process would find the app, for servers that don't tell when they serve."""
        until = time.monotonic() + _IMPORT_SECONDS
        while not self._is_found() and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
        self.begin()

    def _is_found(self) -> bool:
        try:
            import_paths.find(self._app)
        except ConfigurationError:
            return False
        return True

    def _host(self, target: str) -> None:
        with self._lock:
            if self._has_begun or GRPCHosting._is_taken:
                return
            self._has_begun = GRPCHosting._is_taken = True
        settings = self._app.state.settings
        if settings.reload:
            hosted_code.begin()
        if owner.is_first("grpc"):  # a server's port may be shared, by others as well
            ports.check(settings.grpc_host or settings.host or commands.LOCAL, settings.grpc_port or 0)
        SupervisorClient.of_process().host(
            spec_of(settings, target, self._app.state.instruments.number), _ignore
        )


def _ignore(replicas: list[Replica]) -> None:
    """Do nothing: the server's process logs what it fails by, and nobody here calls it."""


def spec_of(settings: Settings, target: str, service: str) -> Spec:
    """Return what a gRPC server's processes host.

    Args:
        settings: of the service.
        target: the app, as in "service:app".
        service: the number of the service in this process.
    """
    return Spec.of_process(
        name=_NAME,
        target=target,
        replicas=settings.grpc_workers,
        devices="cpu",
        service=service,
        protocol="grpc",
        secrets=secret_variables(),
        generation=lifecycle.generation,
        reports_code=hosted_code.is_reloading,
        changes=hosted_code.digest_of_changes(service, _NAME),
    )
