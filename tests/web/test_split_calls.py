"""Routes whose calls have several items each: what they take, answer and describe."""

from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.handlers.markers import Body
from tests.web.requests import post, route, serve


@dataclass
class Text:
    words: str


def rate(items: list[Text], scale: list[int] | None = None) -> list[float | InvalidRequest]:
    scales = scale or [1] * len(items)
    return [
        len(item.words) * float(by) if item.words else InvalidRequest("There is no text")
        for item, by in zip(items, scales, strict=True)
    ]


def rate_bare(items: Annotated[list[str], Body()]) -> list[int]:
    return [len(item) for item in items]


def rate_untyped(items, scale=None):  # type: ignore[no-untyped-def]
    return [item * 2 for item in items]


SPLIT: dict[str, Any] = {"batch": {"split": "items"}}


@pytest.mark.parametrize(
    ("handler", "body", "answer"),
    [
        (rate, {"items": [{"words": "abc"}, {"words": "a"}]}, [3.0, 1.0]),
        (rate, {"items": [{"words": "abc"}], "scale": 2}, [6.0]),
        (rate, {"items": []}, []),
        (rate_bare, ["abc", "de"], [3, 2]),
        (rate_untyped, {"items": [1, "a"]}, [2, "aa"]),
    ],
)
def test_a_call_of_items_is_answered_with_a_list_of_results(handler: Any, body: Any, answer: Any) -> None:
    answered = post(serve(route(handler, **SPLIT)), body)

    assert (answered.status_code, answered.json) == (200, answer)


@pytest.mark.parametrize(
    ("handler", "body", "error"),
    [
        (rate, {"items": [{"words": "a"}, {"words": ""}]}, "There is no text"),
        (rate, {"items": [{"words": 3}]}, "items[0].words: Expected `str`, got `int`"),
        (rate, {"items": {"words": "a"}}, "items: Expected `array`, got `object`"),
        (rate, {}, "Missing field 'items': expected are items, scale (optional)"),
        (rate_untyped, {"items": "abc"}, "items: Expected `array`, got `str`"),
    ],
)
def test_an_item_that_is_wrong_refuses_its_call(handler: Any, body: Any, error: str) -> None:
    refused = post(serve(route(handler, **SPLIT)), body)

    assert (refused.status_code, refused.json["error"]) == (400, error)


def test_more_items_than_may_wait_are_refused() -> None:
    client = serve(route(rate_bare, max_queue=32, **SPLIT))

    refused = post(client, ["a"] * 33)

    assert (refused.status_code, refused.json["error"]) == (
        413,
        "items: there are 33 items, and up to 32 may be",
    )


def test_the_description_is_of_the_call() -> None:
    client = serve(route(rate, **SPLIT))

    document = client.get("/openapi.json").json
    [operation] = [path["post"] for name, path in document["paths"].items() if "post" in path]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]

    assert (body["properties"]["items"]["type"], body["required"]) == ("array", ["items"])
    assert answer == {"type": "array", "items": {"type": "number"}}


def optional(items: list[int] | None = None) -> list[int]:
    return items or []


def nullable(items: list[int] | None) -> list[int]:
    return items or []


def single(items: int) -> list[int]:
    return [items]


@pytest.mark.parametrize(
    ("handler", "field", "message"),
    [
        (rate, "texts", "option 'split': the callable takes no field 'texts'; it takes items, scale"),
        (optional, "items", "option 'split': the items can't be left out: 'items' has a default"),
        (nullable, "items", "option 'split': parameter 'items' gets a list of items: write list[int]"),
        (single, "items", "option 'split': parameter 'items' gets a list of items: write list[int], not int"),
    ],
)
def test_a_field_that_can_not_be_split_stops_the_start(handler: Any, field: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        FlaskAppWrapper.create_app([route(handler, batch={"split": field})])

    assert f"key 'batch': {message}" in str(raised.value)
