"""What observes each request of a Flask app; while there is anything, Flask has to dispatch them all."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flask import Flask
from flask.signals import (
    appcontext_popped,
    appcontext_pushed,
    appcontext_tearing_down,
    got_request_exception,
    request_finished,
    request_started,
    request_tearing_down,
)


def lists_of(app: Flask) -> tuple[Collection[Any], ...]:
    """Return the collections, updated in place, of an app's hooks and of the receivers of Flask's signals."""
    return (
        app.before_request_funcs,
        app.after_request_funcs,
        app.teardown_request_funcs,
        app.teardown_appcontext_funcs,
        app.url_value_preprocessors,
        request_started.receivers,
        request_finished.receivers,
        request_tearing_down.receivers,
        got_request_exception.receivers,
        appcontext_pushed.receivers,
        appcontext_popped.receivers,
        appcontext_tearing_down.receivers,
    )
