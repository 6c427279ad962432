"""Reading and checking an input takes time in proportion to its length, whatever it holds."""

from __future__ import annotations

import pytest

from tests.costs.inputs import FORM, INPUTS, MESSAGES, MULTIPART, PROTOBUF, Input
from tests.costs.measuring import growth, is_in_proportion, own_garbage, seconds_of
from tests.selection import full, matrix

#: By how much the time may grow where the input doubles, on average and once. In proportion would be 2, and
#: what outgrows a cache of the processor takes longer; in its square it would be 4.
GROWTH, STEP = 2.6, 3.3

#: The same for inputs that outgrow every cache. Pieces of a text take as long each however many there are,
#: some 30 ns for a byte; a dict that gets all of their keys takes 15 ns for a byte up to 256 KiB and 80 at
#: 8 MiB, since each key is another place of a memory that others use too. Once, from 256 KiB on, the step is
#: larger: a long text is decoded in pieces, which what is refused at once takes several times longer for.
LARGE_GROWTH, LARGE_STEP = 3.2, 8.0

#: Bytes of the smallest and the largest input of a quick run, and of a full one: the default limit of a body.
QUICK = (128 * 1024, 512 * 1024)
FULL = (128 * 1024, 8 * 1024 * 1024)

#: Those of protobuf, whose items are counted from two million bytes on.
UNCOUNTED = (128 * 1024, 1024 * 1024)

#: Bytes of headers that any server takes; what is in a header is doubled up to here.
HEADERS = (16 * 1024, 512 * 1024)

#: Seconds of CPU for 100 kB on the machine that the rule is for; elsewhere, or under load, it may be more.
LONGEST, SLACK = 0.030, 6.0

#: What every run looks at: each was quadratic, or several times slower than the rule.
QUICK_NAMES = (
    "JSON: the last key twice",
    "JSON: files below a long key",
    "JSON: a set of integers that collide",
    "form: escapes",
    "multipart: headers",
    "protobuf: packed enums",
    "headers: all names twice",
)

BY_NAME = {each.name: each for each in INPUTS}


@pytest.mark.parametrize("name", QUICK_NAMES)
def test_twice_the_input_takes_twice_the_time(name: str) -> None:
    assert is_in_proportion(growth(BY_NAME[name].work, *QUICK, GROWTH, STEP), GROWTH, STEP)


@full
@pytest.mark.parametrize("kind", [pytest.param(each, id=each.name) for each in INPUTS])
def test_twice_the_input_takes_twice_the_time_up_to_the_limit_of_a_body(kind: Input) -> None:
    sizes = UNCOUNTED if kind.media_type == PROTOBUF else FULL if kind.media_type else HEADERS

    ratios = growth(kind.work, *sizes, GROWTH, STEP)

    assert is_in_proportion(ratios, LARGE_GROWTH, LARGE_STEP)


@pytest.mark.parametrize("name", matrix(BY_NAME, *QUICK_NAMES))
def test_a_hundred_kilobytes_take_a_blink(name: str) -> None:
    with own_garbage():
        seconds = seconds_of(BY_NAME[name].work(100_000), 5)

    assert seconds < SLACK * LONGEST


@full
@pytest.mark.parametrize("size", [2_100_000, FULL[1]])
@pytest.mark.parametrize("name", [each.name for each in INPUTS if each.media_type == PROTOBUF])
def test_counting_the_items_of_a_large_body_keeps_to_the_same_time(name: str, size: int) -> None:
    with own_garbage():
        seconds = seconds_of(BY_NAME[name].work(size), 5)

    assert seconds < SLACK * LONGEST * size / 100_000


def test_each_media_type_has_its_rows() -> None:
    known = {kind.partition(";")[0] for kind in ("application/json", FORM, MULTIPART, PROTOBUF)}
    rows = {each.media_type.partition(";")[0] for each in INPUTS}

    assert known <= rows
    assert {*MESSAGES.decoders} <= {*known, "", "application/protobuf"}
