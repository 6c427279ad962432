"""Flask's contexts, created only when a handler uses them.

Outside of Flask's dispatch a handler can still use `request`, `current_app`, `g` and `session`: a proxy is
set in Flask's context variables, and creates the real context at its first attribute access.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import flask.globals
from flask import Flask, Response
from werkzeug.exceptions import BadRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from flask.ctx import AppContext, RequestContext
    from typing_extensions import Self

#: Flask's context variables.
_APP: Any = getattr(flask.globals, "_cv_app", None)
_REQUEST: Any = getattr(flask.globals, "_cv_request", None)

#: prometheus-flask-exporter's `do_not_track` leaves this mark on a request.
_UNTRACKED_MARK = "prom_do_not_track"


def missing_variables() -> list[str]:
    """Return the context variables that this Flask lacks; without them no proxy can be set."""
    return [name for name in ("_cv_app", "_cv_request") if not hasattr(flask.globals, name)]


def flasks_own() -> RequestContext | None:
    """Return the current request's context if it is dispatched by Flask, else None."""
    current: Any = flask.globals.request_ctx
    context = current._get_current_object() if flask.has_request_context() else None
    return None if isinstance(context, _RequestContextProxy) else context


def is_untracked(request: object) -> bool:
    """Return whether a request is not to be counted."""
    return hasattr(request, _UNTRACKED_MARK)


def mark_untracked(request: object) -> None:
    """Exclude a request from the counts."""
    setattr(request, _UNTRACKED_MARK, True)


class LazyContexts:
    """The contexts of one request that Flask does not dispatch.

    Args:
        app: the app that answers.
        environ: returns the WSGI environ, its body included.
    """

    __slots__ = ("_app_token", "_environ", "_request_token", "app", "app_context", "request_context")

    def __init__(self, app: Flask, environ: Callable[[], WSGIEnvironment]) -> None:
        self.app = app
        self._environ = environ
        self.app_context: AppContext | None = None
        self.request_context: RequestContext | None = None

    def __enter__(self) -> Self:
        self._app_token = _APP.set(_AppContextProxy(self))
        self._request_token = _REQUEST.set(_RequestContextProxy(self))
        return self

    def __exit__(self, *_: object) -> None:
        _APP.reset(self._app_token)
        _REQUEST.reset(self._request_token)
        if self.request_context is not None:
            self.request_context.request.close()

    def open_app(self) -> AppContext:
        """Return the application context, created at the first call."""
        if self.app_context is None:
            self.app_context = self.app.app_context()
        return self.app_context

    def open_request(self) -> RequestContext:
        """Return the request context, created at the first call as Flask's own `push` creates it.

        Raises:
            HTTPException: no URL can be made with the request's Host header.
        """
        if self.request_context is None:
            context = self.request_context = self.app.request_context(self._environ())
            sessions = self.app.session_interface
            session = sessions.open_session(self.app, context.request)
            context._session = sessions.make_null_session(self.app) if session is None else session
            if context.url_adapter is None:  # the Host header is none: what Flask's dispatch raises
                raise context.request.routing_exception or BadRequest
            context.match_request()
            # The body has been read within the route's own limit, which may be above Flask's.
            context.request.max_content_length = context.request.max_form_memory_size = sys.maxsize
            context.request.get_data()  # as the Flask adapter has read it by then
        return self.request_context

    def counts(self) -> bool:
        """Return whether the request is to be counted."""
        return self.request_context is None or not is_untracked(self.request_context.request)

    def finish(self, response: Response) -> Response:
        """Apply to a response what a handler left in its context: `after_this_request` and the session."""
        context = self.open_request()
        for function in context._after_request_functions:
            response = self.app.ensure_sync(function)(response)
        sessions, session = self.app.session_interface, context._session
        if session is not None and not sessions.is_null_session(session):
            sessions.save_session(self.app, session, response)
        return response


class _AppContextProxy:
    __slots__ = ("_contexts",)

    def __init__(self, contexts: LazyContexts) -> None:
        self._contexts = contexts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._contexts.open_app(), name)

    def __enter__(self) -> Any:
        return self._contexts.open_app().__enter__()

    def __exit__(self, *error: Any) -> None:  # noqa: PYI036  # passed on
        self._contexts.open_app().__exit__(*error)


class _RequestContextProxy:
    __slots__ = ("_contexts",)

    def __init__(self, contexts: LazyContexts) -> None:
        self._contexts = contexts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._contexts.open_request(), name)

    def __enter__(self) -> Any:
        return self._contexts.open_request().__enter__()

    def __exit__(self, *error: Any) -> None:  # noqa: PYI036  # passed on
        self._contexts.open_request().__exit__(*error)


def body_environ(environ: Mapping[str, Any], body: bytes) -> WSGIEnvironment:
    """Return a WSGI environ whose body can be read once more."""
    return {**environ, "wsgi.input": io.BytesIO(body)}
