"""A request is sent again where that does no harm, and only while there is time."""

import math

import pytest

from aylien_model_serving.client.effects import ApiRequest, ApiResponse
from aylien_model_serving.client.errors import ConnectionLost, TimedOut, Unreachable
from aylien_model_serving.client.options import Options
from aylien_model_serving.client.retry import MAX_DELAY, backoff_seconds, send
from tests.client.script import Script

POST = ApiRequest("POST", "/predict")
GET = ApiRequest("GET", "/predict", idempotent=True)
KEYED = ApiRequest("POST", "/fries", headers={"Idempotency-Key": "one"}, idempotent=True)
LATER = {"retry-after": "7"}
GOOD = ApiResponse(200)


@pytest.mark.parametrize("sent", [POST, GET, KEYED])
def test_an_unreachable_service_is_tried_again_after_growing_pauses(sent: ApiRequest) -> None:
    script = Script(Unreachable(), Unreachable(), GOOD)

    answer = script.run(send(sent, Options(), script.clock))

    assert answer is GOOD
    assert script.sleeps == [0.2, 0.4]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("sent", [POST, GET, KEYED])
def test_a_service_that_says_when_to_retry_is_asked_then_and_not_before(
    sent: ApiRequest, status: int
) -> None:
    script = Script(ApiResponse(status, LATER), GOOD)

    answer = script.run(send(sent, Options(), script.clock))

    assert answer is GOOD
    [pause] = script.sleeps
    assert pause >= 7


def test_a_date_to_retry_counts_from_the_date_of_the_response() -> None:
    dates = {"date": "Sat, 21 Nov 2026 10:00:00 GMT", "retry-after": "Sat, 21 Nov 2026 10:00:09 GMT"}

    assert ApiResponse(503, dates).retry_after() == 9


@pytest.mark.parametrize("value", ["soon", "-1", "", "Sat, 21 Nov 2026 10:00:09 GMT"])
def test_what_is_no_time_is_no_time_to_retry(value: str) -> None:
    assert ApiResponse(503, {"retry-after": value}).retry_after() is None


def test_a_service_that_wants_more_time_than_there_is_is_not_waited_for() -> None:
    script = Script(ApiResponse(503, {"retry-after": "61"}))

    answer = script.run(send(POST, Options(timeout=60), script.clock))

    assert answer.status == 503
    assert not script.sleeps


@pytest.mark.parametrize("sent", [GET, KEYED])
@pytest.mark.parametrize("outcome", [ConnectionLost(), ApiResponse(502), ApiResponse(503)])
def test_what_may_be_done_twice_is_tried_again_when_nobody_knows_whether_it_was_done(
    sent: ApiRequest, outcome: ApiResponse | Exception
) -> None:
    script = Script(outcome, GOOD)

    assert script.run(send(sent, Options(), script.clock)) is GOOD


def test_what_must_not_be_done_twice_is_not_tried_again() -> None:
    script = Script(ConnectionLost())

    with pytest.raises(ConnectionLost):
        script.run(send(POST, Options(), script.clock))

    assert len(script.sent) == 1


@pytest.mark.parametrize("status", [200, 400, 500, 502, 503, 504])
def test_an_answer_to_what_must_not_be_done_twice_is_taken_as_it_is(status: int) -> None:
    script = Script(ApiResponse(status))

    assert script.run(send(POST, Options(), script.clock)).status == status


@pytest.mark.parametrize("sent", [POST, GET])
def test_a_response_that_took_too_long_is_not_requested_again(sent: ApiRequest) -> None:
    script = Script(TimedOut())

    with pytest.raises(TimedOut):
        script.run(send(sent, Options(), script.clock))


def test_the_caller_sets_the_number_of_further_tries() -> None:
    script = Script(*[Unreachable("nobody")] * 3)

    with pytest.raises(Unreachable, match="nobody"):
        script.run(send(GET, Options(retries=2), script.clock))

    assert len(script.sent) == 3


def test_all_tries_share_the_timeout() -> None:
    script = Script(Unreachable(), Unreachable(), GOOD, seconds=2)

    script.run(send(GET, Options(timeout=10), script.clock))

    assert [round(effect.seconds, 1) for effect in script.sent] == [10, 7.8, 5.4]


def test_there_is_no_try_for_which_no_time_is_left() -> None:
    script = Script(*[Unreachable()] * 9, seconds=2)

    with pytest.raises(Unreachable):
        script.run(send(GET, Options(timeout=5, retries=9), script.clock))

    assert len(script.sent) == 3


@pytest.mark.parametrize("tries", [0, 3, 30, 3000])
def test_jitter_takes_up_to_half_of_a_pause_which_has_an_upper_bound(tries: int) -> None:
    longest, shortest = backoff_seconds(tries, 0.0), backoff_seconds(tries, 1.0)

    assert 0 < shortest == longest / 2
    assert longest <= MAX_DELAY


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"timeout": math.nan}, {"retries": -1}])
def test_invalid_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"above 0|from 0 on"):
        Options(**wrong)  # type: ignore[arg-type]  # also of the wrong type
