"""A cached answer is shared by those who would get the same one, and by nobody else; on every adapter."""

import threading
from collections.abc import Callable
from typing import Any

import flask
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aylien_model_serving import current_caller
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.errors import Forbidden
from tests.contracts.adapters import ADAPTERS, Answer, Request, ServiceByAdapter
from tests.contracts.cached_handlers import build, build_with_hook
from tests.selection import examples

KEYS = {"alice": "a-key-of-alice", "bob": "a-key-of-bob"}
ENVIRON = {"MODEL_SERVING_API_KEYS": "alice:{alice},bob:{bob}".format(**KEYS)}
PATIENCE_SECONDS = 10.0


@pytest.fixture(scope="module", params=["with keys", "without keys"])
def service(request: pytest.FixtureRequest) -> ServiceByAdapter:
    return ServiceByAdapter(build, ENVIRON if request.param == "with keys" else {})


@pytest.fixture(scope="module")
def keyed() -> ServiceByAdapter:
    return ServiceByAdapter(build, ENVIRON)


@pytest.fixture(scope="module")
def hooked() -> ServiceByAdapter:
    return ServiceByAdapter(build_with_hook, {})


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def request_of(path: str, text: str = "a", caller: str = "alice", **headers: str) -> Request:
    given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    body = flask.json.dumps({"text": text}).encode()
    return Request("POST", path, body, (("x-api-key", KEYS[caller]), *given))


def found_by(answer: Answer) -> str | None:
    assert answer.status == 200, answer.body
    return dict(answer.headers).get("x-cache")


def sender(service: ServiceByAdapter, adapter: str, path: str) -> Callable[..., tuple[str | None, Any]]:
    def send(**given: str) -> tuple[str | None, Any]:
        answer = service.send(adapter, request_of(path, **given))
        return found_by(answer), flask.json.loads(answer.body)

    return send


def test_an_answer_to_the_fields_alone_is_everybodys(keyed: ServiceByAdapter, adapter: str) -> None:
    for path, key in (("/plain", "text"), ("/url", "path"), ("/view-of-fields", "text")):
        send = sender(keyed, adapter, path)

        first, second = send(caller="alice"), send(caller="bob", x_user="u", cookie="user=u")

        assert (first[0], second[0]) == ("miss", "hit")
        assert first[1] == second[1]
        assert key in first[1]


@pytest.mark.parametrize("path", ["/caller", "/batch"])
def test_an_answer_to_a_caller_is_that_callers(keyed: ServiceByAdapter, adapter: str, path: str) -> None:
    send = sender(keyed, adapter, path)

    answers = [send(caller=caller) for caller in ("alice", "bob", "alice", "bob")]

    assert answers == [
        ("miss", {"caller": "alice"}),
        ("miss", {"caller": "bob"}),
        ("hit", {"caller": "alice"}),
        ("hit", {"caller": "bob"}),
    ]


@pytest.mark.parametrize("path", ["/header", "/environ", "/cookie", "/view"])
def test_an_answer_to_a_header_is_shared_by_equal_ones_of_one_caller(
    service: ServiceByAdapter, adapter: str, path: str
) -> None:
    send = sender(service, adapter, path)

    def of(user: str) -> dict[str, str]:
        return {"cookie": f"user={user}"} if path == "/cookie" else {"x_user": user}

    answers = [send(**of(user)) for user in ("u", "v", "u", "v")]
    none = send()

    assert answers == [
        ("miss", {"user": "u"}),
        ("miss", {"user": "v"}),
        ("hit", {"user": "u"}),
        ("hit", {"user": "v"}),
    ]
    assert none == ("miss", {"user": None})


def test_an_answer_to_a_header_is_one_callers_although_another_sends_the_same(
    keyed: ServiceByAdapter, adapter: str
) -> None:
    send = sender(keyed, adapter, "/header")

    answers = [send(caller=caller, text="t", x_user="u")[0] for caller in ("alice", "bob", "alice")]

    assert answers == ["miss", "miss", "hit"]


def test_an_answer_to_all_headers_is_never_kept(service: ServiceByAdapter, adapter: str) -> None:
    send = sender(service, adapter, "/all-headers")

    assert [send(x_user=user) for user in ("u", "v", "u")] == [
        ("miss", {"user": "u"}),
        ("miss", {"user": "v"}),
        ("miss", {"user": "u"}),
    ]


@pytest.mark.parametrize(
    "header",
    [
        "Cache-Control: private",
        "Cache-Control: max-age=9, No-Store",
        'Cache-Control: no-cache="x"',
        "Vary: Cookie",
        "Vary: Accept-Language, authorization",
        "Vary: *",
        "Set-Cookie: a=b",
    ],
)
def test_an_answer_that_says_so_is_not_kept(service: ServiceByAdapter, adapter: str, header: str) -> None:
    send = sender(service, adapter, "/headers")

    assert [send(text=header)[0] for _ in range(2)] == ["miss", "miss"]


def test_an_answer_that_varies_by_a_header_is_shared_by_equal_ones(
    service: ServiceByAdapter, adapter: str
) -> None:
    send = sender(service, adapter, "/headers")

    found = [send(text="Vary: Accept-Language", accept_language=tongue)[0] for tongue in ("de", "en", "de")]

    assert found == ["miss", "miss", "hit"]


def test_a_handler_may_look_at_headers_for_some_fields_alone(keyed: ServiceByAdapter, adapter: str) -> None:
    send = sender(keyed, adapter, "/sometimes")

    assert [send(text="plain", caller=caller, x_user=caller)[0] for caller in KEYS] == ["miss", "hit"]
    assert [send(text="personal", caller=caller, x_user=caller)[0] for caller in KEYS] == ["miss", "miss"]


def test_large_fields_make_no_difference(service: ServiceByAdapter, adapter: str) -> None:
    send = sender(service, adapter, "/header")
    large = "x" * 600_000

    assert [send(text=large, x_user=user) for user in ("u", "v", "u")] == [
        ("miss", {"user": "u"}),
        ("miss", {"user": "v"}),
        ("hit", {"user": "u"}),
    ]


def test_what_a_hook_has_read_counts_too(hooked: ServiceByAdapter, adapter: str) -> None:
    send = sender(hooked, adapter, "/hook")

    assert [send(x_user=user) for user in ("u", "v", "u")] == [
        ("miss", {"user": "u"}),
        ("miss", {"user": "v"}),
        ("hit", {"user": "u"}),
    ]
    send = sender(hooked, adapter, "/plain")
    assert [send(x_user=user)[0] for user in ("u", "v")] == ["miss", "hit"]


names = st.lists(st.sampled_from(["caller", "x-a", "x-b", "cookie"]), max_size=3, unique=True)
some_headers = st.dictionaries(st.sampled_from(["x_a", "x_b", "cookie"]), st.sampled_from(["1", "2"]))
asked = st.tuples(st.sampled_from(list(KEYS)), names, some_headers)


@pytest.mark.parametrize("adapter", ADAPTERS)
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(asked, min_size=2, max_size=8))
def test_an_answer_from_the_cache_is_the_one_that_the_handler_would_give(
    keyed: ServiceByAdapter, adapter: str, requests: list[tuple[str, list[str], dict[str, str]]]
) -> None:
    send = sender(keyed, adapter, "/reading")

    for caller, read, headers in requests:
        expected: dict[str, str | None] = {}
        for name in read:
            expected[name] = caller if name == "caller" else headers.get(name.replace("-", "_"))
            if expected[name] is None:
                break
        assert send(text=" ".join(read), caller=caller, **headers)[1] == expected


class Together:
    """A handler that waits until two requests are on their way to it."""

    def __init__(self) -> None:
        self.calls = 0
        self.started = threading.Event()
        self.proceed = threading.Event()

    def __call__(self, text: str) -> dict[str, str]:
        self.calls += 1
        caller = current_caller()
        self.started.set()
        assert self.proceed.wait(PATIENCE_SECONDS)
        if text == "forbidden":
            raise Forbidden(f"{caller} may not")
        return {"caller": caller}


@pytest.mark.parametrize("text", ["allowed", "forbidden"])
def test_requests_that_wait_for_one_run_get_no_answer_or_error_of_another_caller(
    adapter: str, text: str
) -> None:
    handler = Together()
    service = ServiceByAdapter(
        lambda: FlaskAppWrapper.create_app([{"endpoint": "/p", "callable": handler, "cache": True}]), ENVIRON
    )
    service.app(adapter)
    answers: dict[str, Answer] = {}

    def ask(caller: str) -> None:
        answers[caller] = service.send(adapter, request_of("/p", text, caller))

    threads = [threading.Thread(target=ask, args=(caller,)) for caller in KEYS]
    threads[0].start()
    assert handler.started.wait(PATIENCE_SECONDS)
    threads[1].start()
    handler.proceed.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)

    assert handler.calls == 2
    for caller in KEYS:
        assert caller.encode() in answers[caller].body
