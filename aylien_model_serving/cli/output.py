"""Answers as they are shown: JSON and text are printed, files are saved.

A service names its files, and is not trusted with where they go: one that it names stays within the
folder, replaces none, and is not hidden.
"""

from __future__ import annotations

import json
import mimetypes
import os
from pathlib import Path
from typing import Any, NamedTuple

import click

from aylien_model_serving.cli.errors import Failed

#: What an answer is written to that is to go to standard output as it is.
STANDARD_OUTPUT = Path("-")


class Files(NamedTuple):
    """Where files go.

    Args:
        folder: those that the service names.
        output: the one that the caller has named, or "-" for standard output.
        force: whether files may be replaced.
    """

    folder: Path
    output: Path | None = None
    force: bool = False


def show(value: Any, files: Files) -> None:
    """Print a value, and save what is a file in it.

    Raises:
        Failed: a file is there already, or can't be written.
    """
    if _is_file(value):
        path = _save(value, files)
        if path is not None:
            click.echo(f"saved {path}, {len(value.content):,} bytes of {value.media_type}", err=True)
        return
    text = _text(value, files, indent=2)
    if files.output is None or files.output == STANDARD_OUTPUT:
        click.echo(text, nl=bool(text))
    else:
        _write(files.output, f"{text}\n".encode(), force=files.force)


def show_item(value: Any, files: Files) -> None:
    """Print one item of a stream, in a line of its own."""
    click.echo(_text(value, files, indent=None))


def _text(value: Any, files: Files, indent: int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    beside = files._replace(output=None)
    return json.dumps(value, indent=indent, ensure_ascii=False, default=lambda file: str(_save(file, beside)))


def _is_file(value: Any) -> bool:
    return isinstance(getattr(value, "content", None), bytes)


def _save(file: Any, files: Files) -> Path | None:
    """Write a file, and return where it is; None for standard output."""
    if files.output == STANDARD_OUTPUT:
        click.echo(file.content, nl=False)
        return None
    if files.output is not None and not files.output.is_dir():
        return _write(files.output, file.content, force=files.force)
    folder = files.output or files.folder
    path = folder / _name_of(file)
    if path.is_symlink() or path.resolve().parent != folder.resolve():
        raise Failed(f"{path} leads out of the folder: name another file with -o")
    return _write(path, file.content, force=files.force)


def _name_of(file: Any) -> str:
    """Return the name that a service gives a file, without folders and not hidden, or one by its kind."""
    name = os.path.basename((file.name or "").replace("\\", "/").replace("\0", "")).lstrip(".")
    return name or f"answer{mimetypes.guess_extension(file.media_type) or '.bin'}"


def _write(path: Path, content: bytes, *, force: bool) -> Path:
    try:
        with path.open("wb" if force else "xb") as file:
            file.write(content)
    except FileExistsError:
        raise Failed(f"{path} is there already: --force replaces it, -o names another file") from None
    except OSError as error:
        raise Failed(f"{path} can't be written: {error.strerror}") from None
    return path
