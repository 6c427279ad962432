"""Docstrings are parsed as people write them."""

import functools
from typing import Any

import pytest

from aylien_model_serving.handlers import docstrings

WHOLE = """Turn a text
into another one.

It may be *long*.

Args:
    text (str): what is turned,
        from the first letter
        to the last.
    **rest: whatever: else.
    bare:

Example:
    turn("a")

Returns:
    str: the other one.

Raises:
    errors.NotFound: there is none.

At last, a word.
"""


def test_a_whole_docstring_is_parsed_into_its_sections() -> None:
    found = docstrings.parse(WHOLE)

    assert found.summary == "Turn a text into another one."
    assert found.text == (
        'Turn a text\ninto another one.\n\nIt may be *long*.\n\nExample:\n    turn("a")\n\nAt last, a word.'
    )
    assert found.arguments == {
        "text": "what is turned, from the first letter to the last.",
        "rest": "whatever: else.",
        "bare": "",
    }
    assert found.returns == "str: the other one."
    assert found.raises == {"NotFound": "there is none."}


@pytest.mark.parametrize("text", ["", "Args:", "Args:\n", "Args:\n    no item\n", ":\n  :", "Raises:\n\n\n"])
def test_a_malformed_docstring_has_no_sections(text: str) -> None:
    found = docstrings.parse(text)

    assert not found.arguments
    assert not found.raises


class Undescribed:
    """A model.

    Args:
        device: where it is.
    """

    def __call__(self, text: str) -> str:
        return text


class Described(Undescribed):
    """A model that describes its call."""

    def __call__(self, text: str) -> str:
        """Say it.

        Args:
            text: what.
        """
        return text


class Plain: ...


@pytest.mark.parametrize(
    "handler",
    [
        Described,
        Described(),
        Described().__call__,
        functools.partial(Described(), "a"),
    ],
)
def test_an_object_is_described_by_its_call(handler: Any) -> None:
    found = docstrings.of(handler)

    assert (found.summary, found.arguments) == ("Say it.", {"text": "what."})


@pytest.mark.parametrize("handler", [Undescribed, Undescribed()])
def test_an_object_whose_call_has_no_docstring_is_described_by_its_class(handler: Any) -> None:
    found = docstrings.of(handler)

    assert (found.summary, found.arguments) == ("A model.", {})


def test_without_a_docstring_everything_is_empty() -> None:
    assert docstrings.of(Plain) == docstrings.of(lambda: None) == docstrings.Docstring()
