"""A query beside a body: its texts become the values that their fields have."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from aylien_model_serving.core.messages import Call
from aylien_model_serving.dispatch.pipeline import answer, run_steps
from tests.dispatch.pipelines import Service


class Size(Enum):
    SMALL = 1
    LARGE = 2


@dataclass
class Item:
    name: str


def take(text: str, **rest: Any) -> Any: ...


def sent(handler: Any, query: str, body: bytes = b"{}", method: str = "POST", **keys: Any) -> Any:
    """Return status and body of the answer to a call with a query."""
    call = Call(method, "/p", query, {}, body, {}, "id")
    reply = run_steps(answer(Service(handler, **keys).endpoint, call))
    return reply.status, json.loads(reply.body)


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (int, "3", 3),
        (float, "0.5", 0.5),
        (bool, "true", True),
        (bool, "on", True),
        (str, "3", "3"),
        (str | None, "", ""),
        (int | None, "3", 3),
        (Size, "2", Size.LARGE),
        (Literal["a", "b"], "b", "b"),
        (date, "2026-01-31", date(2026, 1, 31)),
        (list[int], "3", [3]),
        (Annotated[int, Field(ge=2)], "3", 3),
        (None, "3", "3"),
    ],
)
def test_a_text_becomes_what_it_would_be_in_a_query_alone(hint: Any, text: str, value: Any) -> None:
    seen: list[Any] = []

    def handler(name: str, given: Any) -> None:
        seen.append(given)

    handler.__annotations__ = {"name": str} | ({} if hint is None else {"given": hint})

    assert sent(handler, f"given={text}", b'{"name": "a"}') == (200, None)
    assert sent(handler, f"name=a&given={text}", b"", "GET") == (200, None)
    assert seen == [value, value]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("top=many", "top: Expected `int`, got `str`"),
        ("more=1", "Unexpected field 'more': expected are text, top (optional)"),
        ("text=a", "The field 'text' is given in the body and in the query"),
        ("top=1&top=2", "top: Expected `int`, got `array`"),
    ],
)
def test_what_does_not_fit_is_refused_in_words_of_its_own(query: str, message: str) -> None:
    def handler(text: str, top: int = 5) -> None: ...

    status, shown = sent(handler, query, b'{"text": "a"}')

    assert (status, shown["error"]) == (400, message)


def test_a_structured_body_has_values_beside_it() -> None:
    def handler(item: Item, top: int = 5) -> list[Any]:
        return [item.name, top]

    assert sent(handler, "top=3", b'{"item": {"name": "a"}}') == (200, ["a", 3])


def test_a_large_body_has_them_too() -> None:
    def handler(text: str, top: int = 5) -> list[int]:
        return [len(text), top]

    assert sent(handler, "top=3", b'{"text": "%b"}' % (b"a" * 300_000)) == (200, [300_000, 3])


def test_what_fastsdk_numbers_its_requests_by_is_no_field() -> None:
    def numbered(text: str, details_id: str = "") -> str:
        return f"{text} {details_id}"

    def plain(text: str) -> str:
        return text

    body = b'{"text": "a"}'
    assert sent(plain, "details_id=det-1", body) == (200, "a")
    assert sent(numbered, "details_id=det-1", body) == (200, "a det-1")
    assert sent(plain, "details=det-1", body)[0] == 400
