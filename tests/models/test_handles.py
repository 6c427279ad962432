"""Handles of models in one process: what is checked, what is found in code, and stand-ins for tests."""

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from aylien_model_serving import FlaskAppWrapper, Model
from aylien_model_serving.errors import ConfigurationError, HandlerFailed, InvalidRequest
from aylien_model_serving.models.dependencies import models_of
from aylien_model_serving.testing import in_process, stub
from tests.models import circles, composed
from tests.models.composed import Document, Spell, doubled, embed, letters, rank, spell, staged
from tests.web.asgi_client import NEEDS_A_LOOP


def search(query: str) -> dict[str, Any]:
    vectors = embed.map(text=[query, query + "!"])
    return {"vectors": [vector.tolist() for vector in vectors], "found": rank(vectors, Document(query)).text}


def through_module(number: int) -> int:
    result: int = composed.doubled(number=number)
    return result


def app() -> Any:
    return FlaskAppWrapper.create_app([{"endpoint": "/search", "callable": search}])


def test_models_are_found_by_the_names_in_a_handlers_code() -> None:
    assert models_of([search]) == [embed, rank]
    assert models_of([through_module]) == [doubled]
    assert models_of([test_models_are_found_by_the_names_in_a_handlers_code]) == [embed, rank, doubled]


def test_a_circle_stops_the_start_with_its_path() -> None:
    def circle(number: int) -> int:
        return int(circles.one_model(number=number))

    with pytest.raises(ConfigurationError, match="would wait for themselves: one → two → three → one"):
        FlaskAppWrapper.create_app([{"endpoint": "/one", "callable": circle}])


def test_two_models_of_one_name_stop_the_start() -> None:
    other = Model(composed.double)

    def both(number: int) -> int:
        return int(other(number=number) + doubled(number=number))

    with pytest.raises(ConfigurationError, match="two models have the name 'double': give one another"):
        FlaskAppWrapper.create_app([{"endpoint": "/both", "callable": both}])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Model(composed.double, batch={"max": 3}), "Model(double): 'batch': unknown key 'max'"),
        (
            lambda: Model(composed.double, runner=False),
            "'runner': a model always has replicas",
        ),
        (lambda: Model(composed.double, threads=0), "Model(double): 'threads': a number of 1 or more"),
        (lambda: Model(lambda number: number), "a lambda has no name there: write it as a function with def"),
        (
            lambda: Model(composed.double, timout=3),
            "Model(double): unknown argument 'timout'; did you mean 'timeout'?",
        ),
        (
            lambda: Model(composed.double, batch=True),
            "Model(double): parameter 'number' of a batched handler gets a list, one value for each call: "
            "write list[int], not int",
        ),
        (
            lambda: Model(composed.Single, batch=True),
            "Model(Single): parameter 'number' of a batched handler",
        ),
        (
            lambda: Model(composed.Spell, batch=True),
            "Model(Spell): key 'batch': a class with 'start' and 'step' works on many calls by itself",
        ),
        (lambda: Model(composed.Spell, threads=2), "Model(Spell): key 'threads': a class with 'start'"),
        (lambda: Model(3), "'callable': 3 can't be called"),
    ],
)
def test_a_wrong_option_is_named_at_once(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        make()

    assert message in str(raised.value)


def test_a_route_says_nothing_that_its_model_says() -> None:
    with pytest.raises(ConfigurationError, match="route '/double': key 'batch': say it of the model"):
        FlaskAppWrapper.create_app([{"endpoint": "/double", "callable": doubled, "batch": True}])
    with pytest.raises(ConfigurationError, match="key 'job': write a function that calls the model"):
        FlaskAppWrapper.create_app([{"endpoint": "/double", "callable": doubled, "job": True}])
    with pytest.raises(ConfigurationError, match="key 'name': the model is called 'double'"):
        FlaskAppWrapper.create_app([{"endpoint": "/double", "callable": doubled, "name": "other"}])


def test_a_private_or_unknown_method_is_none() -> None:
    for name in ("_private", "unknown"):
        with pytest.raises(AttributeError, match=f"no public method '{name}'"):
            getattr(rank, name)
    with pytest.raises(AttributeError, match="embed takes batches, which are calls of the model itself"):
        embed.mro  # noqa: B018  # an attribute of every class


def test_arguments_that_a_model_does_not_take_raise_what_a_function_raises() -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'number'"):
        doubled()
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'nmber'"):
        doubled(number=3, nmber=3)


def test_a_stand_in_answers_until_the_block_ends() -> None:
    class StandIn:
        def __call__(self, vectors: list[Any], document: Document) -> Document:
            return Document("stub")

        def count(self, to: int) -> list[int]:
            return [to]

        async def pid(self) -> int:
            return 3

    with stub(embed, lambda text: np.zeros(2)), stub(rank, StandIn()):
        assert search("abc") == {"vectors": [[0, 0], [0, 0]], "found": "stub"}
        assert rank.count(7) == [7]
        assert rank.pid() == 3
        assert embed.submit(text="a").result(10).tolist() == [0, 0]
    assert embed._instead is None


@NEEDS_A_LOOP
def test_a_stand_in_answers_coroutines() -> None:
    with stub(embed, lambda text: np.zeros(2)), stub(rank, composed.Rank()):
        assert asyncio.run(embed.call_async(text="a")).tolist() == [0, 0]
        assert asyncio.run(rank.sleep.call_async(seconds=0)) == 0


@NEEDS_A_LOOP
def test_a_stand_ins_stream_is_for_event_loops_too() -> None:
    class StandIn(composed.Rank):
        def count(self, to: int, fail_at: int = -1) -> Iterator[int]:
            yield from range(to)

    async def first() -> list[int]:
        items = await rank.count.call_async(5)
        found = [await anext(items), *[item async for item in items]]
        await items.aclose()
        return found

    with stub(rank, StandIn()):
        assert asyncio.run(first()) == [0, 1, 2, 3, 4]
        assert list(rank.count(2)) == [0, 1]


def test_a_stand_in_answers_for_models_alone() -> None:
    with pytest.raises(TypeError, match=r"stub\(\) takes the handle of a model, Model\(…\), not <function"):
        stub(search, len).__enter__()  # type: ignore[arg-type]  # what is refused


def test_a_model_is_no_handler_of_a_route_to_a_test() -> None:
    try:
        with pytest.raises(ConfigurationError, match=r"'embed' is a Model, which .* `with stub"):
            in_process(app, {"embed": lambda text: []})
    finally:
        for model in (embed, rank):
            model.run_instead(None)


def test_an_app_in_a_tests_process_has_its_models_there() -> None:
    client = in_process(app).test_client()
    try:
        found = client.post("/search", json={"query": "abc"})
        refused = client.post("/search", json={"query": "refuse"})
    finally:
        for model in (embed, rank):
            model.run_instead(None)

    assert found.json == {"vectors": [[6] * 4, [8] * 4], "found": "2"}
    assert (refused.status_code, refused.json["error"]) == (400, "This document is refused")


def test_a_model_that_yields_lists_yields_items_in_a_tests_process() -> None:
    letters.run_here()
    try:
        assert list(letters(text="abc")) == ["a", "b", "c"]
    finally:
        letters.run_instead(None)


def test_errors_stand_in_the_place_of_their_calls_where_that_is_asked_for() -> None:
    def half(number: int) -> int:
        if number % 2:
            raise InvalidRequest(f"{number} is odd")
        return number // 2

    with stub(doubled, half):
        found = doubled.map(number=range(4), return_exceptions=True)
        with pytest.raises(InvalidRequest, match="1 is odd"):
            doubled.map(number=range(4))

    assert [str(each) for each in found] == ["0", "1 is odd", "1", "3 is odd"]


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer than argument 1"):
        doubled.map(number=[1], other=[1, 2])


def test_a_model_that_waits_for_itself_is_refused_when_it_is_called() -> None:
    from aylien_model_serving.core import call_scope

    token = call_scope.current.set(call_scope.CallScope(None, ("rank", "double", "embed")))
    try:
        with pytest.raises(HandlerFailed, match="in a circle: double → embed → double"):
            doubled(number=1)
    finally:
        call_scope.current.reset(token)


def spelled(word: str) -> list[str]:
    return list(spell(word))


def test_a_model_with_steps_runs_in_the_tests_own_process() -> None:
    client = in_process(
        lambda: FlaskAppWrapper.create_app([{"endpoint": "/spelled", "callable": spelled}])
    ).test_client()
    try:
        assert client.post("/spelled", json={"word": "ab"}).get_json() == ["a", "b"]
    finally:
        spell.run_instead(None)


def test_an_instance_with_steps_stands_in_for_one() -> None:
    with stub(spell, Spell()):
        assert list(spell("abc")) == ["a", "b", "c"]


@pytest.mark.parametrize(("model", "method"), [(spell, "other"), (staged, "predict")], ids=str)
def test_a_model_with_steps_or_stages_has_no_methods_to_call(model: Model, method: str) -> None:
    with pytest.raises(AttributeError, match="by its stages or steps: call the model itself"):
        getattr(model, method)
