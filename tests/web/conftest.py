from collections.abc import Iterator

import pytest

from tests.web.asgi_client import Gate
from tests.web.jobs import JobGate


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A handler's gate, which no test leaves shut."""
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture
def job_gate() -> Iterator[JobGate]:
    """A job's gate, which no test leaves shut."""
    gate = JobGate()
    yield gate
    gate.open.set()


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep jobs in the memory of this process."""
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", "memory://")
