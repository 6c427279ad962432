"""Whatever a handler answers with, all adapters send it alike."""

from __future__ import annotations

import pytest

from examples import example_schema_pb2
from tests.contracts import answers
from tests.contracts.adapters import Answer, ServiceByAdapter
from tests.contracts.cases import Case, post
from tests.contracts.comparison import assert_equal_responses


@pytest.fixture(scope="module")
def by_adapter() -> ServiceByAdapter:
    return ServiceByAdapter(answers.service, {})


@pytest.mark.parametrize("name", answers.STREAMS)
def test_an_iterator_is_streamed_as_a_generator_is(name: str, by_adapter: ServiceByAdapter) -> None:
    case, body = answers.STREAMS[name]

    [answer] = assert_equal_responses(by_adapter, case).answers

    assert answer.body == body


@pytest.mark.parametrize("kind", answers.VALUES)
def test_what_json_has_no_word_for_is_sent_in_one_that_it_has(
    kind: str, by_adapter: ServiceByAdapter
) -> None:
    case = answers.case(200, post("/value", {"kind": kind}))

    [answer] = assert_equal_responses(by_adapter, case).answers

    assert (answer.body, dict(answer.headers)["content-type"]) == (answers.VALUES[kind], "application/json")


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/x-protobuf", "application/x-protobuf"),
        ("application/protobuf", "application/protobuf"),
        ("application/protobuf, application/json;q=0.5", "application/protobuf"),
        ("application/json, application/protobuf", "application/json"),
        ("application/*", "application/json"),
        ("text/html", "application/json"),
    ],
)
def test_a_message_is_sent_under_the_name_by_which_it_was_asked_for(
    accept: str, media_type: str, by_adapter: ServiceByAdapter
) -> None:
    case = answers.case(200, post("/detect", {"title": "en"}, ("accept", accept)))

    [answer] = assert_equal_responses(by_adapter, case).answers

    assert dict(answer.headers)["content-type"] == media_type
    if media_type != "application/json":
        assert example_schema_pb2.Response.FromString(answer.body).language == "en"


def test_a_route_without_messages_answers_json_to_those_who_ask_for_one(by_adapter: ServiceByAdapter) -> None:
    case = answers.case(200, post("/value", {"kind": "none"}, ("accept", "application/protobuf")))

    [answer] = assert_equal_responses(by_adapter, case).answers

    assert dict(answer.headers)["content-type"] == "application/json"


def assert_sent(answer: Answer, status: int, media_type: str, body: bytes, more: dict[str, str]) -> None:
    headers = dict(answer.headers)
    assert (answer.status, headers.get("content-type", ""), answer.body) == (status, media_type, body)
    own = headers.keys() - {"content-type", "content-length", "x-request-id", "x-content-type-options"}
    assert {name: headers[name] for name in own} == more


@pytest.mark.parametrize("path", ["/respond", "/respond-one-by-one", "/respond-all"])
@pytest.mark.parametrize("kind", answers.SENT)
def test_a_response_is_sent_as_its_handler_made_it(
    kind: str, path: str, by_adapter: ServiceByAdapter
) -> None:
    case = answers.case(answers.SENT[kind][0], post(path, {"kind": kind}))

    [answer] = assert_equal_responses(by_adapter, case).answers

    assert_sent(answer, *answers.SENT[kind])


@pytest.mark.parametrize("kind", answers.HINTED)
def test_a_tuple_is_no_data_where_the_hint_names_none(kind: str, by_adapter: ServiceByAdapter) -> None:
    status, body, headers = answers.HINTED[kind]
    case = answers.case(status, post("/respond-hinted", {"kind": kind}))

    [answer] = assert_equal_responses(by_adapter, case).answers

    assert_sent(answer, status, "application/json", body, headers)


def test_a_tuple_is_data_where_the_hint_names_one(by_adapter: ServiceByAdapter) -> None:
    case = answers.case(200, post("/respond-data", {"kind": "a"}))

    [answer] = assert_equal_responses(by_adapter, case).answers

    assert answer.body == b'[{"kind":"a"},404]'


def test_a_view_may_answer_so_too(by_adapter: ServiceByAdapter) -> None:
    for path in ("/view", "/view-of-handler"):
        fields = {} if path == "/view" else {"kind": "a result with a status"}
        case = answers.case(201, post(path, fields), bare=False)

        [answer] = assert_equal_responses(by_adapter, case).answers

        assert answer.body == b'{"a":1}'


def test_what_goes_out_as_a_success_fits_the_schema_and_an_error_need_not(
    by_adapter: ServiceByAdapter,
) -> None:
    refused = answers.case(500, post("/detect-badly", {"status": 200}))
    passed = answers.case(404, post("/detect-badly", {"status": 404}))

    assert_equal_responses(by_adapter, refused)
    [answer] = assert_equal_responses(by_adapter, passed).answers

    assert answer.body == b'{"language":"en","none of its fields":1}'


@pytest.mark.parametrize(
    ("kind", "found"),
    [("a result with headers", "hit"), ("a result with cookies", "miss"), ("a result with a status", "miss")],
)
def test_a_cache_keeps_a_response_that_is_for_all_and_no_other(
    kind: str, found: str, by_adapter: ServiceByAdapter
) -> None:
    requests = (post("/respond-cached", {"kind": kind}), post("/respond-cached", {"kind": kind}))
    case = Case(requests, (answers.SENT[kind][0],) * 2, build=answers.service)

    first, second = assert_equal_responses(by_adapter, case).answers

    status, media_type, body, headers = answers.SENT[kind]
    assert_sent(first, status, media_type, body, {**headers, "x-cache": "miss"})
    assert_sent(second, status, media_type, body, {**headers, "x-cache": found})
