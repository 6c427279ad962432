from collections.abc import Iterator

import pytest

from tests.web.asgi_client import Gate


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A handler's gate, which no test leaves shut."""
    gate = Gate()
    yield gate
    gate.open.set()
