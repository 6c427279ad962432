"""Routes as decorators: a service in one file, which `python service.py` serves.

A decorator registers a route dict and returns the function as it was; the app is built of the dicts when
it is first used, once in each process.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from aylien_model_serving.core.messages import current_job_id, current_request_id
from aylien_model_serving.core.settings import Settings, is_local_deployment
from aylien_model_serving.core.variable_names import LOCALHOST, RUNPOD
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.optimize import optimize
from aylien_model_serving.process import lifecycle
from aylien_model_serving.servers import commands, import_paths, platforms, summary
from aylien_model_serving.servers.commands import ServerOptions
from aylien_model_serving.servers.platforms import PlatformAddress
from aylien_model_serving.service import foreign_names
from aylien_model_serving.service.decorators import RouteDecorators
from aylien_model_serving.web.description import describe_app

__all__ = ["Service"]

logger = logging.getLogger(__name__)

#: What opens a service to others than its own machine.
_OPENING = 'host="0.0.0.0", or MODEL_SERVING_HOST=0.0.0.0,'


class Service(RouteDecorators):
    """A service whose routes are written as decorators.

    It is a WSGI and an ASGI application. Called without arguments it returns the app that answers, built by
    then: `gunicorn 'service:app()'`.

    Args:
        name: what /openapi.json and the store of jobs call it, unless MODEL_SERVING_SERVICE_NAME does.
        config: Flask's configuration, that of its cache included.
        backend: "runpod" where RunPod's queue has the calls, as with MODEL_SERVING_PLATFORM=runpod.
        deployment: "localhost" to try that out on this machine, by the local API of RunPod's SDK.
    """

    #: Whether the log has said what `set_cache` does in a handler.
    _has_warned = False

    def set_cache(self, context: Any) -> Any:
        """Make something the context of all handlers in this process, and return it."""
        if not self._has_warned and (current_request_id.get() != "-" or current_job_id.get()):
            self._has_warned = True
            logger.warning(
                "A handler calls set_cache(), which changes the context of process %d alone: other workers "
                "and replicas keep theirs. Store what all of them need in a database or Redis",
                os.getpid(),
            )
        self._context.value = context
        return context

    def get_cache(self) -> Any:
        """Return the context of this process; an empty dict before it is set."""
        return self._context.value

    def optimize(self, model: Any, **options: Any) -> Any:
        """Return what runs a PyTorch model quickly, which is moved and cast; any other model as it is.

        Args:
            model: the model.
            options: those of `aylien_model_serving.optimize.optimize`.
        """
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(model, torch.nn.Module):
            logger.warning("optimize() leaves a %s as it is: no PyTorch module", type(model).__name__)
            return model
        return optimize(model, **options)

    def serve(
        self,
        port: int = ServerOptions.port,
        workers: int | None = None,
        host: str = ServerOptions.host,
        server: str = ServerOptions.server,
        worker_class: str | None = None,
        reload: bool = False,
        log_level: str = ServerOptions.log_level,
        certfile: str | None = None,
        keyfile: str | None = None,
    ) -> None:
        """Become the server that serves this; where a server or a replica imports the module, do nothing.

        Args:
            port: of TCP; MODEL_SERVING_PORT goes before it.
            workers: processes, 2 when omitted, or 1 with `reload`; MODEL_SERVING_WORKERS goes before it.
            host: the address to listen on, "0.0.0.0" for all; MODEL_SERVING_HOST goes before it.
            server: "gunicorn" or "granian".
            worker_class: of Gunicorn, "asgi" when omitted; granian speaks WSGI with any other.
            reload: whether to start again when a file of the service changes, for development.
            log_level: of the server's own lines.
            certfile: path of a certificate and its chain as PEM, to serve HTTPS.
            keyfile: path of the certificate's private key, as PEM.

        Raises:
            SystemExit: it can't be served; the message says why.
        """
        if not import_paths.should_serve(sys._getframe(1)):
            return
        try:
            operators = Settings.load()
            workers = operators.workers or workers or (1 if reload else ServerOptions.workers)
            location = import_paths.find(self)
            is_runpod = (operators.platform or self._backend) == RUNPOD
            of_platform = platforms.address(operators) or PlatformAddress(host, port)
            options = ServerOptions(
                server=RUNPOD if is_runpod else server,
                host=operators.host or of_platform.host,
                port=of_platform.port if operators.port is None else operators.port,
                is_runpod_dev=is_runpod and (self._deployment == LOCALHOST or is_local_deployment()),
                workers=workers,
                worker_class=worker_class,
                reload=reload,
                log_level=log_level,
                certfile=certfile,
                keyfile=keyfile,
            )
            has_keys = bool(operators.api_keys)
            summary.show(location.target, self._description(), options, _OPENING, has_keys=has_keys)
            commands.run(f"{location.target}()", options, folder=location.folder)
        except ConfigurationError as error:
            sys.exit(f"{self.name or 'The service'} can't be served: {error}")

    start = serve

    if not TYPE_CHECKING:  # which would take every name for one that is there

        def __getattr__(self, name: str) -> NoReturn:
            raise foreign_names.missing(name, dir(type(self)))

    def _description(self) -> dict[str, Any]:
        """Return the routes and pages of this, of which nothing is loaded."""
        lifecycle.is_inspecting = True
        try:
            return describe_app(self.build())
        finally:
            lifecycle.is_inspecting = False
