"""`model-serving new`: a small project of one's own, from the files of the folder `project`.

Schemas are pydantic classes there and not protobuf messages, since those need a compiler that pip does not
install with this library; both validate the same.
"""

from __future__ import annotations

import re
import sys
from importlib import resources
from pathlib import Path

import click

from aylien_model_serving.cli import library
from aylien_model_serving.cli.errors import CommandFailed, InvalidUsage

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")

#: The files are kept under names by which no tool takes them for a part of this library.
_SUFFIX, _HIDDEN = ".txt", "dot-"

#: Where a project keeps a library that no index or repository has.
_WHEELS = "wheels"

#: The extra that the tests of a project need.
_TESTING = "testing"


@click.command("new")
@click.argument("name", type=click.Path(path_type=Path))
def command(name: Path) -> None:
    """Make the project NAME in a folder of this name: handler, schema, tests, Makefile, Dockerfile.

    Its own `make test` passes, and `make run` serves it.
    """
    folder = Path.cwd() / name
    if not _NAME.fullmatch(folder.name):
        raise InvalidUsage(
            f"{folder.name!r} is no name for a project: letters, digits, - and _ make one, e.g. my-model"
        )
    _refuse_occupied(folder, name)
    if not library.is_installed():
        raise CommandFailed(
            "The library is not installed, only imported from a folder: pip install that folder"
        )
    is_local = library.is_local()
    words = {
        "{{name}}": folder.name,
        "{{library}}": library.requirement(),
        "{{library_for_tests}}": library.requirement(_TESTING),
        "{{pins}}": "\n".join(library.pins(_TESTING)),
        "{{python}}": f"{sys.version_info.major}.{sys.version_info.minor}",
        "{{find_links}}": f"--find-links {_WHEELS}\n" if is_local else "",
        "{{copy_wheels}}": f"COPY {_WHEELS} {_WHEELS}\n" if is_local else "",
    }
    files = _files(words)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (folder / file).write_text(text)
        if is_local:
            (folder / _WHEELS).mkdir()
            library.write_wheel(folder / _WHEELS)
    except OSError as error:
        raise CommandFailed(f"{name}: {error.strerror}") from error
    click.echo(f"Made {name} with {', '.join(files)}.\n")
    click.echo(f"  cd {name}\n  make test\n  make run")


def _refuse_occupied(folder: Path, name: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        raise InvalidUsage(f"{name} is not empty: name a folder that is not there yet, or an empty one")
    if folder.exists() and not folder.is_dir():
        raise InvalidUsage(f"{name} is a file: name a folder that is not there yet, or an empty one")


def _files(words: dict[str, str]) -> dict[str, str]:
    """Return the text of each file by its name."""
    found = {}
    for kept in (resources.files(__package__) / "project").iterdir():
        text = kept.read_text(encoding="utf-8")
        for word, meaning in words.items():
            text = text.replace(word, meaning)
        found[re.sub(f"^{_HIDDEN}", ".", kept.name.removesuffix(_SUFFIX))] = text
    return dict(sorted(found.items()))
