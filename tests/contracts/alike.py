"""What it means that all doors answer alike."""

from __future__ import annotations

from tests.contracts.adapters import DOORS, House
from tests.contracts.cases import Case


def assert_alike(house: House, case: Case) -> None:
    """Ask at every door, and compare with the Flask door what came back and what was left behind."""
    found = {name: house.go_through(name, case.requests) for name in DOORS}

    reference = found["flask"]
    assert tuple(answer.status for answer in reference.answers) == case.statuses
    for name, outcome in found.items():
        assert outcome.answers == reference.answers, name
        assert outcome.counted == reference.counted, name
        assert outcome.seen == reference.seen, name
        assert outcome.taken == [rooms_of(name, case)] * len(case.requests), name


def rooms_of(name: str, case: Case) -> tuple[str, ...]:
    """Return the rooms that a case's requests have to come through at one door."""
    door = DOORS[name]
    return case.rooms.get(name) or (door.beside if case.bare else door.through)
