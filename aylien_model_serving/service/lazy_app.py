"""The app of a service: built of its routes when it is first used, once in each process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flask.testing import FlaskClient

from aylien_model_serving.core import start_errors
from aylien_model_serving.core.variable_names import LOCALHOST, RUNPOD
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers.context import Context
from aylien_model_serving.servers.protocol_mark import mark_as_coroutine_function
from aylien_model_serving.service.registry import RouteRegistry
from aylien_model_serving.web import build as assembly
from aylien_model_serving.web import server_lifespan
from aylien_model_serving.web.app import ServingFlask

if TYPE_CHECKING:
    from typing_extensions import Never

#: What to write instead of what the services of other systems are made with.
_INSTEAD = {
    "lifespan": ": write @app.init, which runs before the first request",
    "middleware": ": write app.add_asgi_middleware(…)",
    "runners": ": write runner=True at the endpoint, whose handler is then hosted in processes of its own",
    "title": ": it is the name, Service('…')",
}


class LazyApp:
    """A WSGI and an ASGI application that is built of registered routes.

    Args:
        name: of the service.
        config: Flask's configuration.
        backend: "runpod" where RunPod's queue has the calls; None, or "fastapi", where HTTP has.
        deployment: "localhost" to try such a backend out on this machine; "serverless" or None to run there.

    Raises:
        ConfigurationError: an argument is unknown, or has another value.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        backend: str | None = None,
        deployment: str | None = None,
        **others: Never,
    ) -> None:
        for argument in others:
            raise ConfigurationError(f"Service has no {argument!r}{_INSTEAD.get(argument, '')}")
        self.name = name
        self._backend = _checked("backend", backend, (None, RUNPOD, "fastapi"))
        self._deployment = _checked("deployment", deployment, (None, LOCALHOST, "serverless"))
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

    def test_client(self, **options: Any) -> FlaskClient:
        """Return a client that calls the app without a server; see Flask's `test_client`."""
        return self.wsgi.test_client(**options)

    def mount_wsgi(self, path: str, app: Any, **options: Any) -> None:
        """Put a WSGI application below a path; see `ServingFlask.mount_wsgi`."""
        self._on_app(lambda flask: flask.mount_wsgi(path, app, **options))

    def mount_asgi(self, path: str, app: Any, **options: Any) -> None:
        """Put an ASGI application below a path; see `ServingFlask.mount_asgi`."""
        self._on_app(lambda flask: flask.mount_asgi(path, app, **options))

    def mount_wsgi_app(self, app: Any, path: str = "/", name: str | None = None) -> None:
        """Put a WSGI application below a path, as `mount_wsgi` does; its name is the path's."""
        self.mount_wsgi(path, app)

    def mount_asgi_app(self, app: Any, path: str = "/", name: str | None = None) -> None:
        """Put an ASGI application below a path, as `mount_asgi` does; its name is the path's."""
        self.mount_asgi(path, app)

    def add_asgi_middleware(self, kind: Any, **options: Any) -> None:
        """Put ASGI middleware around everything; see `ServingFlask.add_asgi_middleware`."""
        self._on_app(lambda flask: flask.add_asgi_middleware(kind, **options))

    def add_middleware(self, kind: Any, **options: Any) -> None:
        """Put WSGI middleware around everything; see `ServingFlask.add_middleware`."""
        self._on_app(lambda flask: flask.add_middleware(kind, **options))

    def _refuse_late(self, what: str) -> None:
        if self._wsgi is not None:
            raise ConfigurationError(f"the app has been built already, and takes no further {what}")

    def _on_app(self, add: Callable[[ServingFlask], None]) -> None:
        if self._wsgi is not None:
            add(self._wsgi)
        else:
            self._on_build.append(add)


def _checked(argument: str, value: str | None, known: tuple[str | None, ...]) -> str | None:
    if value not in known:
        words = " or ".join(repr(word) for word in known if word is not None)
        raise ConfigurationError(f"Service: {argument} is {words}, and not {value!r}")
    return value


def _is_lifespan(protocol: tuple[Any, ...]) -> bool:
    """Return whether a server asks an ASGI application to start: some serve on without one that raises."""
    return len(protocol) == 3 and protocol[0]["type"] == "lifespan"


mark_as_coroutine_function(LazyApp.__call__)
