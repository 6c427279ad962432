"""Workers of jobs that are in other processes: worker processes of the service, here or on other machines.

These look for jobs by themselves. Nothing is known of them here, and nothing depends on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aylien_model_serving.rpc.control_messages import Replica


class ElsewhereWorkers:
    """Stands for them where jobs are kept and not run."""

    def ready(self) -> bool:
        """Return True: jobs are kept, whether anybody runs them at the moment or not."""
        return True

    def wake(self) -> None:
        """Do nothing: they poll the store."""

    def describe(self, *, with_errors: bool) -> list[dict[str, Any]]:
        """Return nothing: their own processes tell."""
        return []

    def replicas(self) -> Sequence[Replica]:
        """Return none."""
        return ()
