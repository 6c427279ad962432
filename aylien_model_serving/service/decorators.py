"""The decorators that register routes: each returns the function as it was."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers.context import DEVICE
from aylien_model_serving.service import platform_paths
from aylien_model_serving.service.lazy_app import LazyApp
from aylien_model_serving.service.registry import check_body_handler, check_init

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from aylien_model_serving.service.registry import DecoratorKeys

_Handler = TypeVar("_Handler", bound=Callable[..., Any])


class RouteDecorators(LazyApp):
    """A service whose routes and init are written as decorators."""

    #: Whether the app has the paths of the platform whose handlers are called with the context and the body.
    _has_platform_paths = False

    @overload
    def endpoint(self, path: _Handler, /) -> _Handler: ...

    @overload
    def endpoint(
        self, path: str | None = None, **keys: Unpack[DecoratorKeys]
    ) -> Callable[[_Handler], _Handler]: ...

    def endpoint(self, path: Any = None, **keys: Any) -> Any:
        """Have a function, a class of handlers or an instance answer a path.

        Args:
            path: in Flask's rule syntax; "/" and the callable's name when omitted.
            keys: those of a route dict; `method` is one method, `max_upload_file_size_mb` the same as
                `max_body_mb`.

        Raises:
            ConfigurationError: a key is wrong, or the path is answered already.
        """
        return self._decorator(path, keys, sys._getframe(1))

    api = endpoint

    def get(self, path: str | None = None, **keys: Unpack[DecoratorKeys]) -> Callable[[_Handler], _Handler]:
        """Have a handler answer GET of a path; see `endpoint`."""
        return self._of_method("GET", path, keys, sys._getframe(1))

    def post(self, path: str | None = None, **keys: Unpack[DecoratorKeys]) -> Callable[[_Handler], _Handler]:
        """Have a handler answer POST of a path; see `endpoint`."""
        return self._of_method("POST", path, keys, sys._getframe(1))

    def put(self, path: str | None = None, **keys: Unpack[DecoratorKeys]) -> Callable[[_Handler], _Handler]:
        """Have a handler answer PUT of a path; see `endpoint`."""
        return self._of_method("PUT", path, keys, sys._getframe(1))

    def patch(self, path: str | None = None, **keys: Unpack[DecoratorKeys]) -> Callable[[_Handler], _Handler]:
        """Have a handler answer PATCH of a path; see `endpoint`."""
        return self._of_method("PATCH", path, keys, sys._getframe(1))

    def delete(
        self, path: str | None = None, **keys: Unpack[DecoratorKeys]
    ) -> Callable[[_Handler], _Handler]:
        """Have a handler answer DELETE of a path; see `endpoint`."""
        return self._of_method("DELETE", path, keys, sys._getframe(1))

    @overload
    def task_endpoint(self, path: _Handler, /) -> _Handler: ...

    @overload
    def task_endpoint(
        self, path: str | None = None, queue_size: int = 100, **keys: Unpack[DecoratorKeys]
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
    def handler(self, path: _Handler, /) -> _Handler: ...

    @overload
    def handler(
        self, path: str | None = None, **keys: Unpack[DecoratorKeys]
    ) -> Callable[[_Handler], _Handler]: ...

    def handler(self, path: Any = None, **keys: Any) -> Any:
        """Have `function(context, json_in)`, or `function(context, request)`, answer a path.

        Args:
            path: in Flask's rule syntax; "/" when omitted.
            keys: those of a route dict. The function gets the context, and all fields of a request in one
                dict, as `request.json` where the parameter is called `request`.

        Raises:
            ConfigurationError: the path is answered already, or the function does not take two arguments.
        """
        return self._body_decorator("handler", path, keys, sys._getframe(1))

    @overload
    def background(self, path: _Handler, /) -> _Handler: ...

    @overload
    def background(
        self, path: str | None = None, **keys: Unpack[DecoratorKeys]
    ) -> Callable[[_Handler], _Handler]: ...

    def background(self, path: Any = None, **keys: Any) -> Any:
        """Have each call of a path kept as a job, whose function is called as that of `handler`.

        Args:
            path: in Flask's rule syntax; "/" when omitted.
            keys: those of a route dict.

        Raises:
            ConfigurationError: the path is answered already, or the function does not take two arguments.
        """
        return self._body_decorator("background", path, {"job": True, **keys}, sys._getframe(1))

    def include_router(self, router: Any, **keys: Any) -> NoReturn:
        """Say what to write instead of a router.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(
            "a router of FastAPI has nothing that can be served here: decorate its handlers by @app.get, "
            "@app.post or @app.endpoint, or mount the whole FastAPI app by app.mount_asgi('/path', app)"
        )

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

    def _body_decorator(self, what: str, path: Any, keys: dict[str, Any], frame: FrameType) -> Any:
        def decorate(target: Any) -> Any:
            check_body_handler(what, target)
            if not self._has_platform_paths:
                self._has_platform_paths = True
                self._on_app(platform_paths.register)
            return self._add_route(target, given, keys, frame, takes_body=True)

        given = path if isinstance(path, str) else None if "route" in keys else "/"
        return decorate(path) if callable(path) else decorate

    def _of_method(
        self, method: str, path: str | None, keys: Mapping[str, Any], frame: FrameType
    ) -> Callable[[_Handler], _Handler]:
        for key in ("method", "methods"):
            if key in keys:
                raise ConfigurationError(
                    f"route {path!r}: @{method.lower()} says the method: write @endpoint for {key!r}"
                )
        decorator: Callable[[_Handler], _Handler] = self._decorator(
            path, {**keys, "methods": [method]}, frame
        )
        return decorator
