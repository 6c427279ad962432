"""Arguments of a command line → the fields of a call.

Pure, but for checking whether a file exists. `name=text` is parsed by the field's type,
`name:=json` as JSON, and `name@path` is a file.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import IO, Any, Literal, NamedTuple, Union, get_args, get_origin

from aylien_model_serving.cli.errors import InvalidUsage
from aylien_model_serving.core.suggest import suggestion

_ARGUMENT = re.compile(r"(?P<name>[^=:@\s]+)(?P<sign>:=|=|@)(?P<text>.*)", re.DOTALL)

_FORMS = "a field is name=value, name:=json or name@path"

_SWITCHES = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


class FieldArgument(NamedTuple):
    """A field as it was typed.

    Args:
        name: the field's.
        sign: the separator between name and text.
        text: the rest.
    """

    name: str
    sign: str
    text: str


def split(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the arguments that are a whole body, which have no name, and those that are fields."""
    bodies: list[str] = []
    named: list[str] = []
    for word in words:
        (bodies if word.startswith((":=", "@")) else named).append(word)
    return bodies, named


def read_body(text: str) -> Any:
    """Return the value of an argument that is a whole body.

    Raises:
        InvalidUsage: it is not JSON, or there is no such file.
    """
    sign = "@" if text.startswith("@") else ":="
    return _read(FieldArgument("", sign, text.removeprefix(sign)), Any)


def parse_arguments(texts: Iterable[str]) -> list[FieldArgument]:
    """Return the fields that were typed.

    Raises:
        InvalidUsage: an argument is no field.
    """
    found = []
    for text in texts:
        match = _ARGUMENT.fullmatch(text)
        if match is None:
            raise InvalidUsage(f"{text!r} is no field: {_FORMS}")
        found.append(FieldArgument(**match.groupdict()))
    return found


def read(words: Iterable[FieldArgument], hints: Mapping[str, Any], *, is_known: bool) -> dict[str, Any]:
    """Return the values of fields; one that is typed several times is a list.

    Args:
        words: as they were typed.
        hints: the type hint of each known field.
        is_known: whether there are no further fields.

    Raises:
        InvalidUsage: a value has the wrong type, a file does not exist, or there is no such field.
    """
    found: dict[str, list[FieldArgument]] = {}
    for word in words:
        if is_known and word.name not in hints:
            raise InvalidUsage(f"The route has no field {word.name!r}{suggestion(word.name, hints)}")
        found.setdefault(word.name, []).append(word)
    return {name: _value(same, hints.get(name, Any)) for name, same in found.items()}


def _value(words: list[FieldArgument], hint: Any) -> Any:
    """Return the value of one field."""
    if len(words) == 1 and words[0].sign == ":=":
        return _json(words[0])
    item = next((part for part in _parts(hint) if get_origin(part) is list or part is list), None)
    if item is None or (len(words) == 1 and words[0].text.lstrip().startswith("[")):
        values = [_read(word, hint) for word in words]
        return values[0] if len(values) == 1 else values
    return [_read(word, (*get_args(item), Any)[0]) for word in words]


def _read(word: FieldArgument, hint: Any) -> Any:
    if word.sign == ":=":
        return _json(word)
    if word.sign == "@":
        return _file(word)
    for part in _parts(hint):
        try:
            return _READERS.get(get_origin(part) or part, _anything)(word.text, part)
        except ValueError:
            continue
    raise InvalidUsage(f"{word.name}={word.text}: {_expected(hint)} is expected")


def _parts(hint: Any) -> list[Any]:
    """Return the alternatives of a type, text last: every value can be parsed as that."""
    is_union = get_origin(hint) in (Union, UnionType)
    return sorted(get_args(hint) if is_union else [hint], key=lambda part: part in _TEXTS)


def _json(word: FieldArgument) -> Any:
    try:
        return json.loads(word.text)
    except ValueError as error:
        raise InvalidUsage(f"{word.name}:={word.text}: not JSON: {error}") from None


def _file(word: FieldArgument) -> Path:
    path = Path(word.text).expanduser()
    if not path.is_file():
        near = sorted(file.name for file in path.parent.iterdir()) if path.parent.is_dir() else []
        raise InvalidUsage(f"{word.name}@{word.text}: there is no such file{suggestion(path.name, near)}")
    return path


def _whole(text: str, _: Any) -> int:
    return int(text)


def _number(text: str, _: Any) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("JSON has no such number")
    return int(text) if text.lstrip("+-").isdigit() else number


def _switch(text: str, _: Any) -> bool:
    if text.lower() not in _SWITCHES:
        raise ValueError("no switch")
    return _SWITCHES[text.lower()]


def _choice(text: str, hint: Any) -> Any:
    """Return one of a Literal's values; any other is for the service to refuse."""
    return next((choice for choice in get_args(hint) if str(choice) == text), text)


def _nothing(text: str, _: Any) -> None:
    if text not in ("", "null"):
        raise ValueError("not null")


def _structure(text: str, hint: Any) -> Any:
    value = json.loads(text)
    if not isinstance(value, get_origin(hint) or hint):
        raise ValueError("another type")
    return value


def _anything(text: str, _: Any) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(text: str, _: Any) -> str:
    return text


#: A file may also be given as text: its URL, or its content in base64.
_TEXTS = (str, bytes, Path, IO[bytes])

_READERS: dict[Any, Callable[[str, Any], Any]] = {
    int: _whole,
    float: _number,
    bool: _switch,
    Literal: _choice,
    type(None): _nothing,
    None: _nothing,
    dict: _structure,
    list: _structure,
    **dict.fromkeys((*_TEXTS, IO), _text),
}

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a JSON object",
    list: "a JSON list",
}


def _expected(hint: Any) -> str:
    return " or ".join(_WORDS.get(get_origin(part) or part, str(part)) for part in _parts(hint))


def from_json(text: str) -> Any:
    """Return what standard input says: fields, or any other value of JSON.

    Raises:
        InvalidUsage: it is not JSON.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidUsage(f"standard input is not JSON: {error}") from None
