"""A Flask app that knows its callers by their API keys, and which of its pages need none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flask import Flask, request

from aylien_model_serving.core import reads
from aylien_model_serving.core.callers import NOBODY
from aylien_model_serving.errors import Forbidden, Unauthorized
from aylien_model_serving.web.adapters.flask import request_info
from aylien_model_serving.web.adapters.recorded_environ import RecordedEnviron, plain
from aylien_model_serving.web.adapters.request_info import REQUEST_INFO, EnvironHeaders, RequestInfo
from aylien_model_serving.web.auth import ApiKeyAuth, BrowserUnauthorized, HeaderLookup
from aylien_model_serving.web.observed_app import ObservedFlask
from aylien_model_serving.web.state import ServiceState

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask.ctx import RequestContext


#: Methods that change nothing.
_READING = ("GET", "HEAD")

#: What the endpoint of an operators' page has before its path.
_PAGE_PREFIX = "model_serving:"


class AuthenticatedFlask(ObservedFlask):
    """A Flask app whose requests carry API keys, where the settings have any.

    Args:
        name: Flask's import name.
        state: settings, instruments and endpoints of the service.
    """

    def __init__(self, name: str, state: ServiceState) -> None:
        super().__init__(name, state)
        self._auth = ApiKeyAuth.of(state.settings.api_keys)
        #: Endpoints of the operators, which are not counted, and those of them that need no key.
        self.untracked: set[str] = set()
        self.public: set[str] = set()

    def add_pages(
        self,
        views: Mapping[str, Callable[..., Any]],
        *,
        opened_by: Collection[str] | None,
        methods: Sequence[str] = ("GET",),
        **options: Any,
    ) -> None:
        """Add endpoints of the operators.

        Args:
            views: by their paths.
            opened_by: words in `MODEL_SERVING_OPEN` by which they need no key; None where they never do.
            methods: of HTTP.
            options: of the rules.
        """
        is_open = set(self.state.settings.open)
        for rule, view in views.items():
            endpoint = f"{_PAGE_PREFIX}{rule}"
            self.untracked.add(endpoint)
            if opened_by is None or not is_open.isdisjoint(opened_by):
                self.public.add(endpoint)
            self.add_url_rule(rule, endpoint, view, methods=list(methods), **options)

    def _dispatch_recorded(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Have Flask dispatch a request, and record what is read of it: its reply may be kept for others."""
        names: set[str] = set()
        with reads.recorded(names):
            return Flask.wsgi_app(self, environ, start_response)

    def request_context(self, environ: WSGIEnvironment) -> RequestContext:
        """Return a context, of a request whose reads are recorded where somebody wants to know them."""
        names = reads.current.get()
        if names is not None and REQUEST_INFO in environ:
            environ = RecordedEnviron(environ, names)
        return super().request_context(environ)

    def _identifies(self, headers: HeaderLookup, info: RequestInfo) -> bool:
        """Set a request's caller, and return whether it has one; Flask's adapter refuses it otherwise."""
        if self._auth is None:
            return True
        try:
            info.set_caller(self._auth.caller_of(headers))
        except (Unauthorized, Forbidden):
            return False
        return True

    def check_key(self) -> None:
        """Set the caller of Flask's current request, and refuse one without a valid API key if it needs one.

        Raises:
            Unauthorized: it carries no key.
            Forbidden: it carries a wrong one.
        """
        if self._auth is None:
            return
        if request.endpoint in self.public:
            self._identifies(EnvironHeaders(plain(request.environ)), request_info())
            return
        is_page = request.endpoint in self.untracked and request.method in _READING
        try:
            headers = EnvironHeaders(plain(request.environ))
            request_info().set_caller(self._auth.caller_of(headers, is_page=is_page))
        except Unauthorized:
            if is_page:
                raise BrowserUnauthorized from None
            raise

    def sees(self, page: str) -> bool:
        """Return whether Flask's current request may see what a page of the operators shows."""
        return f"{_PAGE_PREFIX}{page}" in self.public or self.knows_caller()

    def sees_errors(self) -> bool:
        """Return whether Flask's current request may see why something failed: with the key of an admin.

        Where the service has no keys, nobody may unless the settings say so: all that is known of a client
        is that it reaches the service.
        """
        if self.state.settings.expose_errors:
            return True
        return self.is_admin()

    def is_admin(self) -> bool:
        """Return whether Flask's current request carries the key of an admin."""
        return self._auth is not None and self.knows_caller() and request_info().caller.is_admin

    def has_keys(self) -> bool:
        """Return whether there are API keys."""
        return self._auth is not None

    def knows_caller(self) -> bool:
        """Return whether Flask's current request carries a valid key, or needs none."""
        return self._auth is None or request_info().caller is not NOBODY
