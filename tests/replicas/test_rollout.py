"""Which versions go, and which one stands in for another."""

import pytest

from aylien_model_serving.replicas.supervisor.rollout import VersionStatus, fallback_version, retired_versions

GROUP = ("0", "model")


def version_status(
    since: float,
    *,
    ready: bool = True,
    wanted: bool = False,
    released: bool = False,
    group: tuple[str, str] = GROUP,
) -> VersionStatus:
    return VersionStatus(group, since, is_ready=ready, is_wanted=wanted, is_released=released)


@pytest.mark.parametrize(
    ("old", "new", "retired"),
    [
        (version_status(1), version_status(2, wanted=True), ["old"]),
        (version_status(1), version_status(2, wanted=True, ready=False), []),
        (version_status(1, wanted=True), version_status(2, wanted=True), []),
        (version_status(1), version_status(2, wanted=True, group=("0", "other")), []),
        (version_status(1), version_status(2, wanted=True, group=("1", "model")), []),
        (version_status(3), version_status(2, wanted=True), []),
        (version_status(1, released=True), version_status(2, wanted=True, ready=False), ["old"]),
        (version_status(1, wanted=True), version_status(2), []),
        (version_status(1, ready=False), version_status(2, wanted=True), ["old"]),
    ],
)
def test_a_version_goes_that_nobody_wants_once_a_newer_one_is_ready(
    old: VersionStatus, new: VersionStatus, retired: list[str]
) -> None:
    assert retired_versions({"old": old, "new": new}) == retired


def test_a_version_that_nobody_wants_stays_while_it_is_alone() -> None:
    assert retired_versions({"only": version_status(1)}) == []


def test_a_version_that_was_released_goes_at_once() -> None:
    assert retired_versions({"only": version_status(1, released=True)}) == ["only"]


def test_the_latest_older_version_that_is_ready_stands_in() -> None:
    statuses = {
        "oldest": version_status(1),
        "older": version_status(2),
        "broken": version_status(3, ready=False),
        "wanted": version_status(4, ready=False, wanted=True),
        "newer": version_status(5),
        "another": version_status(3, group=("0", "other")),
    }

    assert fallback_version("wanted", statuses) == "older"
    assert fallback_version("newer", statuses) is None
    assert fallback_version("oldest", statuses) is None


def test_nobody_stands_in_where_nobody_is_ready() -> None:
    assert fallback_version("wanted", {"wanted": version_status(1, ready=False)}) is None
