"""Output of responses: JSON and text are printed, files are saved.

A service names its files, and is not trusted with their paths: a file that it names stays within the
folder, replaces none, and is not hidden.
"""

from __future__ import annotations

import json
import mimetypes
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import click

from aylien_model_serving.cli.errors import CommandFailed
from aylien_model_serving.core.escapes import CONTROLS, escape, escape_but_lines, escape_in_json

#: The value of -o that writes a response to standard output as it is.
STANDARD_OUTPUT = Path("-")


class OutputFiles(NamedTuple):
    """Where files are saved.

    Args:
        folder: of files that the service names.
        output: the path that the caller has named, or "-" for standard output.
        force: whether files may be replaced.
    """

    folder: Path
    output: Path | None = None
    force: bool = False


def show(value: Any, files: OutputFiles) -> None:
    """Print a value, and save each file in it.

    Raises:
        CommandFailed: a file is there already, or can't be written.
    """
    if _is_file(value):
        path = _save(value, files)
        if path is not None:
            saved = f"saved {path}, {len(value.content):,} bytes of {value.media_type}"
            click.echo(escape(saved), err=True)
        return
    text = _text(value, files, indent=2)
    if files.output is None or files.output == STANDARD_OUTPUT:
        _print(text, ends_line=bool(text))
    else:
        _write(files.output, f"{text}\n".encode(), force=files.force)


def show_item(value: Any, files: OutputFiles) -> None:
    """Print one item of a stream, in a line of its own."""
    _print(_text(value, files, indent=None), ends_line=True)


def _text(value: Any, files: OutputFiles, indent: int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    unnamed = files._replace(output=None)
    return escape_in_json(
        json.dumps(value, indent=indent, ensure_ascii=False, default=lambda file: str(_save(file, unnamed)))
    )


def _print(text: str, *, ends_line: bool) -> None:
    """Print a text: to a terminal without what would command it, and as it is to a program or a file."""
    shown = escape_but_lines(text) if sys.stdout.isatty() else text
    click.echo(shown, nl=ends_line, color=True)  # which else drops what it takes for colours


def _is_file(value: Any) -> bool:
    return isinstance(getattr(value, "content", None), bytes)


def _save(file: Any, files: OutputFiles) -> Path | None:
    """Write a file, and return its path; None for standard output."""
    if files.output == STANDARD_OUTPUT:
        click.echo(file.content, nl=False)
        return None
    if files.output is not None and not files.output.is_dir():
        return _write(files.output, file.content, force=files.force)
    folder = files.output or files.folder
    path = folder / _name_of(file)
    if path.is_symlink() or path.resolve().parent != folder.resolve():
        raise CommandFailed(f"{path} leads out of the folder: name another file with -o")
    return _write(path, file.content, force=files.force)


def _name_of(file: Any) -> str:
    """Return a service's name of a file, in plain characters, without folders and not hidden.

    Where nothing is left of it, its media type names it.
    """
    name = os.path.basename(CONTROLS.sub("", file.name or "").replace("\\", "/")).lstrip(".")
    return name or f"answer{mimetypes.guess_extension(file.media_type) or '.bin'}"


def _write(path: Path, content: bytes, *, force: bool) -> Path:
    try:
        with path.open("wb" if force else "xb") as file:
            file.write(content)
    except FileExistsError:
        raise CommandFailed(f"{path} is there already: --force replaces it, -o names another file") from None
    except OSError as error:
        raise CommandFailed(f"{path} can't be written: {error.strerror}") from None
    return path
