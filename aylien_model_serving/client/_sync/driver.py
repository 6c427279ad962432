# Generated from client/_async/driver.py by scripts/unasync.py: change that file, and run the script.
"""Performs the effects of operations on the calling thread."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Any

from aylien_model_serving.client._sync.backend import SyncBackend
from aylien_model_serving.client.effects import Effects, ReadBody, SendRequest, Sleep, YieldItem
from aylien_model_serving.client.run_state import RunState, StateCallback


class Driver:
    """Runs operations.

    Args:
        backend: sends, reads and sleeps.
    """

    def __init__(self, backend: SyncBackend) -> None:
        self._backend = backend

    def run(self, effects: Effects, on_state: StateCallback | None = None) -> Any:
        """Return what an operation returns.

        Args:
            effects: the operation.
            on_state: called with each state of a job.
        """
        run_state = RunState(effects, on_state)
        with closing(self._perform_all(run_state)) as items:
            for _ in items:
                pass
        return run_state.result

    def iterate(self, effects: Effects, on_state: StateCallback | None = None) -> Generator[Any, None, None]:
        """Return an iterator over the items that an operation yields; see `run`."""
        return self._perform_all(RunState(effects, on_state))

    def close(self) -> None:
        self._backend.close()

    def _perform_all(self, run_state: RunState) -> Generator[Any, None, None]:
        try:
            while (effect := run_state.next_effect()) is not None:
                if isinstance(effect, YieldItem):
                    yield effect.item
                    continue
                try:
                    run_state.succeeded(self._perform(effect))
                except Exception as error:
                    run_state.failed(error)
        finally:
            for reader in run_state.stop():
                reader.close()

    def _perform(self, effect: SendRequest | ReadBody | Sleep) -> Any:
        """Do what takes time, and return what came of it."""
        if isinstance(effect, SendRequest):
            return self._backend.send(effect)
        if isinstance(effect, ReadBody):
            return self._backend.read(effect.reader, effect.seconds)
        return self._backend.sleep(effect.seconds)
