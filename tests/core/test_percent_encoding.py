"""Percent-encoding, compared with the standard library's decoder over texts longer than its blocks."""

from random import Random
from urllib.parse import unquote_to_bytes

import pytest

from aylien_model_serving.core import percent_encoding
from aylien_model_serving.core.percent_encoding import _BLOCK


@pytest.mark.parametrize("shift", range(6))
@pytest.mark.parametrize("unit", [b"%41", b"%4", b"%", b"%%41", b"a%4%41", b"abc", b"%zz", b"%C3%A9"])
def test_escapes_are_decoded_wherever_a_block_ends(unit: bytes, shift: int) -> None:
    text = b"x" * shift + unit * (2 * _BLOCK // len(unit) + 5)

    assert percent_encoding.decoded(text) == unquote_to_bytes(text)


@pytest.mark.parametrize("seed", range(20))
def test_any_text_is_decoded_as_the_standard_library_does_it(seed: int) -> None:
    random = Random(seed)
    text = bytes(random.choices(b"%%%04aFg+", k=random.randrange(4 * _BLOCK)))

    assert percent_encoding.decoded(text) == unquote_to_bytes(text)
