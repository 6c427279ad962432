"""Which versions retire, and which one is another's fallback."""

import pytest

from aylien_model_serving.replicas.supervisor.rollout import (
    VersionStatus,
    fallback_version,
    versions_to_retire,
)

GROUP = ("0", "model")


def status(
    since: float,
    *,
    ready: bool = True,
    needed: bool = False,
    released: bool = False,
    group: tuple[str, str] = GROUP,
) -> VersionStatus:
    return VersionStatus(group, since, is_ready=ready, is_needed=needed, is_released=released)


@pytest.mark.parametrize(
    ("old", "new", "retired"),
    [
        (status(1), status(2, needed=True), ["old"]),
        (status(1), status(2, needed=True, ready=False), []),
        (status(1, needed=True), status(2, needed=True), []),
        (status(1), status(2, needed=True, group=("0", "other")), []),
        (status(1), status(2, needed=True, group=("1", "model")), []),
        (status(3), status(2, needed=True), []),
        (status(1, released=True), status(2, needed=True, ready=False), ["old"]),
        (status(1, needed=True), status(2), []),
        (status(1, ready=False), status(2, needed=True), ["old"]),
    ],
)
def test_a_version_that_no_worker_needs_retires_once_a_newer_one_is_ready(
    old: VersionStatus, new: VersionStatus, retired: list[str]
) -> None:
    assert versions_to_retire({"old": old, "new": new}) == retired


def test_a_version_that_no_worker_needs_stays_while_it_is_the_only_one() -> None:
    assert versions_to_retire({"only": status(1)}) == []


def test_a_released_version_retires_at_once() -> None:
    assert versions_to_retire({"only": status(1, released=True)}) == ["only"]


def test_the_fallback_is_the_latest_older_version_that_is_ready() -> None:
    statuses = {
        "oldest": status(1),
        "older": status(2),
        "broken": status(3, ready=False),
        "needed": status(4, ready=False, needed=True),
        "newer": status(5),
        "another": status(3, group=("0", "other")),
    }

    assert fallback_version("needed", statuses) == "older"
    assert fallback_version("newer", statuses) is None
    assert fallback_version("oldest", statuses) is None


def test_without_a_ready_version_there_is_no_fallback() -> None:
    assert fallback_version("needed", {"needed": status(1, ready=False)}) is None
