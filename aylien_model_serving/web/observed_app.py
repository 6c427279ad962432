"""A Flask app whose requests and failures are seen by those who observe Flask: hooks, signals, monitoring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from logging import getLogger
from typing import Any

from flask import Flask, request
from flask.signals import got_request_exception

from aylien_model_serving.web.adapters import lazy_contexts, observers
from aylien_model_serving.web.state import ServiceState

logger = getLogger(__name__)

#: Key of an environ's error while Flask's own handling of it is run for those who have patched it.
_SHOWN = "model_serving.shown"


class ObservedFlask(Flask):
    """A Flask app that shows all to its observers.

    Args:
        name: Flask's import name.
        state: settings, instruments and endpoints of the service.
    """

    def __init__(self, name: str, state: ServiceState) -> None:
        super().__init__(name, static_folder=None)
        self.state = state
        self._observers = observers.lists_of(self)
        self._is_told = False
        state.error_responses = replace(state.error_responses, show=self.show_failure)

    @cached_property
    def has_fast_path(self) -> bool:
        """Whether the fast paths are open; asked at the first request, when Flask has been patched."""
        if not self.state.settings.express or lazy_contexts.missing_variables():
            return False
        if observers.patched_methods():
            self._tell_of_observers()
            return False
        return True

    def is_observed(self) -> bool:
        """Return whether a hook or a signal's receiver would miss a request that Flask does not dispatch."""
        if (
            any(self._observers)
            or self.url_map.host_matching
            or self.subdomain_matching
            or "session_interface" in self.__dict__
            or self.config["TRUSTED_HOSTS"] is not None
        ):
            self._tell_of_observers()
            return True
        return False

    def _tell_of_observers(self) -> None:
        """Log once who has all requests dispatched by Flask."""
        if not self._is_told and (names := observers.names_for(self)):
            self._is_told = True
            logger.info("Flask dispatches every request, for what observes them: %s", ", ".join(names))

    def before_request(self, f: Any) -> Any:
        """Register a hook; one that traces requests does so without a say in what replies depend on."""
        super().before_request(
            observers.TracingHook(f, lambda: request.environ) if observers.is_tracing(f) else f
        )
        return f

    def trace_refused(self) -> None:
        """Have a request traced that is refused before its hooks run."""
        for hook in self.before_request_funcs.get(None, ()):
            if isinstance(hook, observers.TracingHook):
                hook()

    def show_failure(self, error: Exception) -> None:
        """Show an error that has become a reply to those who would see it if a view of Flask's had raised it.

        These are the receivers of `got_request_exception`, teardowns, and patches of Flask's own handling.
        """
        context = lazy_contexts.flasks_own()
        if context is None:
            return
        observers.pop_with(context, error)
        try:
            got_request_exception.send(self, _async_wrapper=self.ensure_sync, exception=error)
            if not observers.is_flasks_own("handle_user_exception"):
                request.environ[_SHOWN] = error
                self.handle_user_exception(error)
        except Exception:
            logger.exception("Who observes the app's errors failed")
        finally:
            request.environ.pop(_SHOWN, None)

    def _find_error_handler(self, e: Exception, blueprints: list[str]) -> Callable[[Any], Any] | None:
        """Return the handler of an error; one that is merely shown has its reply already."""
        if request.environ.get(_SHOWN) is e:
            return lambda _: None
        return super()._find_error_handler(e, blueprints)
