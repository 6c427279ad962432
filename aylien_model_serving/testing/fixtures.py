"""A pytest fixture that serves a target; pytest itself is imported when a fixture is created."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, Literal

from aylien_model_serving.testing.failures import INSTALL, ServiceFailed
from aylien_model_serving.testing.running_service import RUNNING, RunningService
from aylien_model_serving.testing.serve_target import serve

if TYPE_CHECKING:
    import pytest

#: Name of the pytest plugin that shows the logs.
_PLUGIN = "model-serving-logs"

#: Characters of a log's end that are shown below a test that fails.
SHOWN_CHARACTERS = 4000

Scope = Literal["session", "package", "module", "class", "function"]


def service_fixture(target: Any, *, scope: Scope = "session", **options: Any) -> Any:
    """Return a pytest fixture that serves a target, and gives tests the RunningService.

    The end of its log is shown below each test that fails while it runs.

    Args:
        target: see `serve`.
        scope: of the fixture: how long the service is kept for further tests.
        options: of `serve`; `cwd` is pytest's root folder when omitted.

    Raises:
        ServiceFailed: pytest is not installed.
    """
    try:
        import pytest
    except ImportError as error:
        raise ServiceFailed(f"A fixture needs pytest: {INSTALL}") from error

    class Logs:
        """Adds the logs of running services to the report of a test that fails."""

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
            report = yield
            if report.failed:
                report.sections.extend(ends_of_logs())
            return report

    @pytest.fixture(scope=scope)
    def service(request: pytest.FixtureRequest) -> Iterator[RunningService]:
        """Serve for as long as the fixture's scope lasts."""
        plugins = request.config.pluginmanager
        if not plugins.has_plugin(_PLUGIN):
            plugins.register(Logs(), _PLUGIN)
        with serve(target, **{"cwd": request.config.rootpath, **options}) as running:
            yield running

    return service


def ends_of_logs() -> list[tuple[str, str]]:
    """Return a title and the end of the log of each service that runs."""
    return [(f"end of the log of {service.url}", service.log()[-SHOWN_CHARACTERS:]) for service in RUNNING]
