"""Functions of batches cross to another process by their import names."""

import msgspec
import pytest

from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.rpc import batch_functions


def by_language(language: str) -> str:
    return language


class Tokens:
    @staticmethod
    def count(text: str) -> int:
        return len(text)


def test_functions_and_static_methods_are_found_by_their_names() -> None:
    options = BatchOptions(max_total=8, group_by=by_language, size_of=Tokens.count)

    crossed = msgspec.msgpack.decode(
        msgspec.msgpack.encode(batch_functions.named(options)), type=BatchOptions
    )

    assert crossed.size_of == "tests.rpc.test_batch_functions:Tokens.count"
    assert batch_functions.found(crossed) == options


def test_options_without_functions_and_no_options_stay_as_they_are() -> None:
    assert batch_functions.named(BatchOptions(8)) == batch_functions.found(BatchOptions(8)) == BatchOptions(8)
    assert batch_functions.named(None) is batch_functions.found(None) is None


def test_a_function_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^key 'batch': option 'size_of': .* a lambda has no name"):
        batch_functions.named(BatchOptions(max_total=8, size_of=lambda text: len(text)))
