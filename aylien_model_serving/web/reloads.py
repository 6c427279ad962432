"""The operators' endpoint that has a runner's weights loaded again, and tells how that is.

POST begins it, and GET tells of the last one. It costs the time and the memory of a further replica, so that
it is open to the keys of admins alone, and in a service without keys to nobody, unless the settings open it.
"""

from __future__ import annotations

from flask import Response, request

from aylien_model_serving import codecs
from aylien_model_serving.core.suggest import nearest
from aylien_model_serving.errors import Conflict, Forbidden, NotFound, Unavailable
from aylien_model_serving.jobs.runner import EnqueueExecutor
from aylien_model_serving.jobs.worker.elsewhere import ElsewhereWorkers
from aylien_model_serving.rpc.control_messages import ReloadState
from aylien_model_serving.rpc.hosted import HostedExecutor
from aylien_model_serving.web import hosted
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.state import ServiceState

PATH = "/__runners/<path:name>/reload"

#: The word in `MODEL_SERVING_OPEN`.
_OPENED_BY = "reload"

#: Known names that a refusal lists at most.
_MAX_LISTED = 12

_NEEDS_ADMIN = "Loading a runner again takes an API key that is marked 'admin:'"
_HAS_NO_KEYS = (
    f"{_NEEDS_ADMIN}, and this service has no keys: its operator sets MODEL_SERVING_API_KEYS, "
    "or MODEL_SERVING_OPEN=reload for everybody who reaches it"
)
_FAILED = "The service's log says why"


def register(app: ServingFlask) -> None:
    """Add the endpoint to an app."""

    def reload(name: str) -> Response:
        if _OPENED_BY not in app.state.settings.open and not app.is_admin():
            raise Forbidden(_NEEDS_ADMIN if app.has_keys() else _HAS_NO_KEYS)
        begins = request.method == "POST"
        answer = _runner(app.state, name).reload(begin=begins)
        if answer.reload is None and begins:
            raise Unavailable(f"The supervisor does not know {name!r} yet")
        if answer.reload is None:
            raise NotFound(f"Nobody has had {name!r} loaded again since its last version began")
        if answer.is_refused:
            done, all_ = answer.reload.replaced, answer.reload.replicas
            raise Conflict(f"{name!r} is being loaded again already: {done} of {all_} replicas are replaced")
        shown = _shown(name, answer.reload, with_errors=app.sees_errors())
        return Response(
            codecs.JSON.encode(shown),
            status=202 if begins else 200,
            content_type=codecs.JSON.media_type,
            headers={"Cache-Control": "no-store"},
        )

    app.add_pages({PATH: reload}, opened_by=(_OPENED_BY,), methods=("GET", "POST"))


def _runner(state: ServiceState, name: str) -> HostedExecutor:
    """Return what calls the replicas of a route or model.

    Raises:
        NotFound: there is no runner of this name.
    """
    callers = {
        name: executor.workers if isinstance(executor, EnqueueExecutor) else executor
        for name, executor in hosted.executors(state).items()
    }
    found = callers.get(name)
    if isinstance(found, HostedExecutor):
        return found
    if isinstance(found, ElsewhereWorkers):
        raise NotFound(f"The jobs of {name!r} run in worker processes: ask one of these, at its health port")
    if any(known.route.name == name for known in state.routes):
        raise NotFound(f"{name!r} has no runner: its handler is loaded again with the web workers, by SIGHUP")
    known = sorted(name for name, caller in callers.items() if isinstance(caller, HostedExecutor))
    listed = ", ".join(known[:_MAX_LISTED]) + (", …" if len(known) > _MAX_LISTED else "")
    raise NotFound(f"There is no runner {name!r}{nearest(name, known)}; known are {listed or 'none'}")


def _shown(name: str, reload: ReloadState, *, with_errors: bool) -> dict[str, object]:
    error = (reload.error.strip().rpartition("\n")[2] if with_errors else _FAILED) if reload.error else ""
    return {
        "id": reload.id,
        "runner": name,
        "state": reload.state,
        "replaced": reload.replaced,
        "replicas": reload.replicas,
        "error": error,
    }
