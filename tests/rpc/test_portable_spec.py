"""Specs for other machines, which have neither this one's folders nor its files' times."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.rpc.fingerprints import MAIN
from aylien_model_serving.rpc.portable_spec import for_other_machines, installed_version
from aylien_model_serving.rpc.spec import Spec


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Put a package `portable` into a folder, as an installer does, and import it."""

    def install(folder: str, *, record: str | None, distribution: str = "portable-models") -> None:
        site = tmp_path / folder
        (site / "portable" / "inner").mkdir(parents=True)
        (site / "portable" / "__init__.py").touch()
        (site / "portable" / "inner" / "__init__.py").touch()
        about = site / f"{distribution.replace('-', '_')}-2.5.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.5\n")
        if record is not None:
            (about / "RECORD").write_text(record)
        monkeypatch.syspath_prepend(site)
        importlib.import_module("portable.inner")

    yield install
    for name in ("portable", "portable.inner"):
        sys.modules.pop(name, None)


RECORD = "portable/__init__.py,sha256=a,0\nportable/inner/__init__.py,sha256=a,0\n"


def test_the_version_of_a_module_is_that_of_the_distribution_that_installed_it(
    package: Callable[..., None],
) -> None:
    package("lib/site-packages", record=RECORD)

    assert installed_version("portable") == "2.5"
    assert installed_version("portable.inner") == "2.5"
    assert for_other_machines(Spec(name="m", target="portable.inner:Model"), None).version == "2.5"


@pytest.mark.parametrize(
    ("folder", "record"),
    [
        ("src", RECORD),  # a folder of the import path, or one installed as editable
        ("lib/site-packages", "__editable__.portable.pth,sha256=a,0\n"),
        ("lib/site-packages", "portable/__init__.py.bak,sha256=a,0\nother/portable/__init__.py,,\n"),
        ("lib/site-packages", None),
    ],
)
def test_a_module_that_no_distribution_has_installed_has_no_version(
    folder: str, record: str | None, package: Callable[..., None]
) -> None:
    package(folder, record=record)

    assert installed_version("portable") is None
    with pytest.raises(
        ConfigurationError,
        match=r"^portable:Model: portable is no .*set MODEL_SERVING_VERSION .* or `pip install`",
    ):
        for_other_machines(Spec(name="m", target="portable:Model"), None)


def test_installed_packages_have_a_version_and_others_have_none() -> None:
    assert installed_version("msgspec") == importlib.import_module("msgspec").__version__
    assert installed_version("tests.rpc.test_portable_spec") is None
    assert installed_version("sys") is None
    assert installed_version("never.imported") is None


def test_what_is_of_this_machine_alone_is_left_out() -> None:
    here = Spec.of_process(target="tests.rpc.test_spec:Outer", name="m", generation=3, init={"a": 1})
    there = Spec(name="m", target="tests.rpc.test_spec:Outer", init={"a": 1}, sys_path=("/elsewhere",))

    sent = for_other_machines(here, "2024-11")

    assert sent == Spec(name="m", target="tests.rpc.test_spec:Outer", init={"a": 1}, version="2024-11")
    assert sent.key == for_other_machines(there, "2024-11").key
    assert sent.key != for_other_machines(there, "2024-12").key


def test_what_an_operator_says_goes_before_the_package() -> None:
    assert for_other_machines(Spec(name="m", target="msgspec:Struct"), "mine").version == "mine"


@pytest.mark.parametrize(
    "spec",
    [
        Spec(name="m", target=f"{MAIN}:Model", main="/service.py"),
        Spec(name="m", target="__main__:Model"),
        Spec(name="m", target="msgspec:Struct", context=f"{MAIN}:context"),
        Spec(name="m", target="msgspec:Struct", schema=(None, f"{MAIN}:Response")),
        Spec(name="m", target="msgspec:Struct", batching=BatchOptions(size_of=f"{MAIN}:size", max_total=1)),
    ],
)
def test_what_a_script_defines_is_refused_with_the_fix(spec: Spec) -> None:
    with pytest.raises(ConfigurationError, match=r"^m: \w+ is part of a script.*module.*pip install"):
        for_other_machines(spec, "1")
