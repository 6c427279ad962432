"""The attributes of a job, which are the same whether the client blocks or is awaited."""

from __future__ import annotations

from aylien_model_serving.client.jobs import JobState
from aylien_model_serving.client.operations import ClientCore

#: Seconds that a result may take where the caller does not say.
JOB_SECONDS = 3600.0


class JobAttributes:
    """A job as it was when the service was last asked, or as `_latest` returns it.

    Args:
        core: the operations of the service.
        state: how the job is.
    """

    def __init__(self, core: ClientCore, state: JobState) -> None:
        self._core = core
        self._update(state)

    def _update(self, state: JobState) -> None:
        self._state = state

    def _latest(self) -> JobState:
        return self._state

    @property
    def id(self) -> str:
        """Its id, by which another client finds it."""
        return self._state.id

    @property
    def route(self) -> str | None:
        """The name of its route, if it came from a list of jobs."""
        return self._state.route

    @property
    def state(self) -> JobState:
        """All that the service reported of it when it was last asked."""
        return self._state

    @property
    def status(self) -> str:
        """queued, processing, streaming, finished, failed or cancelled."""
        return self._latest().status

    @property
    def progress(self) -> float:
        """How far it is, from 0 to 1."""
        return self._latest().progress

    @property
    def message(self) -> str:
        """What its handler says of it."""
        return self._latest().message

    @property
    def error(self) -> str:
        """Why it failed."""
        return self._latest().error

    @property
    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._latest().has_ended

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self._state.status}, {self._state.progress:.0%}>"
