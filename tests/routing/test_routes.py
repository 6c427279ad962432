"""Route dicts: the routes that they become, and the error message of each mistake."""

import dataclasses
import functools
from typing import Any

import msgspec
import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.limiting.rates import LimitOptions, Rate
from aylien_model_serving.routing import routes
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.routing.runner_options import RunnerOptions
from aylien_model_serving.rpc import batch_functions


def predict(text: str) -> str:
    return text


def hello() -> str:
    return "Hello"


def view() -> Any:
    return FlaskAppWrapper.process_json(predict)


class Model:
    def __call__(self, text: str) -> str:
        return text


class Other:
    def predict(self, text: str) -> str:
        return text


def read(*dicts: Any) -> list[Route]:
    return routes.read(dicts)


def test_the_smallest_route_has_defaults_for_the_rest() -> None:
    [route] = read({"endpoint": "/p", "callable": predict})

    assert route == Route("/p", predict, ("POST",), "predict", threads=1, view=False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        route.name = "other"  # type: ignore[misc]  # that it is frozen is the point


def test_every_key_is_a_field_of_the_route() -> None:
    item = {
        "endpoint": "/p/<int:n>/<lang>",
        "callable": Model,
        "methods": ["get", "POST", "GET"],
        "name": "main",
        "schema": (None, None),
        "cache": 60,
        "timeout": 2,
        "threads": 4,
        "warmup": {"text": "a"},
        "runner": None,
        "batch": None,
        "limit": LimitOptions((Rate(5, 1, "second"),), 8, "address"),
    }
    limit = {"rate": "5/second", "concurrent": 8, "per": "address"}

    [route] = read({**item, "runner": False, "batch": False, "limit": limit})

    assert {name: getattr(route, name) for name in item} == {**item, "methods": ("GET", "POST")}
    assert route.path_names == {"n", "lang"}
    assert not route.view


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            {"endpoint": "/p", "callable": predict, "method": ["GET"]},
            "route '/p': unknown key 'method'; did you mean 'methods'?",
        ),
        (
            {"endpoint": "/p", "callable": predict, "chache": True},
            "route '/p': unknown key 'chache'; did you mean 'cache'?",
        ),
        (
            {"endpoint": "/p", "callable": predict, "zzz": 1},
            "route '/p': unknown key 'zzz'; known are endpoint, callable, methods, ",
        ),
        ({"endpoint": "/p", "callable": predict, 3: 1}, "route '/p': unknown key 3"),
        ({"callable": predict}, "route 0: the key 'endpoint' is missing"),
        ({"endpoint": "/p"}, "route '/p': the key 'callable' is missing"),
        ({"endpoint": "p", "callable": predict}, "route 'p': key 'endpoint': a path starts with '/'"),
        ({"endpoint": None, "callable": predict}, "route None: key 'endpoint': a path starts with '/'"),
        ({"endpoint": "/<int:>", "callable": predict}, "route '/<int:>': key 'endpoint': not a rule"),
        ({"endpoint": "/<nope:n>", "callable": predict}, "key 'endpoint': not a rule that Flask understands"),
        ({"endpoint": "/<a>/<a>", "callable": predict}, "key 'endpoint': not a rule that Flask understands"),
        ({"endpoint": "/p", "callable": "m:f"}, "route '/p': key 'callable': 'm:f' can't be called"),
        ({"endpoint": "/p", "callable": Other()}, "can't be called: give a function, a class, or an object"),
        (
            {"endpoint": "/p", "callable": predict, "methods": "POST"},
            "route '/p': key 'methods': methods are a list, e.g. ['POST']; this is 'POST'",
        ),
        ({"endpoint": "/p", "callable": predict, "methods": 3}, "methods are a list"),
        (
            {"endpoint": "/p", "callable": predict, "methods": ["PSOT"]},
            "key 'methods': unknown method 'PSOT'; did you mean 'POST'?",
        ),
        ({"endpoint": "/p", "callable": predict, "methods": []}, "at least one method is needed"),
        ({"endpoint": "/p", "callable": predict, "name": ""}, "key 'name': a name is text without a dot"),
        ({"endpoint": "/p", "callable": predict, "name": "a.b"}, "key 'name': a name is text without a dot"),
        (
            {"endpoint": "/p", "callable": predict, "cache": -1},
            "key 'cache': True, False or whole seconds of 1 or more",
        ),
        ({"endpoint": "/p", "callable": predict, "cache": "60"}, "key 'cache': True, False or whole seconds"),
        ({"endpoint": "/p", "callable": predict, "cache": 0.5}, "key 'cache': True, False or whole seconds"),
        ({"endpoint": "/p", "callable": predict, "cache": None}, "key 'cache': True, False or whole seconds"),
        ({"endpoint": "/p", "callable": predict, "timeout": 0}, "key 'timeout': seconds above 0"),
        ({"endpoint": "/p", "callable": predict, "timeout": True}, "key 'timeout': seconds above 0"),
        ({"endpoint": "/p", "callable": predict, "timeout": float("nan")}, "key 'timeout': seconds above 0"),
        ({"endpoint": "/p", "callable": predict, "threads": 0}, "key 'threads': a number of 1 or more"),
        ({"endpoint": "/p", "callable": predict, "threads": 1.5}, "key 'threads': a number of 1 or more"),
        ({"endpoint": "/p", "callable": predict, "threads": 10**6}, "up to 10,000; this is 1000000"),
        ({"endpoint": "/p", "callable": predict, "max_queue": 10**9999}, "this is one of many digits"),
        ({"endpoint": "/p", "callable": predict, "job": {"retries": 2**63}}, "key 'retries': a number of 0"),
        (
            {"endpoint": "/p", "callable": predict, "warmup": [1]},
            "key 'warmup': the fields of an example call",
        ),
        (
            {"endpoint": "/p", "callable": view, "cache": True},
            "route '/p': key 'cache' has no effect on a view that calls process_json",
        ),
        (
            {
                "endpoint": "/p",
                "callable": functools.partial(FlaskAppWrapper.process_json, predict),
                "timeout": 1,
            },
            "key 'timeout' has no effect on a view that calls process_json",
        ),
        *(
            ({"endpoint": "/p", "callable": Model, "runner": value}, f"route '/p': key 'runner': {message}")
            for value, message in (
                (1, "True, False or a dict of replicas, devices, init, start_timeout, kill_after"),
                ({"replica": 2}, "unknown key 'replica'; did you mean 'replicas'?"),
                ({"replicas": 0}, "key 'replicas': a number of 1 or more"),
                ({"replicas": [2, 1]}, "key 'replicas': a number of 1 or more, or the least and the most"),
                ({"replicas": [1, 2, 3]}, "key 'replicas': a number of 1 or more, or the least and the most"),
                ({"replicas": "12"}, "key 'replicas': a number of 1 or more, or the least and the most"),
                ({"replicas": 1001}, "key 'replicas': a number of 1 or more is expected, up to 1,000"),
                ({"devices": "cuda:0"}, "key 'devices': 'auto', a list like ['cuda:0', 'cpu']"),
                ({"devices": []}, "key 'devices': 'auto', a list like"),
                ({"devices": ["gpu"]}, "key 'devices': 'auto', a list like"),
                ({"init": ["a"]}, "key 'init': the keyword arguments of the class are expected"),
                ({"init": {"a": object()}}, "key 'init': it travels to another process"),
                ({"init": {"a": (1, 2)}}, "key 'init': it travels to another process"),
                ({"max_queue": 8}, "unknown key 'max_queue'"),
                ({"start_timeout": 0}, "key 'start_timeout': seconds above 0"),
                ({"kill_after": -1}, "key 'kill_after': seconds above 0"),
                ({"devices": [["cuda:0"]]}, "key 'devices': 'auto', a list like"),
                ({"devices": [["cuda:0", "cpu"]]}, "key 'devices': 'auto', a list like"),
                ({"devices": [["cuda:0", "cuda:0"]]}, "key 'devices': 'auto', a list like"),
                ({"devices": {}}, "key 'devices': a dict like {'cuda:0': 2}"),
                ({"devices": {"gpu": 2}}, "key 'devices': a device like 'cuda:0' or 'cpu' is expected"),
                ({"devices": {"cuda:0": 0.5}}, "key 'devices': 'cuda:0': how many replicas share it"),
                ({"devices": {"cuda:0": 2}, "replicas": 3}, "key 'devices': there are places for 2 replicas"),
                ({"env": ["A"]}, "key 'env': a dict of names and texts"),
                ({"env": {"A B": "1"}}, "key 'env': a variable's name has letters"),
                ({"env": {"A": 1}}, "key 'env': A: a text is expected"),
                (
                    {"env": {"CUDA_VISIBLE_DEVICES": "1"}},
                    "key 'env': CUDA_VISIBLE_DEVICES: say with",
                ),
                (
                    {"env": {"MODEL_SERVING_X": "1"}},
                    "key 'env': MODEL_SERVING_X: it is a setting of",
                ),
                ({"nice": -1}, "key 'nice': a whole number from 0 to 19"),
                ({"idle": 0}, "key 'idle': seconds above 0"),
                ({"recycle_after": 1000}, "key 'recycle_after': a dict of 'calls', 'mb' or both"),
                ({"recycle_after": {}}, "key 'recycle_after': a dict of 'calls', 'mb' or both"),
                (
                    {"recycle_after": {"call": 1}},
                    "key 'recycle_after': unknown key 'call'; did you mean",
                ),
                ({"health": 3}, "key 'health': "),
                ({"health": {"evry": 3}}, "key 'health': unknown key 'evry'; did you mean 'every'?"),
                ({"health": {"failures": 0}}, "key 'health': key 'failures': a number of 1 or more"),
                ({"recycle_after": {"mb": 0}}, "key 'recycle_after': key 'mb': a number of 1 or more"),
            )
        ),
        *(
            ({"endpoint": "/p", "callable": Model, "batch": value}, f"route '/p': key 'batch': {message}")
            for value, message in (
                (
                    "yes",
                    "True, False or a dict of max_size, max_wait_ms, max_total, group_by, size_of, split is",
                ),
                ({"max_wait": 1}, "unknown key 'max_wait'; did you mean 'max_wait_ms'?"),
                ({"max_size": True}, "key 'max_size': a number of 1 or more"),
                ({"max_wait_ms": -1}, "key 'max_wait_ms': milliseconds from 0 to 60000"),
                ({"max_wait_ms": "5"}, "key 'max_wait_ms': milliseconds from 0 to 60000"),
                ({"group_by": "language"}, "key 'group_by': a function is expected; this is 'language'"),
                ({"size_of": len, "max_total": 0}, "key 'max_total': a number above 0 is expected"),
                ({"split": True}, "key 'split': the name of a field is expected, e.g. 'items'; this is True"),
                ({"max_total": 4096}, "'max_total' is nothing without 'size_of': set both or none"),
                ({"size_of": len}, "'size_of' is nothing without 'max_total'"),
            )
        ),
        *(
            ({"endpoint": "/p", "callable": Model, "limit": value}, f"route '/p': key 'limit': {message}")
            for value, message in (
                (5, "a rate or a dict of rate, concurrent, per is expected; this is 5"),
                ({}, "it limits nothing: a 'rate' or a 'concurrent' is expected"),
                ({"rates": "1/second"}, "unknown key 'rates'; did you mean 'rate'?"),
                ("often", "key 'rate': a rate like '100/minute'"),
                ({"concurrent": 0}, "key 'concurrent': a number from 1 to 4096 is expected; this is 0"),
                (
                    {"concurrent": 1, "per": "user"},
                    "key 'per': 'key' or 'address' is expected; this is 'user'",
                ),
            )
        ),
        (
            {"endpoint": "/p", "callable": Model, "max_queue": 8, "batch": {"max_size": 9}},
            "route '/p': key 'max_queue': 8 calls never fill batches of 9",
        ),
        ({"endpoint": "/p", "callable": view, "runner": True}, "key 'runner' has no effect on a view"),
        ("/p", "route 0 has to be a dict, not str"),
        (None, "route 0 has to be a dict, not NoneType"),
    ],
)
def test_the_message_of_a_mistake_names_its_place_and_its_cure(item: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(item)

    assert message in str(raised.value)


def test_the_options_of_runner_and_batch_have_defaults() -> None:
    [plain] = read({"endpoint": "/p", "callable": Model, "runner": True, "batch": True})
    [full] = read(
        {
            "endpoint": "/p",
            "callable": Model,
            "runner": {"replicas": 2, "devices": ["cuda:0", "cpu"], "init": {"a": [1]}, "kill_after": None},
            "batch": {"max_size": 8, "max_wait_ms": 2.5},
        }
    )

    assert (plain.runner, plain.batch) == (RunnerOptions(), BatchOptions())
    assert full.runner == RunnerOptions(replicas=2, devices=("cuda:0", "cpu"), init={"a": [1]})
    assert full.batch == BatchOptions(max_size=8, max_wait=0.0025)


def test_the_options_of_a_batch_are_the_same_in_another_process() -> None:
    batch = {"max_size": 8, "max_wait_ms": 3, "size_of": predict, "max_total": 4096}
    [route] = read({"endpoint": "/p", "callable": Model, "batch": batch})

    sent = msgspec.msgpack.encode(batch_functions.named(route.batch))

    assert msgspec.msgpack.encode(msgspec.msgpack.decode(sent, type=BatchOptions)) == sent


@pytest.mark.parametrize(
    ("devices", "found"),
    [
        (["mps"], ("mps",)),
        ([["cuda:0", "cuda:1"], ["cuda:2", "cuda:3"]], ("cuda:0,cuda:1", "cuda:2,cuda:3")),
        ({"cuda:0": 2, "cuda:1": 1}, ("cuda:0", "cuda:1", "cuda:0")),
    ],
)
def test_devices_are_groups_or_places_as_well(devices: Any, found: tuple[str, ...]) -> None:
    [route] = read({"endpoint": "/p", "callable": predict, "runner": {"devices": devices}})

    assert route.runner is not None
    assert route.runner.devices == found


@pytest.mark.parametrize("dicts", [{"endpoint": "/p", "callable": predict}, 3])
def test_routes_that_are_no_list_are_refused(dicts: Any) -> None:
    with pytest.raises(ConfigurationError, match="routes have to be a list of dicts"):
        routes.read(dicts)


def test_a_mistake_in_a_later_route_is_located() -> None:
    with pytest.raises(ConfigurationError, match=r"^route 1: the key 'endpoint' is missing"):
        read({"endpoint": "/p", "callable": predict}, {"callable": predict})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/p", "/p"),
        ("/<lang>", "/<language>"),
        ("/<int:n>/x", "/<int:m>/x"),
        ("/<int(min=1):n>", "/<int(min=1):m>"),
    ],
)
def test_two_routes_for_one_path_and_method_are_refused(one: str, other: str) -> None:
    with pytest.raises(ConfigurationError, match=r"POST is answered by another route already, 'predict'"):
        read({"endpoint": one, "callable": predict}, {"endpoint": other, "callable": Model})


def test_one_path_may_have_a_route_for_each_method() -> None:
    found = read(
        {"endpoint": "/p", "callable": predict},
        {"endpoint": "/p", "callable": predict, "methods": ["GET"]},
        {"endpoint": "/<int:n>", "callable": predict},
        {"endpoint": "/<lang>", "callable": predict},
    )

    assert len({route.name for route in found}) == 4


def test_names_are_unique_and_the_users_own_are_kept() -> None:
    found = read(
        {"endpoint": "/a", "callable": predict},
        {"endpoint": "/b.c", "callable": predict},
        {"endpoint": "/d", "callable": predict, "name": "third"},
    )

    assert [route.name for route in found] == ["predict", "predict:/b_c", "third"]


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match="route '/b': key 'name': 'predict' is taken by another route"
    ):
        read(
            {"endpoint": "/a", "callable": predict}, {"endpoint": "/b", "callable": Model, "name": "predict"}
        )


def test_a_callable_without_fields_is_a_view_unless_a_key_is_for_the_pipeline() -> None:
    [as_view] = read({"endpoint": "/a", "callable": hello})
    [as_handler] = read({"endpoint": "/a", "callable": hello, "cache": True})
    [with_json] = read({"endpoint": "/a", "callable": view})

    assert as_view.view
    assert not as_handler.view
    assert with_json.view
