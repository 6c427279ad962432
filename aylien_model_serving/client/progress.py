"""Progress bars of jobs: rich's in a terminal, the browser's own element in a notebook, none elsewhere."""

from __future__ import annotations

import html
import sys
from typing import Any, Protocol

from aylien_model_serving.client.jobs import JobState
from aylien_model_serving.core.escapes import escape


class Bar(Protocol):
    """Shows how far a job is."""

    def show(self, state: JobState) -> None:
        """Show a job's state."""

    def close(self) -> None:
        """Leave the last state where it is shown."""


class NoBar:
    """Shows nothing."""

    def show(self, state: JobState) -> None:
        pass

    def close(self) -> None:
        pass


class TerminalBar:
    """A line of a terminal.

    Args:
        file: the terminal.

    Raises:
        ImportError: rich is missing.
    """

    def __init__(self, file: Any) -> None:
        try:
            from rich import console, progress
        except ImportError as error:
            raise ImportError("a progress bar needs rich: pip install 'model-serving[client]'") from error
        columns = [
            progress.TextColumn("{task.fields[status]:>10}", markup=False),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("{task.description}", markup=False),
        ]
        self._bars = progress.Progress(*columns, console=console.Console(file=file))
        self._task = self._bars.add_task("", total=1.0, status="")
        self._bars.start()

    def show(self, state: JobState) -> None:
        self._bars.update(
            self._task,
            completed=state.progress,
            description=escape(state.message),  # rich writes controls as they come
            status=escape(state.status),
            refresh=True,
        )

    def close(self) -> None:
        self._bars.stop()


class NotebookBar:
    """An element of a notebook's output, which needs no widgets.

    Args:
        display: IPython's module of that name.
    """

    def __init__(self, display: Any) -> None:
        self._html = display.HTML
        self._handle = display.display(display.HTML(_element("", 0.0, "")), display_id=True)

    def show(self, state: JobState) -> None:
        self._handle.update(self._html(_element(state.status, state.progress, state.message)))

    def close(self) -> None:
        pass


def _element(status: str, progress: float, message: str) -> str:
    return (
        f'<progress max="1" value="{progress:.3f}"></progress> '
        f"{progress:.0%} {html.escape(status)} {html.escape(message)}"
    )


def default_bar() -> Bar:
    """Return the bar that fits to where the program runs.

    Raises:
        ImportError: it runs in a terminal, and rich is missing.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if ipython is not None and type(shell).__name__ == "ZMQInteractiveShell":
        return NotebookBar(ipython.display)
    return TerminalBar(sys.stderr) if sys.stderr.isatty() else NoBar()
