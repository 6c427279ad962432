"""API keys: how they are listed, and the hashes by which a service knows them.

Pure. A list has entries, separated by commas or lines: `[admin:][name:]key`, where `key` is the key itself or
`sha256:` and 64 hexadecimal digits. No error shows any part of an entry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256

from aylien_model_serving.core.callers import Caller

#: Characters of a key whose hash is made, at least: so many random ones can't be found by trying.
MIN_LENGTH = 20

#: Different characters among them, at least.
_MIN_DISTINCT = 8

_ADMIN, _SHA256 = "admin", "sha256"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_DIGEST = re.compile(r"[0-9A-Fa-f]{64}")
_VISIBLE = re.compile(r"[!-~]+")

#: Names that would be taken for another part of an entry, or for that of a key without one.
_NO_NAME = re.compile(rf"{_ADMIN}|{_SHA256}|key-[0-9]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that a service accepts.

    Args:
        caller: who it belongs to.
        digest: the SHA-256 of the key.
    """

    caller: Caller
    digest: bytes = field(repr=False)


def digest_of(key: str) -> bytes:
    """Return the SHA-256 of a key; half of a surrogate pair, which no key has, becomes a question mark."""
    return sha256(key.encode(errors="replace")).digest()


def read(text: str) -> tuple[ApiKey, ...]:
    """Return the keys in a list; lines that begin with # are comments.

    Raises:
        ValueError: there is none, or an entry can't be understood.
    """
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    entries = [entry.strip() for line in lines for entry in line.split(",") if entry.strip()]
    if not entries:
        raise ValueError("no key is listed; for a service that everybody may use, leave the variable away")
    keys = [_read_entry(number, entry) for number, entry in enumerate(entries, 1)]
    _refuse_repeated(keys)
    return tuple(keys)


def _read_entry(number: int, entry: str) -> ApiKey:
    *parts, key = entry.split(":")
    if entry.lower() in (_ADMIN, _SHA256):
        raise ValueError(f"entry {number} has no key: expected [admin:][name:]key")
    is_hashed = bool(parts) and parts[-1].lower() == _SHA256
    if is_hashed:
        parts.pop()
    is_admin = bool(parts) and parts[0] == _ADMIN
    names = parts[is_admin:]
    if len(names) > 1:
        raise ValueError(f"entry {number} has too many colons: expected [admin:][name:]key")
    if is_hashed and not _DIGEST.fullmatch(key):
        raise ValueError(f"entry {number}: 64 hexadecimal digits are expected after sha256:")
    if not key or any(character.isspace() for character in key):
        raise ValueError(f"entry {number}: the key is empty or has spaces")
    name = _checked_name(number, names[0]) if names else f"key-{number}"
    return ApiKey(Caller(name, is_admin), bytes.fromhex(key) if is_hashed else digest_of(key))


def _checked_name(number: int, name: str) -> str:
    if _NO_NAME.fullmatch(name):
        raise ValueError(f"entry {number}: no name may be admin, sha256 or key-<number>")
    if not NAME.fullmatch(name):
        raise ValueError(f"entry {number}: a name is made of up to 64 letters, digits, and . _ @ -")
    return name


def _refuse_repeated(keys: list[ApiKey]) -> None:
    seen: dict[bytes, int] = {}
    for number, key in enumerate(keys, 1):
        first = seen.setdefault(key.digest, number)
        if first != number:
            raise ValueError(f"entries {first} and {number} hold the same key")


def hash_of(key: str) -> str:
    """Return the hash of a key, as an entry has it.

    A fast hash is enough for a key that nobody can guess. It is not for a password: whoever reads the hash
    would find it by trying.

    Raises:
        ValueError: the key may be guessed, or can't be sent in a header.
    """
    if not _VISIBLE.fullmatch(key) or "," in key:
        raise ValueError("a key is made of visible ASCII characters, without spaces and commas")
    if len(key) < MIN_LENGTH or len(set(key)) < _MIN_DISTINCT:
        raise ValueError(
            f"a key needs at least {MIN_LENGTH} random characters: "
            "a shorter one can be found from its hash by trying"
        )
    return f"{_SHA256}:{digest_of(key).hex()}"


def entry_of(key: str, name: str = "", *, is_admin: bool = False) -> str:
    """Return the entry of a key.

    Raises:
        ValueError: the key may be guessed or can't be sent, or the name is none.
    """
    hashed = hash_of(key)
    if name and (_NO_NAME.fullmatch(name) or not NAME.fullmatch(name)):
        raise ValueError(
            "a name is made of up to 64 letters, digits, and . _ @ -; admin, sha256 and key-<number> are none"
        )
    return ":".join(part for part in (_ADMIN if is_admin else "", name, hashed) if part)
