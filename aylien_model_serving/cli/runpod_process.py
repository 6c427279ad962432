"""The process that takes a service's calls from RunPod's queue, by RunPod's SDK.

    python -m aylien_model_serving.cli.runpod_process <folder> <module> <expression> [<host> <port>]

With host and port it offers the SDK's local API there instead. It makes the app as a web worker does, and
starts the same replicas.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import runpod

from aylien_model_serving.background import pool
from aylien_model_serving.cli.resolve_app import resolve_app
from aylien_model_serving.cli.targets import AppTarget
from aylien_model_serving.core import start_errors
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.process import interpreter, lifecycle, owner, standard_output
from aylien_model_serving.serverless.runpod import RunPodHandler
from aylien_model_serving.service import Service
from aylien_model_serving.web.app import ServingFlask


def main(target: AppTarget, host: str = "", port: str = "") -> None:
    """Take jobs until a signal comes.

    Args:
        target: the app.
        host, port: of the SDK's local API; none to take jobs.

    Raises:
        ConfigurationError: the app can't be built.
    """
    interpreter.restore(os.environ)
    standard_output.show_lines_at_once()
    start_errors.install()
    sys.path.insert(0, str(target.folder))
    if Settings.load().jobs_url is None:  # RunPod keeps the jobs: this store has only those that run
        folder = owner.folder(owner.find()) / "jobs"  # a store holds its folder
        folder.mkdir(mode=0o700, exist_ok=True)
        os.environ.update(MODEL_SERVING_JOBS_URL=f"sqlite:///{folder}/jobs.sqlite3")
    handler = RunPodHandler(_built(target), runpod.serverless.progress_update)
    lifecycle.loaded()
    lifecycle.serving()
    dev = ("--rp_serve_api", "--rp_api_host", host, "--rp_api_port", port) if host else ()
    sys.argv[1:] = dev
    runpod.serverless.start(handler.config())
    pool.finish()


def _built(target: AppTarget) -> ServingFlask:
    found: Any = resolve_app(import_module(target.module), target.expression).app
    if isinstance(found, Service):
        found = found.wsgi
    if not isinstance(found, ServingFlask):
        raise ConfigurationError(f"{target} is a {type(found).__name__}, and no app of this library's")
    return found


if __name__ == "__main__":
    main(AppTarget(Path(sys.argv[1]), *sys.argv[2:4]), *sys.argv[4:6])
