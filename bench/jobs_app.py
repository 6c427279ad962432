"""The service of `python -m bench.jobs`: one route whose calls are jobs that do nothing."""

from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper


def nothing(text: str) -> None:
    """Do nothing: what is measured is the overhead."""


def app() -> Flask:
    """Return the app that Gunicorn serves."""
    return FlaskAppWrapper.create_app(
        [{"endpoint": "/nothing", "callable": nothing, "job": {"queue_size": 100_000}}]
    )
