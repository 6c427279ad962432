"""Headers and cookies as parameters of a handler: behind all adapters, in caches, batches and jobs alike."""

from __future__ import annotations

import json
from enum import Enum
from typing import Annotated, Any

import pytest

from aylien_model_serving import Cookie, Header
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.core.messages import Call
from aylien_model_serving.dispatch.engine_call import EngineCall
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.rpc import protocol
from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import Request, ServiceByAdapter
from tests.contracts.cases import Case, get, post
from tests.contracts.comparison import assert_equal_responses
from tests.contracts.flask_handlers import GET, route


class Plan(Enum):
    FREE = "free"
    PAID = "paid"


def answer(
    text: str,
    tenant: Annotated[str, Header("X-Tenant")],
    x_level: Annotated[int, Header()] = 1,
    plan: Annotated[Plan | None, Header("x-plan")] = None,
    session: Annotated[str | None, Cookie()] = None,
) -> list[Any]:
    """Answer with what has come.

    Args:
        text: any text.
        tenant: whose text it is.
    """
    return [text, tenant, x_level, plan, session]


def answer_optional(seen: Annotated[str | None, Cookie("seen.it")]) -> str | None:
    return seen


def answer_all(
    text: list[str], tenant: Annotated[list[str], Header("x-tenant")], level: list[Annotated[int, Header()]]
) -> list[Any]:
    return list(zip(text, tenant, level, strict=True))


def answer_view() -> Any:
    return FlaskAppWrapper.process_json(answer)


def service() -> ServingFlask:
    return FlaskAppWrapper.create_app(
        [
            route("/answer", answer, ["GET", "POST"], warmup={"text": "a", "tenant": "nobody"}),
            route("/optional", answer_optional, GET),
            route("/cached", answer, GET, cache=True, name="cached"),
            route("/all", answer_all, batch={"max_size": 4, "max_wait_ms": 0}),
            route("/view", answer_view),
        ]
    )


@pytest.fixture(scope="module")
def by_adapter() -> ServiceByAdapter:
    return ServiceByAdapter(service, {})


ACME = ("x-tenant", "acme")
A = {"text": "a"}

CASES: dict[str, tuple[Request, int, Any]] = {
    "a header": (post("/answer", A, ACME), 200, ["a", "acme", 1, None, None]),
    "a number": (post("/answer", A, ACME, ("x-level", "3")), 200, ["a", "acme", 3, None, None]),
    "an enum": (post("/answer", A, ACME, ("x-plan", "paid")), 200, ["a", "acme", 1, "paid", None]),
    "a cookie": (
        post("/answer", A, ACME, ("cookie", "a=1; session=s%20")),
        200,
        ["a", "acme", 1, None, "s%20"],
    ),
    "a header of a GET": (get("/answer?text=a", ACME), 200, ["a", "acme", 1, None, None]),
    "a header of a batch": (post("/all", A, ACME, ("level", "2")), 200, ["a", "acme", 2]),
    "no cookie where none is needed": (get("/optional"), 200, None),
    "a cookie with a dot": (get("/optional", ("cookie", "seen.it=yes")), 200, "yes"),
    "no header": (post("/answer", A), 400, "Missing header 'x-tenant'"),
    "a wrong header": (
        post("/answer", A, ACME, ("x-level", "many")),
        400,
        "header x-level: Expected `int`, got `str`",
    ),
    "a header as a field": (
        post("/answer", {"text": "a", "tenant": "other"}, ACME),
        400,
        "Unexpected field 'tenant': expected are text",
    ),
    "a header as a query": (
        post("/answer?tenant=other", A, ACME),
        400,
        "Unexpected field 'tenant': expected are text",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_all_adapters_pass_what_the_request_has(name: str, by_adapter: ServiceByAdapter) -> None:
    request, status, expected = CASES[name]

    [found] = assert_equal_responses(by_adapter, Case((request,), (status,), build=service)).answers

    shown = json.loads(found.body)
    assert (shown if status == 200 else shown["error"]) == expected


def test_a_view_passes_texts(by_adapter: ServiceByAdapter) -> None:
    case = Case((post("/view", A, ACME),), (200,), bare=False, build=service)

    [found] = assert_equal_responses(by_adapter, case).answers

    assert json.loads(found.body) == ["a", "acme", 1, None, None]


def test_a_cache_never_gives_one_tenants_answer_to_another(by_adapter: ServiceByAdapter) -> None:
    mine, others = get("/cached?text=a", ACME), get("/cached?text=a", ("x-tenant", "other"))
    logged_in = get("/cached?text=a", ACME, ("cookie", "session=1"))
    case = Case((mine, others, mine, others, logged_in), (200,) * 5, build=service)

    found = assert_equal_responses(by_adapter, case).answers

    assert [json.loads(one.body)[1] for one in found] == ["acme", "other", "acme", "other", "acme"]
    assert [dict(one.headers)["x-cache"] for one in found] == ["miss", "miss", "hit", "hit", "miss"]


def test_they_are_described_as_parameters() -> None:
    shown = service().test_client().get("/openapi.json").get_json()["paths"]["/answer"]["post"]

    assert [(one["name"], one["in"], one["required"]) for one in shown["parameters"]] == [
        ("x-tenant", "header", True),
        ("x-level", "header", False),
        ("x-plan", "header", False),
        ("session", "cookie", False),
    ]
    assert shown["parameters"][0]["description"] == "whose text it is."
    assert shown["requestBody"]["content"]["application/json"]["example"] == {"text": "a"}
    assert shown["requestBody"]["content"]["application/json"]["schema"]["properties"].keys() == {"text"}


def test_they_go_along_to_where_the_handler_runs() -> None:
    app = service()
    endpoint = app.state.endpoints[0]
    parameters = endpoint.schema.parameters
    assert parameters is not None
    texts = parameters.texts({"x-tenant": "acme", "cookie": "session=s"})
    call = Call("POST", "/answer", "", {}, b'{"text": "a"}', {}, "id", parameters=texts)
    frame = protocol.decode_frame(b"".join(protocol.encode_call(1, call, False)))
    call, _ = protocol.decode_call(frame)
    queued = EngineCall(call, endpoint, None)

    assert queued.prepare() is None
    assert queued.arguments == {"text": "a", "tenant": "acme", "session": "s"}


def takes_list(tags: Annotated[list[str], Header()]) -> None: ...


def in_path(text: str, lang: Annotated[str, Header()]) -> None: ...


def underscored(key: Annotated[str, Header("X_Key")]) -> None: ...


def two_lines(key: Annotated[str, Header("X-Key\r\n")]) -> None: ...


def two_cookies(key: Annotated[str, Cookie("a;b")]) -> None: ...


@pytest.mark.parametrize(
    ("handler", "path", "message"),
    [
        (underscored, "/p", "parameter 'key': no header that is read has the name 'X_Key'"),
        (two_lines, "/p", "parameter 'key': no header that is read has the name"),
        (two_cookies, "/p", "parameter 'key': no cookie that is read has the name 'a;b'"),
        (takes_list, "/p", "parameter 'tags' is a header, which is one text"),
        (in_path, "/<lang>/p", "parameter 'lang' is a value of the path"),
    ],
)
def test_what_no_text_stands_for_is_refused_at_start(handler: Any, path: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        FlaskAppWrapper.create_app([route(path, handler)])
