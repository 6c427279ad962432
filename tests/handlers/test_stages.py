"""Classes with `setup`, `decode_request`, `predict` and `encode_response`, as LitServe has them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from aylien_model_serving import FlaskAppWrapper, Service
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.handlers import stages
from aylien_model_serving.replicas.replica import loader
from aylien_model_serving.rpc.spec import Spec

STREAM = {"Accept": "application/x-ndjson"}

#: Times that four calls at once are made, until two of them share a batch.
ROUNDS = 50


class Squares:
    def setup(self, device: str) -> None:
        self.model = lambda x: x**2
        self.seen = device

    def decode_request(self, request: dict[str, float]) -> float:
        return request["input"]

    def predict(self, x: float) -> float:
        return self.model(x)

    def encode_response(self, output: float) -> dict[str, Any]:
        return {"output": output, "device": self.seen}


class Plain:
    def setup(self, device: str) -> None:
        self.on = f"{device}={self.device}"  # type: ignore[attr-defined]  # set before

    def predict(self, text: str) -> str:
        return f"{text} on {self.on}"


class Words:
    def setup(self, device: str) -> None: ...

    def predict(self, text: str) -> Iterator[str]:
        yield from text.split()


class Lengths(Words):
    def encode_response(self, word: str) -> int:
        return len(word)


class Counted(Words):
    def encode_response(self, words: Iterator[str]) -> Iterator[str]:
        for number, word in enumerate(words):
            yield f"{number} {word}"


class Sums:
    """Keeps the kinds of its batches."""

    def setup(self, device: str) -> None:
        self.batches: list[tuple[int, ...]] = []

    def decode_request(self, request: list[float]) -> np.ndarray:
        return np.asarray(request)

    def predict(self, x: np.ndarray) -> np.ndarray:
        self.batches.append(x.shape)
        return x.sum(axis=1)

    def encode_response(self, output: np.floating[Any]) -> dict[str, Any]:
        return {"sum": output, "batches": self.batches}


class OwnBatch(Sums):
    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        return np.stack([*inputs, np.zeros_like(inputs[0])])

    def unbatch(self, output: np.ndarray) -> list[float]:
        return [float(each) for each in output[:-1]]


def client(kind: type, **keys: Any) -> Any:
    return FlaskAppWrapper.create_app([{"endpoint": "/predict", "callable": kind, **keys}]).test_client()


def test_each_stage_gets_what_the_one_before_returns() -> None:
    assert client(Squares).post("/predict", json={"input": 3}).json == {"output": 9, "device": "cpu"}


def test_the_hint_of_the_request_is_checked() -> None:
    refused = client(Squares).post("/predict", json={"input": "three"})

    assert (refused.status_code, refused.json["code"]) == (400, "schema_mismatch")


def test_stages_may_be_missing_and_a_body_may_be_any_value() -> None:
    assert client(Plain).post("/predict", json="one").json == "one on cpu=cpu"


@pytest.mark.parametrize(
    ("kind", "expected"), [(Words, ["a", "bc"]), (Lengths, [1, 2]), (Counted, ["0 a", "1 bc"])]
)
def test_a_generator_streams(kind: type, expected: list[Any]) -> None:
    answer = client(kind).post("/predict", json="a bc", headers=STREAM)

    assert [line.strip('"') for line in answer.text.split("\n")[:-1]] == [str(item) for item in expected]


@pytest.mark.parametrize("kind", [Sums, OwnBatch])
def test_a_batch_is_stacked_predicted_at_once_and_split(kind: type) -> None:
    app = FlaskAppWrapper.create_app(
        [{"endpoint": "/", "callable": kind, "batch": {"max_size": 4, "max_wait_ms": 1000}}]
    )

    calls, batches = 0, []
    with ThreadPoolExecutor(4) as pool:
        while calls == len(batches) < ROUNDS * 4:  # on a busy machine calls may come one after the other
            answers = list(pool.map(lambda n: app.test_client().post("/", json=[n, 1]).json, range(4)))
            assert [answer["sum"] for answer in answers] == [1, 2, 3, 4]
            calls += 4
            batches = max((answer["batches"] for answer in answers), key=len)

    assert len(batches) < calls


def test_in_a_replica_it_has_the_replicas_device() -> None:
    handler = loader.build(Spec(name="squares", target=f"{__name__}:Squares"), "cuda:1")
    batched = loader.build(
        Spec.of_process(name="sums", target=f"{__name__}:Sums", batching=BatchOptions(max_size=2)), "cpu"
    )

    assert handler(request={"input": 2}) == {"output": 4, "device": "cuda:1"}
    assert [each["sum"] for each in batched(request=[[1, 2], [3, 4]])] == [3, 7]


class Countdown:
    """Counts from what a call sends down to 0, in a list for each step."""

    def setup(self, device: str) -> None: ...

    def predict(self, numbers: list[int]) -> Iterator[list[int]]:
        for step in range(3):
            yield [number - step for number in numbers]


class Halved(Countdown):
    def encode_response(self, number: int) -> float:
        return number / 2


class Doubled(Countdown):
    def unbatch(self, steps: Iterator[list[int]]) -> Iterator[list[int]]:
        yield from ([2 * number for number in step] for step in steps)

    def encode_response(self, steps: Iterator[list[int]]) -> Iterator[list[str]]:
        for step in steps:
            yield [f"{number}!" for number in step]


@pytest.mark.parametrize(
    ("kind", "lines"),
    [(Countdown, "3\n2\n1\n"), (Halved, "1.5\n1.0\n0.5\n"), (Doubled, '"6!"\n"4!"\n"2!"\n')],
)
def test_a_batch_is_streamed_by_stages_that_yield_an_output_of_all_calls(kind: type, lines: str) -> None:
    assert client(kind, batch=True).post("/predict", json=3, headers=STREAM).text == lines


def test_as_a_decorator_with_init_arguments_of_its_class() -> None:
    app = Service()

    @app.endpoint("/predict")
    class Scaled(Squares):
        def __init__(self, factor: float = 3) -> None:
            self.factor = factor

        def predict(self, x: float) -> float:
            return self.factor * x

    assert app.test_client().post("/predict", json={"input": 2}).json["output"] == 6


def test_what_a_class_only_inherits_from_litserve_is_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    class LitAPI:
        __module__ = "litserve.api"

        def setup(self, device: str) -> None:
            raise NotImplementedError

        def predict(self, x: Any) -> Any:
            raise NotImplementedError

        def decode_request(self, request: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

        def unbatch(self, output: Any) -> Any:
            raise ValueError("needs pre_setup")

    class Api(LitAPI):
        def setup(self, device: str) -> None: ...

        def predict(self, x: Any) -> Any:
            return x

    monkeypatch.setitem(sys.modules, "litserve", ModuleType("litserve"))

    assert client(Api).post("/predict", json=[1]).json == [1]
    assert client(Api, batch=True).post("/predict", json=[1]).json == [1]
    assert not stages.is_staged(LitAPI)


class Asynchronous(Words):
    async def predict(self, text: str) -> str:  # type: ignore[override]  # a mistake
        return text


class WithContext(Words):
    def predict(self, text: str, context: Any) -> str:  # type: ignore[override]  # a mistake
        return text


@pytest.mark.parametrize(
    ("kind", "keys", "message"),
    [
        (Asynchronous, {}, r"Asynchronous\.predict: write a plain function"),
        (WithContext, {}, r"WithContext\.predict is called with one argument"),
        (Squares(), {}, "an instance of Squares is made where it is hosted: name the class"),
    ],
)
def test_what_cant_be_called_so_is_refused_at_the_start(kind: Any, keys: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        client(kind, **keys)


def test_other_classes_are_left_as_they_are() -> None:
    class Callable(Squares):
        def __call__(self, x: float) -> float:
            return x

    class Predictor:
        def setup(self) -> None: ...

        def predict(self, x: float) -> float:
            return x

    assert stages.adapted(Callable, batched=False) is Callable
    assert stages.adapted(Predictor, batched=False) is Predictor
