"""The dashboard: one page that shows the whole service at work.

Where the service has API keys, browsers ask for one. The page's requests are not counted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

from flask import Response, request

from aylien_model_serving import codecs
from aylien_model_serving.codecs.streaming import EVENT_STREAM, HEADERS
from aylien_model_serving.errors import NotFound
from aylien_model_serving.process import lifecycle, native_threads, owner
from aylien_model_serving.web import pages
from aylien_model_serving.web.adapters import flask
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.dashboard import snapshot
from aylien_model_serving.web.dashboard.feed import MAX_STREAMS, Feed
from aylien_model_serving.web.dashboard.history import History

#: Paths with a GET endpoint in every service that does not switch the dashboard off.
PATHS = (
    "/__dashboard",
    "/__dashboard/",
    "/__dashboard/events",
    "/__dashboard/history",
    "/__dashboard/<name>",
)

_ASSETS = Path(__file__).parent / "assets"

_PAGE = "index.html"

#: No key's name: that of readers without a key, where the dashboard is open.
_STRANGER = ":"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

#: The page runs, shows and fetches only the service's own files, and no text becomes markup.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

_SECURITY_HEADERS = (
    ("Content-Security-Policy", _POLICY),
    ("Referrer-Policy", "no-referrer"),
)


def register(app: ServingFlask) -> None:
    """Add the dashboard to an app, unless the settings switch it off."""
    if not app.state.settings.dashboard:
        return
    feeds: dict[tuple[str | None, bool], Feed] = {}
    streams = threading.Semaphore(MAX_STREAMS)

    def feed_of(reader: str | None, sees_errors: bool) -> Feed:
        """Return the feed with a reader's jobs: as many as there are names in the list of keys, at most."""

        def take() -> bytes:
            return codecs.JSON.encode(snapshot.take(app.state, reader, with_errors=sees_errors))

        key = reader, sees_errors
        return feeds.get(key) or feeds.setdefault(key, Feed(take, streams=streams))

    def page() -> Response:
        return pages.file(_assets()[_PAGE], _TYPES[".html"], headers=_SECURITY_HEADERS)

    def page_below() -> Response:
        return Response(status=308, headers={"Location": "../__dashboard"})

    def asset(name: str) -> Response:
        if name == _PAGE or name not in _assets():
            raise NotFound
        return pages.file(_assets()[name], _TYPES[Path(name).suffix], headers=_SECURITY_HEADERS)

    def events() -> Response:
        reader = flask.request_info().caller.scope if app.knows_caller() else _STRANGER
        feed = feed_of(reader, app.sees_errors())
        streaming = native_threads.is_patched() or "asgi.scope" in request.environ
        body = feed.events(feed.latest(), streaming=streaming)
        return Response(body, content_type=EVENT_STREAM, headers=[*HEADERS, *_SECURITY_HEADERS[1:]])

    app.add_pages(
        dict(zip(PATHS, (page, page_below, events, _history(app), asset), strict=True)),
        opened_by=("dashboard",),
    )


def _history(app: ServingFlask) -> Callable[[], Response]:
    """Have the history of an app kept, and return the view that answers with it."""
    number, state = app.state.instruments.number, app.state
    history = History(number, lambda: codecs.JSON.encode(snapshot.take_past(state)))
    lifecycle.when_serving(history.begin)
    if owner.find() != os.getpid() and not lifecycle.is_inspecting:  # a worker, whose server need not tell
        history.begin()

    def past() -> Response:
        history.begin()  # where no server has told that it serves
        headers = [("Cache-Control", "no-store"), *_SECURITY_HEADERS[1:]]
        entries = b",".join(history.latest())
        return Response(b"[%b]" % entries, content_type=codecs.JSON.media_type, headers=headers)

    return past


@cache
def _assets() -> dict[str, bytes]:
    """Return the files of the page by name."""
    return {file.name: file.read_bytes() for file in _ASSETS.iterdir() if file.is_file()}
