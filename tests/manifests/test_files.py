"""Manifests as files: nothing is overwritten unasked, and texts are as people write them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.manifests import files
from tests.manifests.services import PLANS


def test_files_are_written_once(tmp_path: Path) -> None:
    texts = files.render_kubernetes(PLANS["full"])

    written = files.write(texts, tmp_path / "deploy", force=False)
    again = files.write(texts, tmp_path / "deploy", force=False)

    assert {str(path.relative_to(tmp_path / "deploy")) for path in written} == set(texts)
    assert again == []


def test_a_file_that_differs_is_replaced_by_force_alone(tmp_path: Path) -> None:
    texts = files.render_compose(PLANS["plain"])
    files.write(texts, tmp_path, force=False)
    mine = tmp_path / "compose" / "compose.yaml"
    mine.write_text("name: mine\n")
    (tmp_path / "grafana.json").unlink()

    with pytest.raises(ConfigurationError, match=r"compose\.yaml would lose .* --force"):
        files.write(texts, tmp_path, force=False)
    assert mine.read_text() == "name: mine\n"
    assert not (tmp_path / "grafana.json").exists()

    assert set(files.write(texts, tmp_path, force=True)) == {mine, tmp_path / "grafana.json"}
    assert mine.read_text() == texts["compose/compose.yaml"]


def test_no_text_is_folded_and_none_is_an_alias() -> None:
    texts = {**files.render_kubernetes(PLANS["full"]), **files.render_compose(PLANS["full"])}

    assert not [name for name, text in texts.items() if "&id" in text or "*id" in text]
    assert "query: sum(max by (route, status) (model_serving_jobs" in texts["kubernetes/keda.yaml"]


def test_kubectl_applies_no_file_without_values() -> None:
    names = [name for name in files.render_kubernetes(PLANS["full"]) if "secret" in name]

    assert names == ["kubernetes/secret.yaml.example"]  # kubectl reads .yaml, .yml and .json of a folder


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'model-serving\[deploy\]'"):
        files.render_kubernetes(PLANS["plain"])
