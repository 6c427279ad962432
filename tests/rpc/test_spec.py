"""How a target is named in one process and imported in another."""

import functools
import math
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.rpc import spec
from aylien_model_serving.rpc.spec import Spec


class Outer:
    class Inner:
        def __call__(self, text: str) -> str:
            return text

    @classmethod
    def build(cls) -> "Outer":
        return cls()

    def __call__(self, text: str) -> str:
        return text


def function(text: str) -> str:
    return text


@functools.lru_cache
def decorated(text: str) -> str:
    return text


def careless(inner: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*arguments: Any) -> Any:
        return inner(*arguments)

    return wrapper


@careless
def carelessly_decorated(text: str) -> str:
    return text


def overwritten(text: str) -> str:
    return text


first_definition = overwritten


def overwritten(text: str) -> str:  # type: ignore[no-redef]
    return text + text


a_lambda = lambda text: text  # noqa: E731 - what this is about


@pytest.mark.parametrize("target", [Outer, Outer.Inner, function, decorated, Outer.build, math.sqrt, len])
def test_an_importable_target_is_named(target: Any) -> None:
    name = spec.import_name_of(target)

    assert name == f"{target.__module__}:{target.__qualname__}"
    assert spec.find(name) == target


def test_a_name_without_a_colon_is_a_module() -> None:
    assert spec.find("tests.rpc.test_spec") is sys.modules["tests.rpc.test_spec"]


def local_class() -> type:
    class Local:
        pass

    return Local


@pytest.mark.parametrize(
    ("target", "fix"),
    [
        (local_class(), r"Local is local to a function: move it to the top of its module"),
        (a_lambda, "a lambda has no name there: write it as a function with def"),
        (functools.partial(function, text="a"), "write a function, or a class that takes 'init'"),
        (Outer(), "name its class, Outer, and give it 'init'"),
        (Outer().__call__, "something else"),
        (carelessly_decorated, r"functools\.wraps"),
        (first_definition, "overwritten is something else"),
    ],
)
def test_a_target_that_is_not_importable_is_refused_with_the_fix(target: Any, fix: str) -> None:
    with pytest.raises(ConfigurationError, match=fix):
        spec.import_name_of(target)


SCRIPT = """
    from aylien_model_serving.rpc import spec

    class Model:
        class Part:
            pass

    if __name__ == "__main__":
        print(spec.import_name_of(Model.Part))
        print(spec.main_script_of(spec.import_name_of(Model)))
        print(spec.Spec.of_process(target=spec.import_name_of(Model), name="m").version)
"""


def run(*arguments: str, folder: Path, text: str | None = None) -> list[str]:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(spec.__file__).parents[2])},
        input=text,
        capture_output=True,
        text=True,
    )
    return (done.stdout or done.stderr).splitlines()


@pytest.mark.processes
def test_a_script_is_loaded_under_another_name(tmp_path: Path) -> None:
    script = tmp_path / "serve"
    script.write_text(textwrap.dedent(SCRIPT))

    name, main, version = run("serve", folder=tmp_path)

    assert (name, main) == ("__model_serving_main__:Model.Part", str(script))
    assert version.endswith("-0")


def test_the_block_of_a_script_does_not_run_where_it_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "serve"
    script.write_text(textwrap.dedent(SCRIPT))
    monkeypatch.setitem(sys.modules, spec.MAIN, sys)  # so that it is as it was when this test ends

    spec.load_main(str(script))
    found = spec.find(f"{spec.MAIN}:Model.Part")

    assert capsys.readouterr().out == ""
    assert spec.import_name_of(found) == f"{spec.MAIN}:Model.Part"
    assert spec.main_script_of(f"{spec.MAIN}:Model.Part") == str(script)


def test_a_script_that_fails_is_not_half_loaded(tmp_path: Path) -> None:
    script = tmp_path / "serve.py"
    script.write_text("value = 1\nraise LookupError('in the script')\n")

    with pytest.raises(LookupError, match="in the script"):
        spec.load_main(str(script))

    assert spec.MAIN not in sys.modules


@pytest.mark.processes
def test_a_module_that_is_run_as_a_program_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "serve.py").write_text(textwrap.dedent(SCRIPT))

    name, main, _ = run("-m", "package.serve", folder=tmp_path)

    assert (name, main) == ("package.serve:Model.Part", "None")


@pytest.mark.processes
def test_a_program_that_is_no_file_is_refused(tmp_path: Path) -> None:
    lines = run("-", folder=tmp_path, text=textwrap.dedent(SCRIPT))

    assert lines[-1].endswith("this program is not a file: put it into a module, and import it from there")


def test_a_decoded_spec_has_the_same_key() -> None:
    sent = Spec(
        name="model",
        target="a:b",
        init={"b": [1, 2.5, None, b"\xff"], "a": {"c": "d"}},
        devices=("cuda:0", "cpu"),
        batching=BatchOptions(max_size=8),
        schema=("a:Request", None),
        warmup={"text": "a"},
    )

    came = msgspec.msgpack.decode(msgspec.msgpack.encode(sent), type=Spec)

    assert came == sent
    assert came.key == sent.key


def test_the_order_of_arguments_makes_no_other_key() -> None:
    one = Spec(name="model", target="a:b", init={"a": 1, "b": 2})

    assert one.key == Spec(name="model", target="a:b", init={"b": 2, "a": 1}).key
    assert one.key != Spec(name="model", target="a:b", init={"a": 1, "b": 3}).key


def test_a_spec_that_cannot_be_encoded_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="model: 'init' and 'warmup' travel to another process"):
        _ = Spec(name="model", target="a:b", init={"model": object()}).key


def test_a_spec_of_this_process_has_its_folder_and_import_path() -> None:
    made = Spec.of_process(target=spec.import_name_of(Outer), generation=3, name="model")

    assert made.main is None
    assert made.folder == os.getcwd()
    assert all(os.path.isabs(entry) for entry in made.sys_path)
    assert made.version == f"{spec.fingerprint('tests')}-3"


def test_the_fingerprint_changes_with_any_file_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "fingerprinted"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "inner" / "part.py").write_text("a = 1")
    (package / "data.csv").write_text("1")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        module = spec.find("fingerprinted")
        before = spec.fingerprint(module)
        (package / "data.csv").write_text("22")
        assert spec.fingerprint("fingerprinted.inner.part") == before

        (package / "inner" / "part.py").write_text("a = 22")
        changed = spec.fingerprint(module)
        (package / "inner" / "more.py").touch()

        assert len({before, changed, spec.fingerprint(module)}) == 3
    finally:
        del sys.modules["fingerprinted"]


def test_a_module_without_a_file_has_a_fingerprint() -> None:
    assert spec.fingerprint("builtins") == spec.fingerprint(sys)


def test_a_secret_is_part_of_neither_the_key_nor_what_is_shown() -> None:
    held = Spec(name="model", target="module:handler", webhook_secret="sign-with-this")

    assert held.key == msgspec.structs.replace(held, webhook_secret=None).key
    assert "sign-with-this" not in repr(held)


def test_the_password_of_the_store_of_jobs_is_no_part_of_a_specs_key() -> None:
    specs = [
        Spec(name="model", target="module:handler", jobs=f"postgresql://me:{password}@{host}/jobs")
        for password, host in (("one", "a"), ("two", "a"), ("one", "b"))
    ]

    assert specs[0].key == specs[1].key != specs[2].key
    assert not any(password in repr(specs) for password in ("one", "two"))
