"""Arrays of long lists, which are converted some items at a time: the same array as at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from aylien_model_serving.schemas import arrays

LENGTH = 70_000

LISTS: dict[str, list[Any]] = {
    "floats": [1.5] * LENGTH,
    "rows": [[1, 2]] * LENGTH,
    "integers, then a float": [*[1] * LENGTH, 2.5],
    "integers, then a large one": [*[1] * LENGTH, 2**63],
    "texts of two lengths": [*["ab"] * LENGTH, "abcd"],
    "booleans, then an integer": [*[True] * LENGTH, 3],
}


@pytest.mark.parametrize("name", LISTS)
def test_a_long_list_becomes_the_array_that_numpy_makes_of_it(name: str) -> None:
    expected = np.asarray(LISTS[name])

    array = arrays.build(np.ndarray, LISTS[name])

    assert array.dtype == expected.dtype
    assert np.array_equal(array, expected)


def test_a_long_list_gets_the_type_that_is_hinted() -> None:
    array = arrays.build(npt.NDArray[np.float32], LISTS["rows"])

    assert (array.dtype, array.shape) == (np.float32, (LENGTH, 2))


@pytest.mark.parametrize("last", [0, [1], [1, 2, 3], [[1, 2]]])
@pytest.mark.parametrize("length", [2 * arrays._AT_ONCE, LENGTH])
def test_items_of_different_shapes_are_refused_wherever_they_are(last: Any, length: int) -> None:
    with pytest.raises(ValueError, match="shape"):
        arrays.build(np.ndarray, [*[[1, 2]] * length, last])
