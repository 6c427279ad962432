"""Groups and sizes of calls: which functions are asked, what they may say, and what their errors do."""

from typing import Any

import pytest

from aylien_model_serving.errors import ConfigurationError, HandlerFailed, InvalidRequest
from aylien_model_serving.executors import grouping
from aylien_model_serving.executors.batch_policy import BatchOptions, BatchPolicy
from aylien_model_serving.handlers.signatures import Signature
from tests.executors.engines import EngineHarness
from tests.ids import shown


def echo(text: list[str], language: list[str] | None = None) -> list[str]:
    return text


def harness_of(**options: Any) -> tuple[EngineHarness, list[list[str]]]:
    """Return an engine, and the batches that its handler gets."""
    batches: list[list[str]] = []

    def handler(text: list[str], language: list[str] | None = None) -> list[str]:
        batches.append(text)
        return text

    return EngineHarness(handler, batching=BatchOptions(**options)), batches


def language_of(text: str, language: str = "en") -> str:
    return language


def length_of(text: str) -> int:
    return len(text)


def test_calls_of_one_group_share_a_batch() -> None:
    harness, batches = harness_of(group_by=language_of)
    for number, language in enumerate(["en", "de", "en", "de"]):
        harness.submit(str(number), text=f"{language}{number}", language=language)

    harness.work()

    assert batches == [["en0", "en2"], ["de1", "de3"]]


def test_the_sizes_in_a_batch_add_up_to_no_more_than_the_total() -> None:
    harness, batches = harness_of(size_of=length_of, max_total=4)
    for text in ["aa", "bb", "c", "dddddd", "ee"]:
        harness.submit(text, text=text)

    harness.work()

    assert batches == [["aa", "bb"], ["c"], ["dddddd"], ["ee"]]


def test_a_function_is_asked_once_for_each_call() -> None:
    asked: list[str] = []

    def group(text: str) -> int:
        asked.append(text)
        return len(asked) % 2

    harness, _ = harness_of(group_by=group)
    for text in "abcdef":
        harness.submit(text, text=text)

    harness.work()

    assert asked == list("abcdef")


def test_a_function_that_takes_any_field_gets_all() -> None:
    seen: list[dict[str, Any]] = []
    harness, _ = harness_of(group_by=lambda **fields: seen.append(fields))

    harness.submit("x", text="a", language="en")

    assert seen == [{"text": "a", "language": "en"}]


class PatientPolicy(BatchPolicy):
    def due(self, now: float, waiting: int, first: float) -> float:
        return now + 60


def test_a_batch_that_has_its_total_does_not_wait_for_further_calls() -> None:
    harness, _ = harness_of(size_of=length_of, max_total=4, max_wait=60.0)
    harness.engine._policy = PatientPolicy(BatchOptions())

    harness.submit("a", text="aa")
    waits = harness.engine._due(0.0)
    harness.submit("b", text="bb")

    assert (waits, harness.engine._due(0.0)) == (60, 0.0)


def test_a_call_that_a_function_refuses_is_refused_and_no_other() -> None:
    def group(text: str) -> str:
        if not text:
            raise InvalidRequest("There is no text")
        return "all"

    harness, batches = harness_of(group_by=group)
    with pytest.raises(InvalidRequest, match="There is no text"):
        harness.submit("x", text="")
    harness.submit("y", text="b")

    assert harness.work() == {"y": "b"}
    assert batches == [["b"]]


@pytest.mark.parametrize(
    "options",
    [
        {"group_by": lambda text: 1 // 0},
        {"group_by": lambda text: [text]},
        {"size_of": lambda text: text, "max_total": 4},
        {"size_of": lambda text: -1, "max_total": 4},
        {"size_of": lambda text: float("nan"), "max_total": 4},
        {"size_of": lambda text: float("inf"), "max_total": 4},
    ],
    ids=shown,
)
def test_a_function_that_fails_or_says_what_is_no_group_and_no_size_fails_its_call(
    options: dict[str, Any],
) -> None:
    harness, batches = harness_of(**options)

    with pytest.raises(HandlerFailed) as failed:
        harness.submit("x", text="a")

    assert isinstance(failed.value.__cause__, (ArithmeticError, TypeError, ValueError))
    assert harness.work() == {}
    assert batches == []


async def later(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_by": later}, "option 'group_by': it is asked while a call arrives: write it with def"),
        (
            {"size_of": len, "max_total": 4},
            "option 'size_of': it takes 'obj', which is no field of the callable; it gets fields by their "
            "names: text, language",
        ),
        (
            {"group_by": lambda language: language},
            "option 'group_by': a call may leave out 'language': give the parameter a default",
        ),
    ],
    ids=shown,
)
def test_a_function_that_could_not_be_asked_stops_the_start(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        grouping.check(BatchOptions(**options), Signature.of(echo))

    assert str(raised.value).startswith(message)


def test_functions_that_take_fields_and_have_defaults_for_the_others_are_fine() -> None:
    options = BatchOptions(group_by=language_of, size_of=lambda text, scale=1: len(text), max_total=4)

    grouping.check(options, Signature.of(echo))
