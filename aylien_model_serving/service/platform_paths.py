"""The paths by which Banana's platform asks a service whether it is up, beside those of the operators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.health import HEALTH_PATHS

#: Status and warm-up as Potassium has them, and the check of the server before it.
_PATHS = {"/_k/status": "GET", "/_k/warmup": "POST", "/healthcheck": "GET"}

_READY = HEALTH_PATHS[-1]


def register(app: ServingFlask) -> None:
    """Add the paths to an app, but those that a route answers."""
    ready = next(rule.endpoint for rule in app.url_map.iter_rules() if rule.rule == _READY)
    taken = {rule.rule for rule in app.url_map.iter_rules()}

    def status() -> dict[str, Any]:
        app.view_functions[ready]()
        return {"state": "healthy", "gpu_available": True, "gpu": any(Path("/dev").glob("nvidia[0-9]*"))}

    for path, method in _PATHS.items():
        if path not in taken:
            endpoint = f"model_serving:{path}"
            app.public.add(endpoint)
            app.untracked.add(endpoint)
            app.add_url_rule(path, endpoint, status, methods=[method])
