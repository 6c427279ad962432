"""Mutations of a request: of its method, target, headers and body, by bytes and by structure."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from tests.fuzz import vocabulary
from tests.fuzz.blow_ups import blow_up
from tests.fuzz.header_vocabulary import HEADERS
from tests.fuzz.requests import Fuzzed

#: Bytes to which a request is blown up now and then.
_LARGE = (10_000, 60_000, 200_000)

#: One request of so many is large.
_LARGE_SHARE = 0.01

Mutation = Callable[[Random, Fuzzed, Sequence[Fuzzed]], Fuzzed]


def mutated(random: Random, seeds: Sequence[Fuzzed]) -> Fuzzed:
    """Return a seed after one to four mutations."""
    request = random.choice(seeds)
    if random.random() < _LARGE_SHARE:
        return blow_up(random, request)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        request = random.choice(_MUTATIONS)(random, request, seeds)
    return request


def _method(random: Random, request: Fuzzed, _: Sequence[Fuzzed]) -> Fuzzed:
    return replace(request, method=random.choice(vocabulary.METHODS))


def _path(random: Random, request: Fuzzed, seeds: Sequence[Fuzzed]) -> Fuzzed:
    target = random.choice(seeds).target if random.random() < 0.5 else random.choice(vocabulary.PATHS)
    return replace(request, target=target)


def _target_word(random: Random, request: Fuzzed, _: Sequence[Fuzzed]) -> Fuzzed:
    """Replace one segment or value of the target, seldom the first one, which names the route."""
    target = request.target
    starts = [at + 1 for at, byte in enumerate(target) if byte in b"/=?&"] or [0]
    start = random.choice(starts[1:] or starts)
    if start == 1 and random.random() < 0.8:
        return _parameter(random, request, ())
    end = next((at for at in range(start, len(target)) if target[at] in b"/=?&"), len(target))
    word = _quoted(random, _word(random))
    return replace(request, target=target[:start] + word + target[end:])


def _target_bytes(random: Random, request: Fuzzed, _: Sequence[Fuzzed]) -> Fuzzed:
    return replace(request, target=_bytes(random, request.target))


def _parameter(random: Random, request: Fuzzed, _: Sequence[Fuzzed]) -> Fuzzed:
    pair = random.choice(vocabulary.PARAMETERS) + b"=" + _quoted(random, _word(random))
    times = random.choice((1, 1, 1, 1, 2, 1200))
    pairs = b"&".join([pair] * (times if len(pair) < 50 else 1))
    return replace(request, target=request.target + (b"&" if b"?" in request.target else b"?") + pairs)


def _header(random: Random, request: Fuzzed, _: Sequence[Fuzzed]) -> Fuzzed:
    """Add a header that something reads, or put it in the place of the one of its name."""
    name, values = random.choice(HEADERS)
    value = random.choice(values)
    kept = request.headers
    if random.random() < 0.6:
        kept = tuple(pair for pair in kept if pair[0].lower() != name.lower())
    return replace(request, headers=(*kept, (name, value)))


def _header_value(random: Random, request: Fuzzed, seeds: Sequence[Fuzzed]) -> Fuzzed:
    if not request.headers:
        return _header(random, request, seeds)
    at = random.randrange(len(request.headers))
    name, value = request.headers[at]
    changed = (name, _bytes(random, value))
    return replace(request, headers=(*request.headers[:at], changed, *request.headers[at + 1 :]))


def _header_list(random: Random, request: Fuzzed, _: Sequence[Fuzzed]) -> Fuzzed:
    """Drop, double or multiply a header, or add many."""
    if not request.headers:
        return request.with_headers(*((b"X-%d" % number, b"a") for number in range(90)))
    at = random.randrange(len(request.headers))
    times = random.choice((0, 0, 2, 2, 90))
    return replace(
        request, headers=(*request.headers[:at], *[request.headers[at]] * times, *request.headers[at + 1 :])
    )


def _body_bytes(random: Random, request: Fuzzed, _: Sequence[Fuzzed]) -> Fuzzed:
    return replace(request, body=_bytes(random, request.body))


def _body_word(random: Random, request: Fuzzed, _: Sequence[Fuzzed]) -> Fuzzed:
    at = random.randint(0, len(request.body))
    end = min(len(request.body), at + random.choice((0, 0, 1, 4)))
    return replace(request, body=request.body[:at] + _word(random) + request.body[end:])


def _body_json(random: Random, request: Fuzzed, _: Sequence[Fuzzed]) -> Fuzzed:
    """Put something else in the place of one value of a JSON body, or a name twice."""
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        return _body_word(random, request, ())
    mark = "\N{REPLACEMENT CHARACTER}mark"
    changed = _marked(random, value, mark)
    text = json.dumps(changed, ensure_ascii=random.random() < 0.5).encode(errors="surrogatepass")
    new = random.choice((*vocabulary.JSON, *vocabulary.NUMBERS))
    for form in (json.dumps(mark).encode(), json.dumps(mark, ensure_ascii=False).encode()):
        text = text.replace(form, new)
    if random.random() < 0.1:
        text = text.replace(b"{", b'{"text":1,"text":2,', 1)
    return replace(request, body=text)


def _marked(random: Random, value: Any, mark: str) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.9:
        name = random.choice(list(value))
        return {**value, name: _marked(random, value[name], mark)}
    if isinstance(value, list) and value and random.random() < 0.9:
        at = random.randrange(len(value))
        return [*value[:at], _marked(random, value[at], mark), *value[at + 1 :]]
    return mark


def _body_of_another(random: Random, request: Fuzzed, seeds: Sequence[Fuzzed]) -> Fuzzed:
    """Take the body of another request, or its beginning."""
    other = random.choice(seeds).body
    if random.random() < 0.5:
        return replace(request, body=other)
    return replace(request, body=request.body[: random.randint(0, len(request.body))] + other)


def _body_size(random: Random, request: Fuzzed, _: Sequence[Fuzzed]) -> Fuzzed:
    """Cut the body, or repeat a piece of it, seldom until it is large."""
    if not request.body or random.random() < 0.3:
        return replace(request, body=request.body[: random.randint(0, len(request.body))])
    start = random.randrange(len(request.body))
    piece = request.body[start : start + random.choice((1, 2, 10, 60))]
    size = random.choice(_LARGE) if random.random() < 0.05 else 500
    many = piece * (size // len(piece) + 1)
    return replace(request, body=request.body[:start] + many + request.body[start:])


def _chunked(random: Random, request: Fuzzed, _: Sequence[Fuzzed]) -> Fuzzed:
    return replace(request, chunked=not request.chunked)


_MUTATIONS: tuple[Mutation, ...] = (
    _method,
    _path,
    *[_target_word] * 3,
    _target_bytes,
    _parameter,
    *[_header] * 4,
    _header_value,
    _header_list,
    *[_body_bytes] * 2,
    *[_body_word] * 2,
    *[_body_json] * 3,
    _body_of_another,
    _body_size,
    _chunked,
)


def _word(random: Random) -> bytes:
    words = random.choice((vocabulary.NUMBERS, vocabulary.TEXTS, vocabulary.JSON))
    return random.choice(words)


def _quoted(random: Random, word: bytes) -> bytes:
    """Percent-encode a word as a client has to, mostly."""
    if random.random() < 0.3:
        return word
    return b"".join(_ESCAPED[byte] for byte in word)


#: Each byte as it stands in a URL.
_ESCAPED = [
    b"%%%02X" % byte if byte < 33 or byte > 126 or byte in b'%&=#?+"<>' else bytes((byte,))
    for byte in range(256)
]


def _bytes(random: Random, value: bytes) -> bytes:
    """Change, insert, remove, double or swap some bytes."""
    at = random.randint(0, len(value))
    end = min(len(value), at + random.choice((1, 1, 2, 8, 32)))
    match random.randrange(5):
        case 0:
            return value[:at] + bytes((random.randrange(256),)) + value[at + 1 :]
        case 1:
            return value[:at] + random.randbytes(random.choice((1, 2, 4))) + value[at:]
        case 2:
            return value[:at] + value[end:]
        case 3:
            return value[:end] + value[at:end] * random.choice((1, 2, 50)) + value[end:]
    other = random.randint(0, len(value))
    first, second = sorted((at, other))
    return value[:first] + value[second:] + value[first:second]
