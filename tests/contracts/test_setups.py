"""Whatever a user does to the Flask app, the right adapter is chosen, and all respond alike."""

from __future__ import annotations

from collections.abc import Iterator

import flask.signals
import pytest

from tests.contracts import setups
from tests.contracts.adapters import Request, ServiceByAdapter, frozen_signatures
from tests.contracts.cases import Case, get, post
from tests.contracts.comparison import assert_equal_responses
from tests.contracts.setups import SetUp, small_service

SIGNALS = (
    "request_started",
    "request_finished",
    "request_tearing_down",
    "got_request_exception",
    "appcontext_pushed",
    "appcontext_popped",
    "appcontext_tearing_down",
)

HELLO = {"text": "hello"}
ALL = (
    post("/echo", HELLO),
    post("/fail", HELLO),
    post("/refuse", HELLO),
    get("/found/a"),
    get("/view"),
    get("/failing-view"),
    get("/none"),
    get("/echo"),
)
STATUSES = (200, 500, 400, 200, 200, 500, 404, 405)

#: Set-ups for which every request is Flask's, with the statuses of `ALL`.
OBSERVING: dict[str, tuple[SetUp, tuple[int, ...]]] = {
    "a hook before": (setups.answer_before, STATUSES),
    "a hook before that fails": (setups.fail_before, (500,) * 8),
    "a hook after": (setups.mark_after, STATUSES),
    "a hook after that fails": (setups.fail_after, (500,) * 8),
    "a teardown": (setups.tear_down, STATUSES),
    "a teardown of the app's context": (setups.tear_down_app, STATUSES),
    "a blueprint's hooks for all": (setups.blueprint_hooks, STATUSES),
    "a blueprint's own hooks": (setups.blueprint_of_its_own, STATUSES),
    "a preprocessor of values": (setups.preprocess_values, STATUSES),
    "matching of hosts": (setups.match_hosts, (404,) * 8),
    "matching of subdomains": (setups.match_subdomains, (404,) * 8),
    "hosts that are trusted": (setups.trust("service.test"), STATUSES),
    "hosts that are not trusted": (setups.trust("other.test"), (400,) * 8),
    "sessions of another kind": (setups.own_sessions, STATUSES),
    **{f"a receiver of {name}": (setups.listen(name), STATUSES) for name in SIGNALS},
}

#: Set-ups that a request for a bare handler does not meet.
HARMLESS: dict[str, SetUp] = {
    "nothing": setups.do_nothing,
    "handlers of errors": setups.handle_errors,
    "a secret key": setups.permanent_session,
    "a nearer rule": setups.add_a_nearer_rule,
}


@pytest.fixture(autouse=True)
def _signals_are_left_as_they_were() -> Iterator[None]:
    with frozen_signatures():
        yield
    for name in SIGNALS:
        getattr(flask.signals, name)._clear_state()


def assert_all_alike(case: Case) -> None:
    assert_equal_responses(ServiceByAdapter(case.build, case.environ), case)


@pytest.mark.parametrize("name", OBSERVING)
def test_with_observers_every_request_is_dispatched_by_flask(name: str) -> None:
    set_up, statuses = OBSERVING[name]

    assert_all_alike(Case(ALL, statuses, bare=False, build=small_service(set_up)))


@pytest.mark.parametrize("name", HARMLESS)
def test_without_observers_a_bare_handler_takes_the_fast_path(name: str) -> None:
    build = small_service(HARMLESS[name])

    assert_all_alike(Case(ALL[:4], STATUSES[:4], build=build))


def test_the_users_error_handlers_answer_the_errors_of_views_and_paths() -> None:
    build = small_service(setups.handle_errors)

    assert_all_alike(Case(ALL[5:7], (418, 404), bare=False, build=build))


def test_a_hook_that_answers_replaces_the_response() -> None:
    stopped = tuple(request.with_header("x-stop", "1") for request in ALL)

    assert_all_alike(Case(stopped, (203,) * 8, bare=False, build=small_service(setups.answer_before)))


def test_a_view_that_was_put_in_a_handlers_place_is_called() -> None:
    build = small_service(setups.replace_view)

    assert_all_alike(Case(ALL[:1], (200,), bare=False, build=build))
    assert_all_alike(Case(ALL[1:4], STATUSES[1:4], build=build))


def test_a_session_that_flask_renews_is_renewed() -> None:
    client = post("/echo", HELLO, setups.cookie_of_a_permanent_session())

    assert_all_alike(Case((client,), (200,), bare=False, build=small_service(setups.permanent_session)))


def test_middleware_around_wsgi_sees_every_request() -> None:
    paths = {"asgi": ("a2wsgi", "wsgi")}

    assert_all_alike(Case(ALL[:4], STATUSES[:4], build=small_service(setups.wrap_wsgi), paths=paths))


def test_the_largest_body_is_that_of_the_apps_configuration() -> None:
    large = post("/echo", {"text": "x" * 20})

    assert_all_alike(Case((large,), (413,), build=small_service(setups.shrink_bodies)))


def test_a_nearer_rule_is_preferred_to_a_handlers_pattern() -> None:
    build = small_service(setups.add_a_nearer_rule)

    assert_all_alike(Case((get("/found/special"),), (200,), bare=False, build=build))


def test_a_pattern_for_every_path_leaves_the_operators_paths_alone() -> None:
    operators = tuple(get(path) for path in ("/__ping", "/livez", "/readyz"))

    assert_all_alike(Case(operators, (200, 200, 200), bare=False, build=setups.catch_all))
    assert_all_alike(Case((get("/a/b?q=1"), post("/__ping")), (200, 200), build=setups.catch_all))


def test_a_path_that_a_view_and_a_handler_share_goes_by_method_and_order() -> None:
    handlers = (post("/a", HELLO),)
    views = (get("/a"), Request("HEAD", "/a"), get("/b"), get("/a"), Request("OPTIONS", "/b"))

    assert_all_alike(Case(handlers, (200,), build=setups.shared_paths))
    assert_all_alike(Case(views, (200, 200, 200, 200, 200), bare=False, build=setups.shared_paths))
    assert_all_alike(Case((Request("HEAD", "/b"),), (400,), build=setups.shared_paths))
