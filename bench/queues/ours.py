"""This library's service: one route whose calls are jobs, which two replicas run."""

from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper
from bench.queues.handler import run


def app() -> Flask:
    """Return the app of the web workers and of the worker."""
    route = {
        "endpoint": "/run",
        "callable": run,
        "job": {"queue_size": 100_000},
        "runner": {"replicas": 2, "devices": ["cpu"]},
    }
    return FlaskAppWrapper.create_app([route])
