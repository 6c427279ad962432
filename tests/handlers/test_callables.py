"""What kind of callable a route names."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers import callables
from tests.ids import shown

process_json = FlaskAppWrapper.process_json


def predict(text: str) -> str:
    return text


def bare_view() -> str:
    return "Hello"


def path_view(lang: str) -> str:
    return lang


def json_view() -> Any:
    return FlaskAppWrapper.process_json(predict)


def cached_view(lang: str, extra: str = "") -> Any:
    return CachedFlaskAppWrapper.process_json(predict)


def imported_view() -> Any:
    return process_json(predict)


def make_view(helper: Callable[..., Any]) -> Callable[..., Any]:
    process_json = helper

    def view(*args: Any, **kwargs: Any) -> Any:
        return process_json(predict)

    return view


def nested_view(**kwargs: Any) -> Any:
    return (lambda: FlaskAppWrapper.process_json(predict))()


@functools.wraps(json_view)
def wrapped_view(*args: Any, **kwargs: Any) -> Any:
    return json_view()


class Views:
    def answer(self, text: str = "") -> Any:
        return FlaskAppWrapper.process_json(predict)

    def plain(self) -> str:
        return "Hello"


class Model:
    def __init__(self, size: int = 3) -> None:
        self.size = size

    def __call__(self, text: str) -> str:
        return text * self.size


class WithoutFields:
    def __call__(self) -> str:
        return "Hello"


@pytest.mark.parametrize(
    "view",
    [
        bare_view,
        path_view,
        json_view,
        cached_view,
        imported_view,
        make_view(FlaskAppWrapper.process_json),
        nested_view,
        wrapped_view,
        Views().answer,
        Views().plain,
        functools.partial(FlaskAppWrapper.process_json, predict),
        functools.partial(cached_view, extra="a"),
    ],
    ids=shown,
)
def test_a_callable_of_process_json_or_of_path_values_alone_is_a_view(view: Any) -> None:
    assert callables.is_view(view, frozenset({"lang"}))


@pytest.mark.parametrize(
    "handler",
    [
        predict,
        Model,
        Model(),
        WithoutFields(),
        lambda text: text,
        lambda **fields: fields,
        functools.partial(predict),
        len,
        str,
    ],
    ids=shown,
)
def test_a_callable_that_takes_fields_is_a_handler(handler: Any) -> None:
    assert not callables.is_view(handler, frozenset({"lang"}))


def test_a_function_whose_fields_are_no_path_values_is_no_view() -> None:
    assert not callables.is_view(path_view, frozenset())


def test_a_class_is_built_and_an_object_is_used_unchanged() -> None:
    built, instance = callables.build(Model), Model(2)

    assert isinstance(built, Model)
    assert built.size == 3
    assert callables.build(instance) is instance
    assert callables.build(predict) is predict


class NeedsSize:
    def __init__(self, size: int, device: str) -> None: ...
    def __call__(self, text: str) -> str:
        return text


class NotCallable:
    def predict(self, text: str) -> str:
        return text


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (NeedsSize, "the class NeedsSize needs device, size to be built: pass an instance instead"),
        (NotCallable, "instances of the class NotCallable can't be called: give it a __call__"),
        (NotCallable(), "can't be called"),
        ("module:predict", "'module:predict' can't be called"),
        (None, "None can't be called"),
    ],
)
def test_a_target_that_cant_be_called_stops_the_service(target: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        callables.build(target)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (predict, "predict"),
        (Model, "Model"),
        (Model(), "Model"),
        (Views().answer, "answer"),
        (lambda: None, "lambda"),
        (functools.partial(predict, "a"), "predict"),
        (functools.partial(FlaskAppWrapper.process_json, predict), "predict"),
    ],
)
def test_a_callable_gives_its_route_a_name(target: Any, name: str) -> None:
    assert callables.name_of(target) == name


def test_callables_are_identified_by_module_and_name() -> None:
    targets = [predict, path_view, Model(), Model().__call__, WithoutFields(), Views().answer, Views().plain]

    identities = [callables.identity(target) for target in targets]

    assert len(set(identities)) == len(targets)
    assert all(identity.startswith(__name__) for identity in identities)
    assert callables.identity(functools.partial(predict)) == callables.identity(predict)
    assert callables.identity(Model(1)) == callables.identity(Model(2))
