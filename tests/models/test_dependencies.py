"""Which models a handler calls, as its code tells."""

from aylien_model_serving.models.dependencies import calls_of
from tests.models import composed


def search(text: str) -> str:
    composed.embed(text=text)
    found: str = composed.rank(vectors=[], document=composed.Document(text)).text
    return found


def plain(text: str) -> str:
    return text


def test_who_calls_which_model_is_told_for_the_models_too() -> None:
    found = calls_of({"search": search, "plain": plain, "again": search})

    assert found == {"search": ["embed", "rank"], "again": ["embed", "rank"], "rank": ["embed"]}


def test_nobody_is_named_where_no_model_is_called() -> None:
    assert calls_of({"plain": plain}) == {}
