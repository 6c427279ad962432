"""Which versions go, and which one stands in for another."""

import pytest

from aylien_model_serving.replicas.supervisor.rollout import Standing, stand_in, to_retire

GROUP = ("0", "model")


def standing(
    since: float,
    *,
    ready: bool = True,
    wanted: bool = False,
    released: bool = False,
    group: tuple[str, str] = GROUP,
) -> Standing:
    return Standing(group, since, is_ready=ready, is_wanted=wanted, is_released=released)


@pytest.mark.parametrize(
    ("old", "new", "retired"),
    [
        (standing(1), standing(2, wanted=True), ["old"]),
        (standing(1), standing(2, wanted=True, ready=False), []),
        (standing(1, wanted=True), standing(2, wanted=True), []),
        (standing(1), standing(2, wanted=True, group=("0", "other")), []),
        (standing(1), standing(2, wanted=True, group=("1", "model")), []),
        (standing(3), standing(2, wanted=True), []),
        (standing(1, released=True), standing(2, wanted=True, ready=False), ["old"]),
        (standing(1, wanted=True), standing(2), []),
        (standing(1, ready=False), standing(2, wanted=True), ["old"]),
    ],
)
def test_a_version_goes_that_nobody_wants_once_a_newer_one_is_ready(
    old: Standing, new: Standing, retired: list[str]
) -> None:
    assert to_retire({"old": old, "new": new}) == retired


def test_a_version_that_nobody_wants_stays_while_it_is_alone() -> None:
    assert to_retire({"only": standing(1)}) == []


def test_a_version_that_was_released_goes_at_once() -> None:
    assert to_retire({"only": standing(1, released=True)}) == ["only"]


def test_the_latest_older_version_that_is_ready_stands_in() -> None:
    standings = {
        "oldest": standing(1),
        "older": standing(2),
        "broken": standing(3, ready=False),
        "wanted": standing(4, ready=False, wanted=True),
        "newer": standing(5),
        "another": standing(3, group=("0", "other")),
    }

    assert stand_in("wanted", standings) == "older"
    assert stand_in("newer", standings) is None
    assert stand_in("oldest", standings) is None


def test_nobody_stands_in_where_nobody_is_ready() -> None:
    assert stand_in("wanted", {"wanted": standing(1, ready=False)}) is None
