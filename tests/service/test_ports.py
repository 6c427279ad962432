"""Services of other systems answer as they did there, once the lines that the guide counts are changed."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.docs.pages import table
from tests.service.ports import FILES, PORTS, Port
from tests.with_media import need_media


class Iris:
    """Stands for a model that was loaded from a file."""

    def predict(self, rows: Any) -> list[int]:
        return [int(row[1] > 2.5) for row in rows]


@pytest.mark.parametrize("port", PORTS, ids=lambda port: f"{port.system}: {port.name}")
def test_it_answers_as_there(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    if port is FILES:
        need_media()
    module = ModuleType("ported")
    monkeypatch.setitem(sys.modules, "ported", module)
    monkeypatch.setitem(sys.modules, "joblib", SimpleNamespace(load=lambda path: Iris()))
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", "memory://")
    exec(port.here, vars(module))
    app = getattr(module, "svc", None) or module.app

    port.check(app.test_client(), vars(module))


def test_the_guide_counts_the_lines_that_change() -> None:
    rows = {(system, name): counted for system, name, counted, _ in table("docs/coming-from.md", "Lines")}

    assert rows == {(port.system, port.name): f"{port.changed} of {port.lines}" for port in PORTS}
