"""A spec as another machine builds it: by the names of installed code, and a version that somebody gave it.

On one machine a spec is found by folder, import path and the times of files. None of these is the same on
another machine, nor what a script defines.
"""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

from msgspec.structs import replace

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.rpc.fingerprints import MAIN
from aylien_model_serving.rpc.spec import Spec

#: Folders of installed packages; elsewhere the files may change, and the version stays.
_INSTALLED = ("site-packages", "dist-packages")


def for_other_machines(spec: Spec, version: str | None) -> Spec:
    """Return a spec without what is of this machine alone: equal on all that have the same version.

    Args:
        spec: as this process made it.
        version: what the operator calls the version of the service's code; None for that of the installed
            distribution that has the target.

    Raises:
        ConfigurationError: the target is part of a script, or its code has no version; the message says what
            to do.
    """
    local = next((name for name in _names(spec) if name.partition(":")[0] in (MAIN, "__main__")), None)
    if local is not None:
        raise ConfigurationError(
            f"{spec.name}: {local.partition(':')[2]} is part of a script, which other machines can't import: "
            "put it into a module that they have, by `pip install` or a runtime environment"
        )
    found = version_of(version, spec.target)
    return replace(spec, main=None, sys_path=(), folder="/", reports_code=False, generation=0, version=found)


def version_of(version: str | None, target: str) -> str:
    """Return the version of the code that has a target.

    Args:
        version: what the operator calls it; None for that of the installed distribution that has the target.
        target: "module:qualname", of a module that this process has imported.

    Raises:
        ConfigurationError: there is none; the message says what to do.
    """
    module = target.partition(":")[0]
    found = version or installed_version(module)
    if found is None:
        raise ConfigurationError(
            f"{target}: {module} is no installed package, whose version other machines could compare: "
            "set MODEL_SERVING_VERSION to another text with each change of the code, or `pip install` the "
            "package (not as editable)"
        )
    return found


def _names(spec: Spec) -> list[str]:
    """Return all names that whoever builds the spec imports."""
    batching = spec.batching
    schemas = (spec.schema,) if spec.schema is None or isinstance(spec.schema, str) else spec.schema
    functions = () if batching is None else (batching.group_by, batching.size_of)
    return [name for name in (spec.target, spec.context, *functions, *schemas) if name]


def installed_version(module: str) -> str | None:
    """Return the version of the distribution that has installed a module which this process has imported.

    Args:
        module: its full name.

    Returns:
        None where no distribution has, as for a folder on the import path and one installed as editable.
    """
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return None
    path = Path(os.path.abspath(file))
    folder = next((parent for parent in path.parents if parent.name in _INSTALLED), None)
    if folder is None:
        return None
    line = f"\n{path.relative_to(folder).as_posix()},"
    for distribution in metadata.distributions(path=[str(folder)]):
        if line in f"\n{distribution.read_text('RECORD') or ''}":
            return distribution.version
    return None
