"""Reading and checking an input takes time in proportion to its length, whatever it holds."""

from __future__ import annotations

import pytest

from aylien_model_serving import codecs
from tests.costs.inference_inputs import INFERENCE
from tests.costs.inputs import FORM, INPUTS, MESSAGES, MULTIPART, PROTOBUF, TEXT_SCHEMA, Input
from tests.costs.measuring import growth, is_quicker, own_garbage
from tests.selection import full, matrix

#: By how much the time may grow where the input doubles: in proportion would be 2, in its square 4.
GROWTH = 2.6

#: The same for inputs that outgrow every cache. Pieces of a text take as long each however many there are,
#: some 30 ns for a byte; a dict that gets all of their keys takes 15 ns for a byte up to 256 KiB and 80 at
#: 8 MiB, since each key is another place of a memory that others use too.
LARGE_GROWTH = 3.2

#: Bytes of the smallest and the largest body below the length from which on work is done piece by piece, and
#: above it, up to the default limit of a body: what is refused at once takes several times as long in pieces.
SHORT = (64 * 1024, 256 * 1024)
LONG = (512 * 1024, 8 * 1024 * 1024)

#: Those of protobuf, whose items are counted from two million bytes on.
UNCOUNTED = (128 * 1024, 1024 * 1024)

#: Bytes of headers that any server takes; what is in a header is doubled up to here.
HEADERS = (16 * 1024, 512 * 1024)

#: Seconds of CPU for 100 kB on the machine that limits are written for, and what chance may make of them.
LONGEST, SLACK = 0.030, 1.5

#: What every run looks at: each was quadratic, or several times slower than the rule.
QUICK_NAMES = (
    "JSON: the last key twice",
    "JSON: files below a long key",
    "JSON: a set of integers that collide",
    "JSON: items that fit no type of a union",
    "form: escapes",
    "form: a set of texts that collide as integers",
    "multipart: headers",
    "protobuf: packed enums",
    "headers: all names twice",
)

BY_NAME = {each.name: each for each in (*INPUTS, *INFERENCE)}


@pytest.mark.parametrize("name", matrix(BY_NAME, *QUICK_NAMES))
def test_twice_the_input_takes_twice_the_time(name: str) -> None:
    sizes = SHORT if BY_NAME[name].media_type else HEADERS

    assert growth(BY_NAME[name].work, *sizes, GROWTH) < GROWTH


@full
@pytest.mark.parametrize("kind", [pytest.param(each, id=each.name) for each in INPUTS if each.media_type])
def test_twice_the_input_takes_twice_the_time_up_to_the_limit_of_a_body(kind: Input) -> None:
    sizes = UNCOUNTED if kind.media_type == PROTOBUF else LONG

    assert growth(kind.work, *sizes, LARGE_GROWTH) < LARGE_GROWTH


@pytest.mark.parametrize("name", matrix(BY_NAME, *QUICK_NAMES))
def test_a_hundred_kilobytes_take_a_blink(name: str) -> None:
    with own_garbage():
        assert is_quicker(BY_NAME[name].work(100_000), SLACK * LONGEST)


@full
@pytest.mark.parametrize("size", [2_100_000, LONG[1]])
@pytest.mark.parametrize("name", [each.name for each in INPUTS if each.media_type == PROTOBUF])
def test_counting_the_items_of_a_large_body_keeps_to_the_same_time(name: str, size: int) -> None:
    with own_garbage():
        assert is_quicker(BY_NAME[name].work(size), SLACK * LONGEST * size / 100_000)


def test_each_media_type_has_its_rows() -> None:
    known = {kind.partition(";")[0] for kind in ("application/json", FORM, MULTIPART, PROTOBUF)}
    rows = {each.media_type.partition(";")[0] for each in INPUTS}

    assert known <= rows
    assert {*MESSAGES.decoders} <= {*known, "", "application/protobuf", codecs.ANY_TYPE}
    assert TEXT_SCHEMA.raw.keys() <= rows
