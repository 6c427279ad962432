"""A bar is shown where somebody can see it, and nowhere else."""

import io
import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from aylien_model_serving.client.jobs import JobState
from aylien_model_serving.client.progress import NoBar, NotebookBar, TerminalBar, default_bar

STATE = JobState("j", "processing", 0.4, "<b>peeling</b> [red]")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)


def test_a_terminal_shows_how_far_a_job_is_and_what_it_says_of_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "CI" not in os.environ:
        pytest.importorskip("rich")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")

    bar = default_bar()
    bar.show(STATE)
    bar.close()

    assert isinstance(bar, TerminalBar)
    assert all(part in terminal.getvalue() for part in ("processing", "40%", "<b>peeling</b> [red]"))


def test_a_terminal_without_rich_says_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setattr(sys, "stderr", Terminal())

    with pytest.raises(ImportError, match=r"needs rich: pip install 'model-serving\[client\]'"):
        default_bar()


def test_a_log_file_gets_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setattr(sys, "stderr", io.StringIO())

    assert isinstance(default_bar(), NoBar)


def test_a_notebook_shows_an_element_that_moves_and_no_markup_of_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[Any] = []
    handle = SimpleNamespace(update=shown.append)
    display = SimpleNamespace(HTML=str, display=lambda element, display_id: shown.append(element) or handle)
    shell = type("ZMQInteractiveShell", (), {})()
    notebook: Any = ModuleType("IPython")
    notebook.display, notebook.get_ipython = display, lambda: shell
    monkeypatch.setitem(sys.modules, "IPython", notebook)

    bar = default_bar()
    bar.show(STATE)
    bar.close()

    assert isinstance(bar, NotebookBar)
    assert len(shown) == 2
    assert 'value="0.400"' in shown[1]
    assert "&lt;b&gt;peeling&lt;/b&gt; [red]" in shown[1]
