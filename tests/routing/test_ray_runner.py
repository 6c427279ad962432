"""The key `runner` with the engine "ray": its options, and the message of each mistake."""

from typing import Any

import msgspec
import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.ray_options import RayOptions
from aylien_model_serving.routing import routes, runner_options
from aylien_model_serving.routing.runner_options import RunnerOptions


def predict(text: str) -> str:
    return text


def test_the_options_for_ray_have_defaults() -> None:
    assert runner_options.read({"engine": "ray"}) == RunnerOptions(devices=("cpu",), ray=RayOptions())
    assert runner_options.read({"engine": "local"}) == RunnerOptions()


def test_all_options_for_ray_are_read() -> None:
    options = runner_options.read(
        {
            "engine": "ray",
            "replicas": [0, 8],
            "num_gpus": 0.5,
            "num_cpus": 1,
            "target_ongoing": 4,
            "upscale_delay": 1,
            "downscale_delay": 10,
            "init": {"a": [1]},
            "start_timeout": 20,
            "env": {"A": "b"},
            "health": False,
        }
    )

    assert options is not None
    assert options.ray == RayOptions((0, 8), 1.0, 0.5, 4, 1.0, 10.0)
    assert (options.replicas, options.init, options.start_timeout) == (1, {"a": [1]}, 20.0)
    assert (options.env, options.health) == ({"A": "b"}, None)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(options.ray), type=RayOptions) == options.ray


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"devices": ["cpu"]}, "key 'devices' is not for the engine 'ray': Ray chooses the devices"),
        ({"recycle_after": {"calls": 3}}, "key 'recycle_after' is not for the engine 'ray'"),
        ({"kill_after": 3}, "give the route a 'timeout'"),
        ({"unresponsive_after": 3}, "Ray's own health checks"),
        ({"idle": 3}, "with 0 replicas at least, as in [0, 4]"),
        ({"nice": 3}, "Ray places replicas by 'num_cpus'"),
        ({"replicas": 0}, "a number of 1 or more, or the least and the most as in [0, 8]"),
        ({"replicas": [3, 2]}, "the least and the most"),
        ({"replicas": [0, 0]}, "the least and the most"),
        ({"replicas": [0, True]}, "the least and the most"),
        ({"num_gpus": 1.5}, "a part of 1, or a whole number"),
        ({"num_cpus": -1}, "a part of 1, or a whole number"),
        ({"num_cpus": float("nan")}, "a part of 1, or a whole number"),
        ({"target_ongoing": 0}, "a number of 1 or more"),
        ({"upscale_delay": 0}, "seconds above 0"),
        ({"num_gpu": 1}, "unknown key 'num_gpu'; did you mean 'num_gpus'"),
        ({"engine": "rai"}, "one of 'local', 'ray' is expected; this is 'rai'"),
    ],
)
def test_the_message_of_a_mistake_says_what_to_do(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        runner_options.read({"engine": "ray", **options})

    assert message in str(raised.value)


def test_options_for_ray_without_its_engine_are_unknown() -> None:
    with pytest.raises(ConfigurationError, match="unknown key 'num_gpus'"):
        runner_options.read({"num_gpus": 1})


def test_a_route_on_ray_keeps_no_jobs() -> None:
    item = {"endpoint": "/p", "callable": predict, "runner": {"engine": "ray"}, "job": True}

    with pytest.raises(ConfigurationError, match="the engine 'ray' can't be used beside 'job'"):
        routes.read([item])
