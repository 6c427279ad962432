"""A service whose models are found at run time only, by handlers that run in replicas and by other models."""

import os
from typing import Any

from aylien_model_serving import Model
from aylien_model_serving.app_factory import FlaskAppWrapper


class Doubled:
    def __call__(self, number: int) -> int:
        return 2 * number


def process() -> int:
    return os.getpid()


class Outer:
    """A model that calls another one."""

    def __call__(self, number: int) -> int:
        return int(held["inner"](number)) + 1


class Warmed:
    """A model whose warm-up calls another one, while no other may load."""

    def __call__(self, number: int) -> int:
        return int(held["first"](number)) + 1


#: By names: the code of handlers does not say which of them it calls.
held = {
    "inner": Model(Doubled, name="inner"),
    "outer": Model(Outer, name="outer"),
    "warmed": Model(Warmed, name="warmed", warmup={"number": 1}),
    "first": Model(Doubled, name="first"),
    "hosted": Model(process, name="hosted"),
    "job": Model(process, name="job"),
}


def called(name: str, number: int) -> int:
    return int(held[name](number))


def process_of(name: str) -> int:
    return int(held[name]())


def run_app() -> Any:
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/called", "callable": called, "timeout": 40},
            {
                "endpoint": "/hosted",
                "callable": process_of,
                "name": "by_replica",
                "runner": True,
                "timeout": 40,
            },
            {"endpoint": "/worker", "callable": process_of, "name": "by_worker", "timeout": 40},
            {"endpoint": "/job", "callable": process_of, "name": "by_job", "runner": True, "job": True},
        ]
    )
