"""The operators' endpoints: ping, liveness, readiness, metrics, runners, reloads. None of them is counted.

Where the service has API keys, all but those of health ask for one, unless the settings open them.
"""

from __future__ import annotations

from flask import Response, request

from aylien_model_serving import codecs
from aylien_model_serving.errors import Unavailable
from aylien_model_serving.jobs.errors import StoreUnavailable
from aylien_model_serving.openapi import document
from aylien_model_serving.process import lifecycle
from aylien_model_serving.web import docs, hosted, reloads
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.health import HEALTH_PATHS
from aylien_model_serving.web.state import ServiceState

#: Paths with a GET endpoint in every service.
_METRICS = ("/__metrics", "/metrics")
_RUNNERS, _OPENAPI = "/__runners", "/openapi.json"
PATHS = (*HEALTH_PATHS, *_METRICS, _RUNNERS, reloads.PATH, _OPENAPI, *docs.PATHS)

#: What a process has to tell of itself that answers no routes; all below the last one.
STATE_PATHS = (*HEALTH_PATHS, *_METRICS, _RUNNERS, f"{_RUNNERS}/")

#: Words in `MODEL_SERVING_OPEN` by which everybody sees the routes.
ROUTES_OPENED_BY = frozenset({"openapi", "docs"})

_TEXT = "text/plain; charset=utf-8"


def register(app: ServingFlask) -> None:
    """Add the operators' endpoints to an app."""

    def ping() -> Response:
        return Response("Success", content_type=_TEXT)

    def readyz() -> Response:
        return Response(readiness(app), content_type=_TEXT)

    def metrics() -> Response:
        names = request.args.getlist("name[]")
        body, media_type = app.state.instruments.scrape(request.headers.get("Accept", ""), names)
        return Response(body, content_type=media_type)

    def runners() -> Response:
        described = {
            name: executor.describe(with_errors=app.sees_errors())
            for name, executor in hosted.executors(app.state).items()
        }
        return Response(codecs.JSON.encode(described), content_type=codecs.JSON.media_type)

    def openapi() -> Response:
        settings = app.state.settings
        title = settings.service_name or "model-serving"
        shown = document.document(
            app.state.routes, title, request.script_root, with_keys=bool(settings.api_keys)
        )
        return Response(codecs.JSON.encode(codecs.json.encodable(shown)), content_type=codecs.JSON.media_type)

    app.add_pages(dict(zip(HEALTH_PATHS, (ping, ping, readyz), strict=True)), opened_by=None)
    app.add_pages(dict.fromkeys(_METRICS, metrics), opened_by=("metrics",))
    app.add_pages({_RUNNERS: runners}, opened_by=("runners",))
    app.add_pages({_OPENAPI: openapi}, opened_by=ROUTES_OPENED_BY)
    reloads.register(app)
    docs.register(app)


def readiness(app: ServingFlask) -> str:
    """Return what `/readyz` tells of a service that is ready.

    Raises:
        ServingError: it is not.
    """
    waiting = [endpoint.name for endpoint in app.state.endpoints if not endpoint.executor.ready()]
    waiting += [name for name, executor in app.state.models.items() if not executor.ready()]
    if lifecycle.is_draining():
        raise Unavailable("This process is shutting down")
    told = hosted.troubles(app.state, with_errors=app.sees_errors()) if app.sees(_RUNNERS) else []
    if waiting:
        raise Unavailable("\n".join([f"Not ready yet: {', '.join(waiting)}", *told]))
    unwell = [check.name for check in app.state.health if check.ask()]
    if unwell:
        raise Unavailable("\n".join([f"Not well: {', '.join(unwell)}", *told]))
    return "\n".join(["ready", *told, *_trouble_with_jobs(app.state)])


def _trouble_with_jobs(state: ServiceState) -> list[str]:
    """Return what a store of jobs fails by that other machines share, who could do no better.

    Raises:
        StoreUnavailable: the store is this machine's own, and does not work.
    """
    if state.jobs is None:
        return []
    try:
        state.jobs.store.check()
    except StoreUnavailable as error:
        if not state.jobs.store.is_remote:
            raise
        return [f"{error}: what is about jobs is answered with 503"]
    return []
