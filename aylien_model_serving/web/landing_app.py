"""A Flask app with a landing page at "/": which requests are for it, and who may see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import request
from werkzeug.exceptions import HTTPException, NotFound

from aylien_model_serving.web.mounts.app import MountingFlask

#: Methods of the landing page.
LANDING_METHODS = ("GET", "HEAD")


class LandingFlask(MountingFlask):
    """A Flask app that tells the requests for its landing page."""

    #: The error handler that answers with the landing page.
    landing_handler: Callable[[HTTPException], Any] | None = None

    def is_landing(self) -> bool:
        """Return whether Flask's current request is for "/", and the service has nothing there."""
        return (
            isinstance(request.routing_exception, NotFound)
            and request.environ.get("PATH_INFO", "") in ("", "/")
            and not (self.url_map.host_matching or self.subdomain_matching)
        )

    def _is_public_landing(self) -> bool:
        """Return whether the landing page answers Flask's current request, and no code of the user's runs.

        Such a request needs no API key. A hook or an error handler of the user's, which would run before the
        page or in its place, is as protected as it is on every other path.
        """
        error = request.routing_exception
        return (
            error is not None
            and self.is_landing()
            and request.method in LANDING_METHODS
            and not self.before_request_funcs.get(None)
            and not self.url_value_preprocessors.get(None)
            and self._find_error_handler(error, []) is self.landing_handler
        )
