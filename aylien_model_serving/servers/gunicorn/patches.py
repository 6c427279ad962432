"""The patches of Gunicorn: each is applied where what it replaces is as Gunicorn 27 has it.

Where it is not, Gunicorn's own behaviour stays, and one line of its error log says what that means. The
guide's page on operations lists the patches with the fault that each fixes. Imports nothing of Gunicorn: its
modules are given, or looked up where they are imported already.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from types import FrameType
from typing import Any

from aylien_model_serving.servers.gunicorn import checks, stop_patches
from aylien_model_serving.servers.gunicorn.close_sockets import SocketCloser
from aylien_model_serving.servers.gunicorn.content_length import refusing
from aylien_model_serving.servers.gunicorn.h1c_parser import is_bounded, with_longer_tail
from aylien_model_serving.servers.gunicorn.per_request_caches import CachedDate, lazy_errors

#: Attributes of a worker that the handlers of signals need.
_WORKER_MEMBERS = ("init_signals", "booted", "alive")


def patch_server(
    util: Any, write_error: Callable[..., None], send_error_response: Callable[..., None]
) -> None:
    """Apply the patches that all workers share; for `on_starting`, before there is a worker.

    Args:
        util: the module `gunicorn.util`.
        write_error: answers a request that a WSGI worker refuses, as `gunicorn.util.write_error` does.
        send_error_response: the same for the asgi worker, as a method of its protocol.
    """
    refusals = "refusals of Gunicorn's own are HTML, not JSON"
    checks.replace(util, "write_error", ("sock", "status_int", "reason", "mesg"), write_error, refusals)
    if (protocol := _asgi_protocol()) is not None:
        parameters = ("self", "status", "message", "extra_headers")
        checks.replace(protocol, "_send_error_response", parameters, send_error_response, refusals)
        _patch_h1c_parser(protocol)
        _patch_python_parser()
    slow_clients = "a client that does not close its connection holds up a gthread or sync worker for 2 s"
    checks.replace(
        util, "close_graceful", ("sock", "timeout", "max_drain"), SocketCloser().close, slow_clients
    )
    _cache_per_request(util)


def _asgi_protocol() -> Any:
    """Return the class of the asgi worker's connections, or None under another worker."""
    module = sys.modules.get("gunicorn.asgi.protocol")  # imported with its worker class alone
    if module is None:
        return None
    protocol = getattr(module, "ASGIProtocol", None)
    if protocol is None:
        checks.warn("gunicorn.asgi.protocol.ASGIProtocol", "refusals of the asgi worker are not JSON")
    return protocol


def _patch_h1c_parser(protocol: Any) -> None:
    """Have the asgi worker keep connections whose next request comes early, where it parses in C.

    Where the parser in C keeps memory for ever, it parses in Python.
    """
    if find_spec("gunicorn_h1c") is None:
        return
    effect = "the asgi worker drops connections of early requests"
    if not hasattr(protocol, "_check_h1c_protocol_available"):
        checks.warn("ASGIProtocol._check_h1c_protocol_available()", effect)
    elif protocol._check_h1c_protocol_available():
        parser = getattr(protocol, "_h1c_protocol_class", None)
        if parser is None:
            checks.warn("ASGIProtocol._h1c_protocol_class", effect)
        elif is_bounded(parser):
            protocol._h1c_protocol_class = with_longer_tail(parser)
        else:
            checks.warn("gunicorn_h1c 0.6.10 or later", "the asgi worker parses HTTP in Python")
            protocol._h1c_protocol_class = sys.modules["gunicorn.asgi.parser"].PythonProtocol


def _patch_python_parser() -> None:
    """Have the asgi worker refuse a length of thousands of digits, where it parses in Python."""
    effect = "the asgi worker closes connections with a Content-Length of thousands of digits"
    module = sys.modules.get("gunicorn.asgi.parser")
    parser, invalid = getattr(module, "PythonProtocol", None), getattr(module, "InvalidHeader", None)
    original = getattr(parser, "_finalize_headers", None)
    if original is None or invalid is None:
        checks.warn("gunicorn.asgi.parser.PythonProtocol._finalize_headers(self)", effect)
    else:
        checks.replace(parser, "_finalize_headers", ("self",), refusing(original, invalid), effect)


def _cache_per_request(util: Any) -> None:
    """Spare each request what one can do for many."""
    effect = "each request takes a few per cent longer"
    if (http_date := getattr(util, "http_date", None)) is not None:
        checks.replace(util, "http_date", ("timestamp",), CachedDate(http_date), effect)
    else:
        checks.warn("gunicorn.util.http_date(timestamp)", effect)
    if (wsgi := sys.modules.get("gunicorn.http.wsgi")) is not None:  # which the asgi worker does without
        errors = getattr(wsgi, "WSGIErrorsWrapper", None)
        if hasattr(errors, "write"):
            checks.replace(wsgi, "WSGIErrorsWrapper", ("cfg",), lazy_errors(errors), effect)
        else:
            checks.warn("gunicorn.http.wsgi.WSGIErrorsWrapper", effect)


def patch_signals(worker: Any) -> None:
    """Let a worker be ended while it loads the app: it has no request to finish; for `post_fork`.

    Gunicorn's asgi worker receives signals through its loop, and uvloop drops those from before it runs.
    """
    missing = [member for member in _WORKER_MEMBERS if not hasattr(worker, member)]
    if missing:
        checks.warn(
            checks.members(worker, missing), "a worker that is ended while it loads the app may load on"
        )
        return
    _install_handlers(worker)
    stop_patches.patch_asgi(worker)
    worker.init_signals = partial(_init_signals, worker, worker.init_signals)


def _init_signals(worker: Any, original: Callable[[], None]) -> None:
    original()
    _install_handlers(worker)


def _install_handlers(worker: Any) -> None:
    """Put our handler before the worker's own of the signals that end it."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, partial(_handle_exit, worker, signal.getsignal(number)))
        signal.siginterrupt(number, False)


def _handle_exit(worker: Any, original: Any, number: int, frame: FrameType | None) -> None:
    if not worker.booted:
        worker.alive = False  # checked once the app is loaded, should that swallow the exit
        for listener in getattr(worker, "sockets", ()):
            listener.close()  # what it has not accepted is for the workers that can answer
        sys.exit(0)
    if number == signal.SIGTERM:
        _stop(worker)
    if callable(original):
        original(number, frame)


def _stop(worker: Any) -> None:
    """Stop a worker, and an event loop between two steps: what one of them says stays true until its end."""
    if "asgi" in vars(worker) and hasattr(worker, "handle_exit_signal"):
        worker.loop.call_soon_threadsafe(worker.handle_exit_signal)
    else:
        worker.alive = False


def patch_backlog(worker: Any) -> None:
    """Let as many clients wait to be accepted as the setting `backlog` says; for `post_worker_init`.

    The asgi worker has its loop listen again, on the socket that all workers share, with asyncio's 100 in
    place of 2,048. The other clients of a burst try again a second later.
    """
    attributes = vars(worker)
    if "asgi" not in attributes:
        return
    create_server = getattr(attributes.get("loop"), "create_server", None)
    backlog = getattr(worker.cfg, "backlog", None)
    if create_server is None or backlog is None:
        name = "ASGIWorker.loop" if create_server is None else "the setting backlog"
        checks.warn(name, "of a burst's clients, those beyond 100 wait for a second")
        return
    attributes["loop"].create_server = partial(create_server, backlog=backlog)
