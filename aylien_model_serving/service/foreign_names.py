"""Attributes that the services of other systems have: what to write instead of each."""

from __future__ import annotations

from collections.abc import Iterable

from aylien_model_serving.core.suggest import nearest
from aylien_model_serving.errors import ConfigurationError

_FLASK = "app.wsgi is the Flask app, and has it: write app.wsgi.{}"
_STARTUP = (
    "write @app.init, which runs before the first request; what is to end goes into the handler's close()"
)

_INSTEAD = {
    "add_api_route": "write app.endpoint('/path', methods=[…])(handler)",
    "after_request": _FLASK,
    "before_request": _FLASK,
    "cli": _FLASK,
    "config": "write Service(config={…})",
    "errorhandler": _FLASK,
    "exception_handler": "raise a subclass of aylien_model_serving.ServingError, with its status and code",
    "mount": "write app.mount_asgi('/path', app) or app.mount_wsgi('/path', app)",
    "middleware": "write app.add_asgi_middleware(kind), or app.add_middleware(kind) for one of WSGI",
    "on_event": _STARTUP,
    "on_shutdown": _STARTUP,
    "on_startup": _STARTUP,
    "register_blueprint": _FLASK,
    "route": "write @app.get('/path'), @app.post('/path') or @app.endpoint('/path', methods=[…])",
    "run": "write app.serve(), or start it by 'model-serving run'",
    "teardown_request": _FLASK,
    "websocket": "mount the application that has it, by app.mount_asgi('/path', app)",
}


class NoSuchName(ConfigurationError, AttributeError):
    """A service has no attribute of a name."""


def missing(name: str, known: Iterable[str]) -> NoSuchName:
    """Return the error for an attribute that a service does not have.

    Args:
        name: of the attribute.
        known: the names of those that it has.
    """
    if name in _INSTEAD:
        return NoSuchName(f"a Service has no {name!r}: {_INSTEAD[name].format(name)}")
    public = () if name.startswith("_") else [word for word in known if not word.startswith("_")]
    return NoSuchName(f"a Service has no {name!r}{nearest(name, public)}")
