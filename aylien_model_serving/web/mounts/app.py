"""A Flask app that knows its callers, and in which other applications can be mounted.

The subclass decides when a request goes to a mount, and when its key is checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Flask, request

from aylien_model_serving.errors import Forbidden, Unauthorized
from aylien_model_serving.web.adapters.flask import request_info
from aylien_model_serving.web.adapters.request_info import EnvironHeaders, RequestInfo
from aylien_model_serving.web.auth import ApiKeyAuth, HeaderLookup
from aylien_model_serving.web.mounts import table
from aylien_model_serving.web.mounts.wsgi import Mount, MountServices
from aylien_model_serving.web.state import ServiceState


class MountingFlask(Flask):
    """A Flask app with API keys and a table of mounts.

    Args:
        name: Flask's import name.
        state: settings, instruments and endpoints of the service.
    """

    #: Read by every request; true from the first mount on.
    _has_mounts = False

    def __init__(self, name: str, state: ServiceState) -> None:
        super().__init__(name, static_folder=None)
        self.state = state
        self.mounts = table.Mounts(self.url_map)
        self._auth = ApiKeyAuth.of(state.settings.api_keys)

    def mount_wsgi(self, path: str, app: Any, *, guarded: bool = True) -> None:
        """Have a WSGI application, such as another Flask app, answer everything at and below a path.

        Args:
            path: such as "/admin"; the application sees it as its SCRIPT_NAME.
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
            path: such as "/api"; the application sees it as its `root_path`.
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

    def _mount_services(self, guarded: bool) -> MountServices:
        return MountServices(
            self._auth if guarded else None, self.state.instruments, self.state.error_responses
        )

    def _mount(self, mount: Mount) -> None:
        self._check_setup_finished("mount")
        self.mounts.add(mount)
        self._has_mounts = True

    def _identifies(self, headers: HeaderLookup, info: RequestInfo) -> bool:
        """Set a request's caller, and return whether it has one; Flask's adapter refuses it otherwise."""
        try:
            self.identify(headers, info)
        except (Unauthorized, Forbidden):
            return False
        return True

    def identify(self, headers: HeaderLookup, info: RequestInfo) -> None:
        """Set a request's caller, where the service has API keys.

        Raises:
            Unauthorized: it carries no key.
            Forbidden: it carries a wrong one.
        """
        if self._auth is not None:
            info.set_caller(self._auth.caller_of(headers))

    def check_key(self) -> None:
        """Refuse Flask's current request if it lacks a valid API key.

        Raises:
            Unauthorized: it carries no key.
            Forbidden: it carries a wrong one.
        """
        self.identify(EnvironHeaders(request.environ), request_info())

    def add_url_rule(self, rule: str, *arguments: Any, **options: Any) -> None:
        super().add_url_rule(rule, *arguments, **options)
        if self._has_mounts:
            self.mounts.refuse_hidden(self.url_map.iter_rules())
