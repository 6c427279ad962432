"""The process that runs a service's jobs, and how it is started."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from aylien_model_serving.core.setting_readers import WORKER
from aylien_model_serving.process import interpreter

_MODULE = "aylien_model_serving.cli.worker_process"


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker of jobs is run.

    Args:
        health_host: the address on which it says how it is.
        health_port: the TCP port there.
        grace: seconds after SIGTERM that jobs have which run.
    """

    health_host: str = "127.0.0.1"
    health_port: int = 8001
    grace: float = 25.0

    @property
    def url(self) -> str:
        """The URL at which it says how it is."""
        host = f"[{self.health_host}]" if ":" in self.health_host else self.health_host
        return f"http://{host}:{self.health_port}"


def run(folder: Path, module: str, expression: str, options: WorkerOptions) -> NoReturn:
    """Become the worker of an app's jobs, in the same working directory.

    Args:
        folder: from which the module is imported.
        module: the app's.
        expression: the app in it: a name, or the call of one.
        options: how to run it.
    """
    words = (str(folder), module, expression, options.health_host, options.health_port, options.grace)
    command = interpreter.command(_MODULE, *words)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, {**interpreter.environment(os.environ), "MODEL_SERVING_ROLE": WORKER})
