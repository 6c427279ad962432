"""A Flask app in which other applications can be mounted.

The subclass decides when a request goes to a mount.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Request
from werkzeug.exceptions import NotFound

from aylien_model_serving.web.adapters.asgi_to_wsgi import Receive, Scope, Send
from aylien_model_serving.web.adapters.route_table import PATH_TOO_LONG, is_too_long
from aylien_model_serving.web.authenticated_app import AuthenticatedFlask
from aylien_model_serving.web.mounts import table
from aylien_model_serving.web.mounts.asgi_middleware import ASGIMiddleware
from aylien_model_serving.web.mounts.wsgi import Mount, MountServices
from aylien_model_serving.web.state import ServiceState


class MountingFlask(AuthenticatedFlask):
    """A Flask app with a table of mounts.

    Args:
        name: Flask's import name.
        state: settings, instruments and endpoints of the service.
    """

    #: Read by every request; true from the first mount on.
    _has_mounts = False

    #: Likewise; None without any.
    _asgi_middleware: ASGIMiddleware | None = None

    def __init__(self, name: str, state: ServiceState) -> None:
        super().__init__(name, state)
        self.mounts = table.Mounts(self.url_map)

    def create_url_adapter(self, request: Request | None) -> Any:
        if request is not None and is_too_long(request.path):
            raise NotFound(PATH_TOO_LONG)
        return super().create_url_adapter(request)

    def mount_wsgi(self, path: str, app: Any, *, guarded: bool = True) -> None:
        """Have a WSGI application, such as another Flask app, answer everything at and below a path.

        Args:
            path: such as "/admin", or "/" for all that no route answers; the application sees it as its
                SCRIPT_NAME.
            app: the application.
            guarded: whether its requests need one of the service's API keys, where it has any.

        Raises:
            ConfigurationError: the mount would hide a route, or is none.
        """
        self._mount(table.mount_wsgi(path, app, self._mount_services(guarded)))

    def mount_asgi(
        self, path: str, app: Any, *, middleware: Iterable[Any] = (), guarded: bool = True
    ) -> None:
        """Have an ASGI application, such as a FastAPI app, answer everything at and below a path.

        Args:
            path: such as "/api", or "/" for all that no route answers; the application sees it as its
                `root_path`.
            app: the application; its lifespan starts before its first request and ends with the process.
            middleware: ASGI middleware around it, the outermost first: classes, or pairs of a class and a
                dict of its options.
            guarded: whether its requests need one of the service's API keys, where it has any.

        Raises:
            ConfigurationError: the mount would hide a route, or is none.
        """
        self._mount(table.mount_asgi(path, app, self._mount_services(guarded), middleware))

    def add_middleware(self, kind: Any, **options: Any) -> None:
        """Put WSGI middleware around the service and all that is mounted in it; the last one is outermost.

        Args:
            kind: the class, or whatever makes a WSGI application of one: `kind(application, **options)`.
            options: handed to it.

        Raises:
            ConfigurationError: it can't be made so, or is not WSGI middleware.
        """
        self._check_setup_finished("add_middleware")
        layer = table.build("middleware", kind, self.wsgi_app, options)
        table.refuse_asgi(kind, layer)
        self.wsgi_app = layer  # type: ignore[method-assign]  # as Flask's own documentation does it

    def add_asgi_middleware(self, kind: Any, **options: Any) -> None:
        """Put ASGI middleware around the service and all that is mounted in it; the last one is outermost.

        It wraps the WSGI middleware, too. Under a WSGI server it runs on a loop of the process.

        Args:
            kind: the class, or whatever makes an ASGI application of one: `kind(application, **options)`.
            options: handed to it.

        Raises:
            ConfigurationError: it can't be made so, or is not ASGI middleware.
        """
        self._check_setup_finished("add_asgi_middleware")
        middleware = self._asgi_middleware
        if middleware is None:
            middleware = ASGIMiddleware(self.asgi_app, self)
        middleware.add(kind, options)
        self._asgi_middleware = middleware
        self.asgi_app = middleware.app  # type: ignore[assignment,method-assign]  # as `wsgi_app` is

    async def asgi_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application."""
        raise NotImplementedError

    def _mount_services(self, guarded: bool) -> MountServices:
        return MountServices(
            self._auth if guarded else None, self.state.instruments, self.state.error_responses
        )

    def _mount(self, mount: Mount) -> None:
        self._check_setup_finished("mount")
        self.mounts.add(mount)
        self._has_mounts = True

    def add_url_rule(self, rule: str, *arguments: Any, **options: Any) -> None:
        super().add_url_rule(rule, *arguments, **options)
        if self._has_mounts:
            self.mounts.refuse_hidden(self.url_map.iter_rules())
