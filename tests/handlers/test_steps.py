"""Classes that work in steps: how they are recognised, what they take and yield, and what is refused."""

from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest

from aylien_model_serving import Done, FlaskAppWrapper, InvalidRequest
from aylien_model_serving.errors import ConfigurationError, HandlerFailed
from aylien_model_serving.handlers import steps
from aylien_model_serving.handlers.signatures import Signature


class Spell:
    """Spells words, a letter at each step."""

    max_active = 3

    def __init__(self, upper: bool = False) -> None:
        self.upper = upper

    def start(self, word: str, times: int = 1) -> list[str]:
        if not word:
            raise InvalidRequest("There is no word")
        return list((word.upper() if self.upper else word) * times)

    def step(self, states: list[list[str]]) -> list[str | Done | InvalidRequest]:
        return [self.next(letters) for letters in states]

    def next(self, letters: list[str]) -> Any:
        letter = letters.pop(0)
        if letter == "?":
            return InvalidRequest("no letter")
        return letter if letters else Done(letter)


class Silent:
    def start(self) -> None: ...

    def step(self, states: list[None]) -> list[Done]:
        return [Done() for _ in states]


def client(**keys: Any) -> Any:
    return FlaskAppWrapper.create_app([{"endpoint": "/spell", "callable": Spell, **keys}]).test_client()


def test_a_class_with_start_and_step_and_without_call_is_recognised() -> None:
    class Callable_(Spell):
        def __call__(self) -> None: ...

    assert steps.is_stepped(Spell)
    assert not any(map(steps.is_stepped, (Callable_, Spell(), print, str)))


def test_the_handler_takes_what_start_takes_and_yields_what_step_says() -> None:
    kind = steps.adapted(Spell)
    handler = kind(upper=True)

    assert Signature.of(kind).known == ("upper",)
    assert Signature.of(handler).known == ("word", "times")
    assert get_type_hints(type(handler).__call__) == {"word": str, "times": int, "return": Iterator[str]}
    assert handler.max_active == 3
    assert list(handler(word="abc", times=2)) == list("ABCABC")


def test_without_an_engine_of_its_own_a_call_is_worked_on_by_itself() -> None:
    found = client().post("/spell", json={"word": "ab"})

    assert (found.status_code, found.text) == (200, '"a"\n"b"\n')
    assert client().post("/spell", json={"word": 3}).status_code == 400
    assert (
        client().post("/spell", json={"word": "a?b"}).text.splitlines()[1].startswith('{"error":"no letter"')
    )


def test_a_call_may_end_without_an_item() -> None:
    assert list(steps.adapted(Silent)()()) == []


@pytest.mark.parametrize("returned", [[], ["a", "b"], "a", None])
def test_a_step_that_returns_something_else_than_an_item_for_each_call_fails(returned: Any) -> None:
    with pytest.raises(HandlerFailed, match="step has to return a list"):
        steps.stepped(lambda states: returned, ["state"])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"batch": True}, "key 'batch': a class with 'start' and 'step' works on many calls by itself"),
        ({"threads": 2}, "key 'threads': a class with 'start' and 'step' works on many calls by itself"),
        ({"callable": Spell()}, "an instance of Spell is made where it is hosted: name the class"),
    ],
)
def test_a_wrong_key_stops_the_start(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        client(**keys)

    assert message in str(raised.value)


def test_a_wrong_class_stops_the_start() -> None:
    class Many(Spell):
        max_active = 0

    class Async(Spell):
        async def step(self, states: list[Any]) -> Any: ...  # type: ignore[override]

    for kind, message in (
        (Many, "Many.max_active: a number of 1 or more"),
        (Async, "Async.step: write a plain function"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            steps.adapted(kind)
