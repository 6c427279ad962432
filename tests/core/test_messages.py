"""Request ids: the client's own where it is harmless. Deadlines: the client's own where it is shorter."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.core.messages import choose_request_id, deadline_of


@pytest.mark.parametrize(
    "offered",
    ["a", "7", "0af7651916cd43dd8448eb211c80319c", "req-1.2_3:4+5=6@7/8", "x" * 128],
)
def test_a_safe_id_is_kept(offered: str) -> None:
    assert choose_request_id(offered) == offered


@pytest.mark.parametrize(
    "offered",
    [
        None,
        "",
        "-a",
        "a b",
        "a\n",
        "a\r\nSet-Cookie: x=1",
        "ä",
        "٣",
        "x" * 129,
        "<script>",
        'a"',
        "a\x00",
        "a,b",
    ],
)
def test_any_other_id_is_replaced(offered: str | None) -> None:
    chosen = choose_request_id(offered)

    assert re.fullmatch("[0-9a-f]{32}", chosen)


@given(st.text())
def test_an_id_never_harms_a_header_or_a_log_line(offered: str) -> None:
    chosen = choose_request_id(offered)

    assert chosen.isascii()
    assert chosen.isprintable()
    assert 1 <= len(chosen) <= 128
    assert not set(chosen) & set(" \"'<>,;\\")


def test_two_requests_have_two_ids() -> None:
    assert len({choose_request_id(None) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("route", "client", "seconds"),
    [
        (None, None, None),
        (3.0, None, 3.0),
        (None, "2.5", 2.5),
        (3.0, "2.5", 2.5),
        (3.0, "4", 3.0),
        (3.0, "0", 3.0),
        (3.0, "-1", 3.0),
        (3.0, "nan", 3.0),
        (3.0, "inf", 3.0),
        (None, "soon", None),
        (None, "1e400", None),
    ],
)
def test_a_client_may_ask_for_less_time_than_the_route_allows(
    route: float | None, client: str | None, seconds: float | None
) -> None:
    before = time.monotonic()

    deadline = deadline_of(route, {} if client is None else {"x-request-timeout": client})

    if seconds is None:
        assert deadline is None
    else:
        assert deadline is not None
        assert before + seconds <= deadline <= time.monotonic() + seconds
