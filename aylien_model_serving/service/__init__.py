"""Routes as decorators: a service in one file, which `python service.py` serves.

A decorator registers a route dict and returns the function as it was; the app is built of the dicts when
it is first used, once in each process.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from aylien_model_serving.core import start_errors
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers.context import DEVICE, Context
from aylien_model_serving.optimize import optimize
from aylien_model_serving.process import lifecycle
from aylien_model_serving.servers import commands, import_paths, summary
from aylien_model_serving.servers.commands import ServerOptions
from aylien_model_serving.servers.protocol_mark import mark_as_coroutine_function
from aylien_model_serving.service.registry import RouteRegistry, check_body_handler, check_init
from aylien_model_serving.web import build as assembly
from aylien_model_serving.web import server_lifespan
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.description import describe_app

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from aylien_model_serving.service.registry import RouteKeys

__all__ = ["Service"]

logger = logging.getLogger(__name__)

#: What opens a service to others than its own machine.
_OPENING = 'host="0.0.0.0", or MODEL_SERVING_HOST=0.0.0.0,'

_Handler = TypeVar("_Handler", bound=Callable[..., Any])


class Service:
    """A service whose routes are written as decorators.

    It is a WSGI and an ASGI application. Called without arguments it returns the app that answers, built by
    then: `gunicorn 'service:app()'`.

    Args:
        name: what /openapi.json and the store of jobs call it, unless MODEL_SERVING_SERVICE_NAME does.
        config: Flask's configuration, that of its cache included.
    """

    def __init__(self, name: str | None = None, *, config: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self._config = config
        self._context = Context(self, "_context")
        self._registry = RouteRegistry(self._context)
        self._on_build: list[Callable[[ServingFlask], None]] = []
        self._wsgi: ServingFlask | None = None
        self._lock = threading.RLock()

    @property
    def routes(self) -> list[dict[str, Any]]:
        """The route dicts, as `FlaskAppWrapper.create_app` takes them."""
        return self._registry.dicts()

    @property
    def wsgi(self) -> ServingFlask:
        """The app that serves, built at the first access; from then on no route can be added.

        Raises:
            ConfigurationError: a route can't be served.
        """
        with self._lock:
            if self._wsgi is None:
                self._wsgi = self.build()
            return self._wsgi

    def build(self) -> ServingFlask:
        """Return an app of its own of the routes so far, for tests; `wsgi` is the one that serves.

        Raises:
            ConfigurationError: a route can't be served.
        """
        app = assembly.build(self.routes, self._config, self.name)
        for add in self._on_build:
            add(app)
        return app

    def __call__(self, *protocol: Any) -> Any:
        """Answer a request, WSGI with two arguments and ASGI with three; without any, return the app."""
        app = self._wsgi
        if app is None:
            try:
                app = self.wsgi
            except Exception as error:
                if not _is_lifespan(protocol):
                    raise
                _, receive, send = protocol
                return server_lifespan.refuse_startup(receive, send, start_errors.told(error))
        return app(*protocol) if protocol else app

    @overload
    def endpoint(self, path: _Handler, /) -> _Handler: ...

    @overload
    def endpoint(
        self, path: str | None = None, **keys: Unpack[RouteKeys]
    ) -> Callable[[_Handler], _Handler]: ...

    def endpoint(self, path: Any = None, **keys: Any) -> Any:
        """Have a function, a class of handlers or an instance answer a path.

        Args:
            path: in Flask's rule syntax; "/" and the callable's name when omitted.
            keys: those of a route dict.

        Raises:
            ConfigurationError: a key is wrong, or the path is answered already.
        """
        return self._decorator(path, keys, sys._getframe(1))

    @overload
    def task_endpoint(self, path: _Handler, /) -> _Handler: ...

    @overload
    def task_endpoint(
        self, path: str | None = None, queue_size: int = 100, **keys: Unpack[RouteKeys]
    ) -> Callable[[_Handler], _Handler]: ...

    def task_endpoint(self, path: Any = None, queue_size: int = 100, **keys: Any) -> Any:
        """Have each call of a path kept as a job.

        Args:
            path: in Flask's rule syntax; "/" and the callable's name when omitted.
            queue_size: jobs that may wait; a further one is refused.
            keys: those of a route dict; `job` may say more of the jobs.

        Raises:
            ConfigurationError: a key is wrong, or the path is answered already.
        """
        job = keys.get("job")
        keys["job"] = {"queue_size": queue_size, **(job if isinstance(job, Mapping) else {})}
        return self._decorator(path, keys, sys._getframe(1))

    @overload
    def handler(self, function: _Handler, /) -> _Handler: ...

    @overload
    def handler(self, **keys: Unpack[RouteKeys]) -> Callable[[_Handler], _Handler]: ...

    def handler(self, function: Any = None, **keys: Any) -> Any:
        """Have a function answer POST / alone, called as `handler(context, json_in)`.

        Args:
            function: gets the context, and all fields of a request in one dict.
            keys: those of a route dict.

        Raises:
            ConfigurationError: there is such a handler already, or it does not take two arguments.
        """
        frame = sys._getframe(1)

        def decorate(target: Any) -> Any:
            check_body_handler(target)
            self._registry.register_once("handler", frame)
            return self._add_route(target, "/", keys, frame, takes_body=True)

        return decorate if function is None else decorate(function)

    def init(self, function: _Handler) -> _Handler:
        """Have a function run once in each process that hosts handlers, before it takes requests.

        What it returns, or gives to `set_cache`, is the context. An argument `device` gets the device of the
        process.

        Raises:
            ConfigurationError: there is an init already, or this one can't be called by itself.
        """
        check_init(function, DEVICE)
        self._refuse_late("init")
        self._registry.register_once("init", sys._getframe(1))
        self._context.make = function
        return function

    def set_cache(self, context: Any) -> Any:
        """Make something the context of all handlers in this process, and return it."""
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

    def mount_wsgi(self, path: str, app: Any, **options: Any) -> None:
        """Put a WSGI application below a path; see `ServingFlask.mount_wsgi`."""
        self._on_app(lambda flask: flask.mount_wsgi(path, app, **options))

    def mount_asgi(self, path: str, app: Any, **options: Any) -> None:
        """Put an ASGI application below a path; see `ServingFlask.mount_asgi`."""
        self._on_app(lambda flask: flask.mount_asgi(path, app, **options))

    def add_middleware(self, kind: Any, **options: Any) -> None:
        """Put WSGI middleware around everything; see `ServingFlask.add_middleware`."""
        self._on_app(lambda flask: flask.add_middleware(kind, **options))

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
            worker_class: of Gunicorn, "asgi" when omitted; granian speaks WSGI unless "asgi" is given.
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
            options = ServerOptions(
                server=server,
                host=operators.host or host,
                port=port if operators.port is None else operators.port,
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

    def _description(self) -> dict[str, Any]:
        """Return the routes and pages of this, of which nothing is loaded."""
        lifecycle.is_inspecting = True
        try:
            return describe_app(self.build())
        finally:
            lifecycle.is_inspecting = False

    def _decorator(self, path: Any, keys: dict[str, Any], frame: FrameType) -> Any:
        """Return the decorator of one route, or what it would return where it was put on by itself."""
        if callable(path):
            return self._add_route(path, None, keys, frame)
        return lambda target: self._add_route(target, path, keys, frame)

    def _add_route(
        self,
        target: Any,
        path: str | None,
        keys: dict[str, Any],
        frame: FrameType,
        *,
        takes_body: bool = False,
    ) -> Any:
        self._refuse_late("route")
        self._registry.add(target, path, keys, frame, takes_body=takes_body)
        return target

    def _refuse_late(self, what: str) -> None:
        if self._wsgi is not None:
            raise ConfigurationError(f"the app has been built already, and takes no further {what}")

    def _on_app(self, add: Callable[[ServingFlask], None]) -> None:
        if self._wsgi is not None:
            add(self._wsgi)
        else:
            self._on_build.append(add)


def _is_lifespan(protocol: tuple[Any, ...]) -> bool:
    """Return whether a server asks an ASGI application to start: some serve on without one that raises."""
    return len(protocol) == 3 and protocol[0]["type"] == "lifespan"


mark_as_coroutine_function(Service.__call__)
