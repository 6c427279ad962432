"""What it means that all adapters respond alike."""

from __future__ import annotations

from tests.contracts.adapters import ADAPTERS, Outcome, ServiceByAdapter
from tests.contracts.cases import Case


def assert_equal_responses(by_adapter: ServiceByAdapter, case: Case) -> Outcome:
    """Send a case through every adapter, and compare responses and side effects with the Flask adapter's.

    Returns:
        What the Flask adapter's were.
    """
    found = {name: by_adapter.send_all(name, case.requests) for name in ADAPTERS}

    reference = found["flask"]
    assert tuple(answer.status for answer in reference.answers) == case.statuses
    for name, outcome in found.items():
        assert outcome.answers == reference.answers, name
        assert outcome.counted == reference.counted, name
        assert outcome.seen == reference.seen, name
        assert outcome.path == [path_of(name, case)] * len(case.requests), name
    return reference


def path_of(name: str, case: Case) -> tuple[str, ...]:
    """Return the parts that a case's requests have to pass through one adapter."""
    adapter = ADAPTERS[name]
    return case.paths.get(name) or (adapter.handler_path if case.bare else adapter.flask_path)
