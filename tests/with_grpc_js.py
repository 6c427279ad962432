"""gRPC's packages for Node.js, in a folder of their own: a run without them says so, and CI's fails."""

import os
import shutil
from pathlib import Path

from tests.services.serving import PROJECT
from tests.with_packages import lack

#: The folder that has them, where it is not the one that `.ci/run` makes.
VARIABLE = "GRPC_JS_MODULES"

_HOW = "cp tests/services/grpc_js/package.json .venv/grpc_js && npm install --prefix .venv/grpc_js"


def find_modules() -> Path:
    """Return the folder of the packages."""
    folder = Path(os.environ.get(VARIABLE) or PROJECT / ".venv" / "grpc_js" / "node_modules")
    if shutil.which("node") is None:
        lack("Node.js is not installed")
    if not (folder / "@grpc" / "grpc-js").is_dir():
        lack(f"gRPC's packages for Node.js are not installed: {_HOW}")
    return folder
