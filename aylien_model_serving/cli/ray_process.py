"""Imports a service in a process of its own, and writes what of it is to be deployed on Ray, as JSON.

Run as a module by `ray`. No handler is built.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from aylien_model_serving.cli.inspect_process import made_app, main
from aylien_model_serving.cli.targets import AppTarget
from aylien_model_serving.web.ray_specs import deployed_models


def inspect_models(target: AppTarget) -> dict[str, Any]:
    """Return what is to be deployed of a target.

    Raises:
        InvalidUsage: there is no app.
        ConfigurationError: something of it can't be on another machine.
    """
    app, _ = made_app(target)
    return {"models": msgspec.to_builtins(deployed_models(app))}


if __name__ == "__main__":
    main(int(sys.argv[1]), AppTarget(Path(sys.argv[2]), *sys.argv[3:5]), inspect_models)
