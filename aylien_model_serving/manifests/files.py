"""Manifests as files: YAML as people write it, and nothing of theirs overwritten unasked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.manifests import compose, kubernetes
from aylien_model_serving.manifests.dashboard import dashboard
from aylien_model_serving.manifests.plan import Plan

#: Columns after which YAML's long texts would be folded: never, since a folded query is hard to read.
_WIDE = 10_000


def render_kubernetes(plan: Plan) -> dict[str, str]:
    """Return the texts of a service's files for Kubernetes, by their paths.

    Raises:
        ConfigurationError: PyYAML is not installed.
    """
    files = {f"kubernetes/{name}": _yaml(documents) for name, documents in kubernetes.files(plan).items()}
    return {**files, **_grafana()}


def render_compose(plan: Plan) -> dict[str, str]:
    """Return the texts of a service's files for Compose, by their paths.

    Raises:
        ConfigurationError: PyYAML is not installed.
    """
    files = {f"compose/{name}": _yaml([document]) for name, document in compose.files(plan).items()}
    return {**files, "compose/.env.example": compose.variables_file(plan), **_grafana()}


def _grafana() -> dict[str, str]:
    return {"grafana.json": json.dumps(dashboard(), indent=2) + "\n"}


def _yaml(documents: Sequence[Mapping[str, Any]]) -> str:
    try:
        import yaml
    except ImportError:
        raise ConfigurationError(
            "PyYAML writes these files, and is not installed: pip install 'model-serving[deploy]'"
        ) from None
    apart = json.loads(json.dumps(documents))  # what stands twice would be an alias of YAML
    text: str = yaml.safe_dump_all(apart, sort_keys=False, width=_WIDE, allow_unicode=True)
    return text


def write(files: Mapping[str, str], folder: Path, *, force: bool) -> list[Path]:
    """Write files into a folder, and return the paths of those that were not there, or were different.

    Args:
        files: texts by their paths in the folder.
        folder: which is made where it is not there.
        force: whether files that differ are replaced.

    Raises:
        ConfigurationError: files that differ are there, and `force` is not given; none was written.
        OSError: one can't be written.
    """
    given = {folder / name: text for name, text in files.items()}
    changed = [path for path, text in given.items() if not path.is_file() or path.read_text() != text]
    different = [path for path in changed if path.exists()]
    if different and not force:
        names = ", ".join(map(str, different))
        raise ConfigurationError(
            f"{names} would lose what is in it: --force replaces it, --output names another folder"
        )
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(given[path])
    return changed
