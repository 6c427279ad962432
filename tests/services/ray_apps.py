"""A service of models on Ray, beside a route of this machine; a variable has the options of one as JSON."""

import json
import os

from flask import Flask

from aylien_model_serving import Model
from aylien_model_serving.app_factory import FlaskAppWrapper
from tests.replicas import cluster_models

RAY = {"engine": "ray", "num_cpus": 0.1, "start_timeout": 60}

inner = Model(cluster_models.Doubler, name="inner", runner=RAY, batch=True)


def local(n: int) -> dict:
    return {"n": n, "pid": os.getpid()}


def composed(n: list[int]) -> dict:
    return {"found": [each["n"] for each in inner.map(n=n)]}


def on_ray() -> Flask:
    """Return a service with every kind of call."""
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/local", "callable": local},
            {"endpoint": "/double", "callable": cluster_models.Doubler, "runner": RAY, "batch": True},
            {"endpoint": "/slow", "callable": cluster_models.slow, "runner": RAY, "threads": 2, "timeout": 2},
            {"endpoint": "/count", "callable": cluster_models.count, "runner": RAY},
            {"endpoint": "/unhinted", "callable": cluster_models.unhinted, "runner": RAY},
            {"endpoint": "/composed", "callable": composed},
        ]
    )


def one() -> Flask:
    """Return a service of one model on Ray."""
    runner = {"engine": "ray", "num_cpus": 0.1, "start_timeout": 60, **json.loads(os.environ["RUNNER"])}
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/local", "callable": local},
            {
                "endpoint": "/model",
                "name": "model",
                "callable": cluster_models.Model,
                "runner": runner,
                "threads": int(os.environ.get("THREADS", "2")),
            },
        ]
    )
