"""What an operator sets for single routes, by variables and a file: its effect, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from aylien_model_serving import Model
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.core import operator_options
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.limiting.rates import LimitOptions, Rate
from aylien_model_serving.routing import deployment
from aylien_model_serving.routing.options import JobOptions
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.routing.runner_options import RunnerOptions
from aylien_model_serving.web.models import hosted


def rate(texts: list[str]) -> list[int]:
    return [len(text) for text in texts]


class Rank:
    def __init__(self, path: str = "") -> None:
        self.path = path

    def __call__(self, text: str) -> int:
        return len(text)


def later(text: str) -> int:
    return len(text)


def view() -> str:
    return "hello"


ROUTES: list[dict[str, Any]] = [
    {"endpoint": "/rate", "callable": rate, "batch": {"max_wait_ms": 5}, "limit": "5/second"},
    {
        "endpoint": "/rank",
        "callable": Rank,
        "name": "rank-it",
        "runner": {"init": {"path": "a"}},
        "timeout": 3,
    },
    {"endpoint": "/later", "callable": later, "job": {"retries": 2}},
    {"endpoint": "/hello", "callable": view, "methods": ["GET"]},
]


@pytest.fixture
def set_variable(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda name, text: monkeypatch.setenv(f"MODEL_SERVING_{name}", text)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def to(text: str) -> Path:
        file = tmp_path / "serving.toml"
        file.write_text(text)
        monkeypatch.setenv("MODEL_SERVING_CONFIG", str(file))
        return file

    return to


def deployed(routes: list[dict[str, Any]] = ROUTES) -> dict[str, Route]:
    given = operator_options.read(Settings.load(), "route")
    return {route.name: route for route in deployment.apply(routes, given)}


def test_a_file_has_a_table_for_each_route_and_each_key(write: Any) -> None:
    write(
        """
        [routes.rate]
        max_queue = 100
        batch.max_size = 64

        [routes.rate.limit]
        concurrent = 8

        [routes.rank-it.runner]
        replicas = 4
        devices = ["cuda:0", "cuda:1"]

        [routes.later.job]
        queue_size = 7
        """
    )

    found = deployed()

    assert found["rate"].batch == BatchOptions(max_size=64, max_wait=0.005)
    assert found["rate"].max_queue == 100
    assert found["rate"].limit == LimitOptions((Rate(5, 1, "second"),), 8)
    assert found["rank-it"].runner == RunnerOptions(4, ("cuda:0", "cuda:1"), {"path": "a"})
    assert found["rank-it"].timeout == 3
    assert found["later"].job == JobOptions(queue_size=7, retries=2)
    assert found["later"].runner == RunnerOptions()
    assert found["view"].view


@pytest.mark.parametrize(
    ("variable", "text", "route", "key", "value"),
    [
        ("ROUTE_RATE__BATCH__MAX_WAIT_MS", "20", "rate", "batch", BatchOptions(max_wait=0.02)),
        ("ROUTE_RATE__BATCH", '{"max_size": 2}', "rate", "batch", BatchOptions(2, 0.005)),
        ("ROUTE_RATE__LIMIT", "7/minute", "rate", "limit", LimitOptions((Rate(7, 60, "minute"),))),
        ("ROUTE_RATE__LIMIT__RATE", "7/minute", "rate", "limit", LimitOptions((Rate(7, 60, "minute"),))),
        ("ROUTE_RATE__RUNNER", "true", "rate", "runner", RunnerOptions()),
        ("ROUTE_RANK_IT__RUNNER", "false", "rank-it", "runner", None),
        (
            "ROUTE_RANK_IT__RUNNER__REPLICAS",
            "2",
            "rank-it",
            "runner",
            RunnerOptions(2, "auto", {"path": "a"}),
        ),
        (
            "ROUTE_RANK_IT__RUNNER__INIT",
            '{"path": "b"}',
            "rank-it",
            "runner",
            RunnerOptions(init={"path": "b"}),
        ),
        ("ROUTE_RATE__RUNNER__REPLICAS", "[1, 4]", "rate", "runner", RunnerOptions((1, 4))),
        ("ROUTE_RATE__RUNNER__IDLE", "600", "rate", "runner", RunnerOptions(idle=600.0)),
        (
            "ROUTE_RATE__RUNNER__RECYCLE_AFTER",
            '{"calls": 5}',
            "rate",
            "runner",
            RunnerOptions(recycle_after={"calls": 5.0}),
        ),
        ("ROUTE_RANK_IT__CACHE", "60", "rank-it", "cache", 60),
        ("ROUTE_RANK_IT__TIMEOUT", "0.5", "rank-it", "timeout", 0.5),
        ("ROUTE_VIEW__LIMIT__CONCURRENT", "3", "view", "limit", LimitOptions(concurrent=3)),
    ],
)
def test_a_variable_sets_a_key_or_one_option_of_it(
    set_variable: Any, variable: str, text: str, route: str, key: str, value: object
) -> None:
    set_variable(variable, text)

    assert getattr(deployed()[route], key) == value


def test_a_variable_goes_before_the_file_and_both_before_the_author(write: Any, set_variable: Any) -> None:
    file = write("[routes.rank-it]\ntimeout = 5\nrunner.replicas = 2\n")
    set_variable("ROUTE_RANK_IT__TIMEOUT", "7")

    rank = deployed()["rank-it"]

    assert (rank.timeout, rank.runner) == (7, RunnerOptions(2, init={"path": "a"}))
    assert [(one.path, one.value, one.origin) for one in rank.set_by_operator] == [
        (("timeout",), 5, f"[routes.rank-it] of {file}"),
        (("runner", "replicas"), 2, f"[routes.rank-it.runner] of {file}"),
        (("timeout",), 7, "MODEL_SERVING_ROUTE_RANK_IT__TIMEOUT"),
    ]


def test_values_that_only_together_are_right_are_judged_together(set_variable: Any) -> None:
    set_variable("ROUTE_RATE__BATCH__MAX_SIZE", "200")
    set_variable("ROUTE_RATE__MAX_QUEUE", "300")

    assert deployed()["rate"].max_queue == 300


def test_what_is_set_holds_in_an_app(set_variable: Any) -> None:
    set_variable("ROUTE_LENGTH__LIMIT", "1/hour")
    client = FlaskAppWrapper.create_app(
        [{"endpoint": "/length", "callable": later, "name": "length"}]
    ).test_client()

    statuses = [client.post("/length", json={"text": "a"}).status_code for _ in range(2)]

    assert statuses == [200, 429]


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        (
            "ROUTE_RATES__TIMEOUT",
            "1",
            "ROUTE_RATES__TIMEOUT: there is no route 'RATES'; did you mean 'RATE'?",
        ),
        ("ROUTE_RATE", "1", "ROUTE_RATE: expected a route, a key and perhaps an option"),
        ("ROUTE_RATE__", "1", "expected a route, a key and perhaps an option"),
        (
            "ROUTE_RATE__TIMEOT",
            "1",
            "route '/rate': 'timeot' can't be set at deployment; did you mean 'timeout'?",
        ),
        ("ROUTE_RATE__ENDPOINT", "/a", "'endpoint' can't be set at deployment"),
        ("ROUTE_RATE__TIMEOUT", "soon", "ROUTE_RATE__TIMEOUT: route '/rate': key 'timeout': seconds above 0"),
        ("ROUTE_RATE__TIMEOUT__A", "1", "timeout.a is no option of a route"),
        (
            "ROUTE_RATE__BATCH__MAX_SIZES",
            "1",
            "key 'batch': unknown key 'max_sizes'; did you mean 'max_size'?",
        ),
        ("ROUTE_RATE__BATCH__SPLIT", "texts", "'split' changes what the route takes, which its author alone"),
        ("ROUTE_RATE__BATCH", '{"split": "texts"}', "'split' changes what the route takes"),
        ("ROUTE_RATE__BATCH", "false", "set an option of 'batch'; False is none"),
        ("ROUTE_RANK_IT__BATCH__MAX_SIZE", "1", "has no key 'batch', and only its author can give it one"),
        ("ROUTE_RANK_IT__JOB", "true", "has no key 'job', and only its author can give it one"),
        ("ROUTE_VIEW__TIMEOUT", "1", "route '/hello' is a Flask view, of which 'limit' alone can be set"),
        (
            "ROUTE_LATER__CACHE",
            "true",
            "ROUTE_LATER__CACHE: route '/later': key 'cache' has no effect beside",
        ),
    ],
)
def test_a_wrong_variable_stops_the_start_with_its_name(
    set_variable: Any, variable: str, text: str, message: str
) -> None:
    set_variable(variable, text)

    with pytest.raises(ConfigurationError) as raised:
        deployed()

    assert str(raised.value).startswith("MODEL_SERVING_ROUTE_")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[route.rate]\ntimeout = 1", "unknown table [route]; did you mean 'routes'?"),
        ("routes = 3", "routes has to be a table, as [routes.classify]; it is 3"),
        ("[routes]\nrate = 3", "routes.rate has to be a table"),
        ("[routes.rates]\ntimeout = 1", "there is no route 'rates'; did you mean 'rate'?"),
        ("[routes.rate\n", "not TOML: "),
        ("[routes.rate]\ntimeout = 1979-05-27", "key 'timeout': seconds above 0"),
        ("[routes.rate]\nbatch.max_size.a = 1", "key 'max_size': a number of 1 or more"),
        ("#" + "a" * 1024 * 1024, "it has more than 1048576 bytes"),
        ("\0", "not TOML: "),
    ],
)
def test_a_wrong_file_stops_the_start_with_its_name(write: Any, text: str, message: str) -> None:
    file = write(text)

    with pytest.raises(ConfigurationError) as raised:
        deployed()

    assert message in str(raised.value)
    assert str(file) in str(raised.value)


def test_a_file_that_is_not_there_stops_the_start(set_variable: Any) -> None:
    set_variable("CONFIG", "/nowhere/serving.toml")

    with pytest.raises(ConfigurationError, match=r"CONFIG='/nowhere/serving\.toml': No such file"):
        deployed()


def test_routes_that_are_one_word_in_variables_are_told_apart_by_a_file(
    write: Any, set_variable: Any
) -> None:
    routes = [{"endpoint": f"/{name}", "callable": later, "name": name} for name in ("a-b", "a_b")]
    write("[routes.a-b]\ntimeout = 1\n[routes.a_b]\ntimeout = 2\n")

    assert {name: route.timeout for name, route in deployed(routes).items()} == {"a-b": 1, "a_b": 2}

    set_variable("ROUTE_A_B__TIMEOUT", "3")
    with pytest.raises(ConfigurationError, match=r"'a-b' and 'a_b' are the same in the name of a variable"):
        deployed(routes)


def test_a_model_has_a_table_and_variables_as_a_route_has(write: Any, set_variable: Any) -> None:
    file = write("[models.embed-it]\ntimeout = 2\nbatch.max_size = 8\nrunner.replicas = 3\n")
    set_variable("MODEL_EMBED_IT__RUNNER__REPLICAS", "4")

    route = Model(rate, name="embed-it", batch={"max_wait_ms": 5}, threads=2).route

    assert (route.timeout, route.threads, route.batch) == (2, 2, BatchOptions(8, 0.005))
    assert route.runner == RunnerOptions(4)
    assert [one.origin for one in route.set_by_operator] == [
        f"[models.embed-it] of {file}",
        f"[models.embed-it.batch] of {file}",
        f"[models.embed-it.runner] of {file}",
        "MODEL_SERVING_MODEL_EMBED_IT__RUNNER__REPLICAS",
    ]


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        (
            "MODEL_RANK__RUNNER__REPLICAS",
            "0",
            "MODEL_RANK__RUNNER__REPLICAS: model 'rank': 'runner': key",
        ),
        (
            "MODEL_RANK__RUNNER",
            "false",
            "MODEL_SERVING_MODEL_RANK__RUNNER: model 'rank': 'runner': a model always has replicas",
        ),
        (
            "MODELS_RANK__TIMEOUT",
            "3",
            "MODEL_SERVING_MODELS_RANK__TIMEOUT: there is no such variable; "
            "did you mean 'MODEL_SERVING_MODEL_RANK__TIMEOUT'?",
        ),
        ("MODEL_RANK__CACHE", "true", "model 'rank': 'cache' can't be set at deployment"),
        (
            "MODEL_RANK__BATCH__MAX_SIZE",
            "3",
            "model 'rank' has no 'batch', and only its author",
        ),
    ],
)
def test_a_wrong_option_of_a_model_is_named(
    set_variable: Any, variable: str, text: str, message: str
) -> None:
    set_variable(variable, text)

    with pytest.raises(ConfigurationError) as raised:
        Model(later, name="rank")

    assert message in str(raised.value)


def test_options_of_a_model_that_are_set_for_its_route_are_refused_with_the_name_of_what_is_right(
    write: Any, set_variable: Any
) -> None:
    routes = [{"endpoint": "/rank", "callable": Model(later, name="rank-it")}]
    write("[routes.rank-it.runner]\nreplicas = 2\n")

    with pytest.raises(ConfigurationError) as raised:
        FlaskAppWrapper.create_app(routes)
    for text in ("[routes.rank-it.runner] of", "[models.rank-it]", "MODEL_SERVING_MODEL_RANK_IT__RUNNER"):
        assert text in str(raised.value)


def test_what_is_set_for_a_model_is_shown_of_its_route(write: Any) -> None:
    file = write("[models.rank-it]\ntimeout = 2\n")
    [route] = deployed([{"endpoint": "/rank", "callable": Model(later, name="rank-it")}]).values()

    shown = hosted(route)

    assert [one.origin for one in shown.set_by_operator] == [f"[models.rank-it] of {file}"]


def test_variables_of_a_kubernetes_service_are_no_options(set_variable: Any) -> None:
    set_variable("ROUTES_SERVICE_HOST", "10.0.0.1")
    set_variable("MODELS_PORT_80_TCP_ADDR", "10.0.0.1")

    assert deployed()["rate"].set_by_operator == Model(later, name="rank").route.set_by_operator == ()


@pytest.mark.parametrize("name", ["ROUTES_RATE__TIMEOUT", "ROUTES_RATES__RUNNER__REPLICAS"])
def test_a_variable_of_several_routes_stops_the_start_with_the_one_that_was_meant(
    set_variable: Any, name: str
) -> None:
    set_variable(name, "3")

    meant = name.replace("ROUTES_", "ROUTE_")
    with pytest.raises(ConfigurationError, match=f"did you mean 'MODEL_SERVING_{meant}'"):
        deployed()


def test_what_is_set_for_a_model_that_is_not_there_stops_the_start(set_variable: Any) -> None:
    model = Model(later, name="ranker")
    set_variable("MODEL_RANKR__TIMEOUT", "3")

    with pytest.raises(ConfigurationError, match=r"RANKR__TIMEOUT: there is no model 'RANKR'; did you mean"):
        FlaskAppWrapper.create_app([])
    assert model.name == "ranker"
