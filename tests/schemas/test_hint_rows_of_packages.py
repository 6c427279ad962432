"""The hints of packages that few have: each is checked, and described as it is checked."""

import pytest

from aylien_model_serving.errors import SchemaMismatch
from tests.schemas.hint_rows import ROWS, Made, Row
from tests.schemas.test_hints import given, taking
from tests.with_packages import need


@pytest.fixture(params=[row for row in ROWS if isinstance(row.arrives, Made)], ids=lambda row: row.hint)
def row(request: pytest.FixtureRequest) -> Row:
    found: Row = request.param
    assert isinstance(found.arrives, Made)
    need(found.arrives.package)
    return found


def test_a_value_that_fits_arrives_as_the_hint_says(row: Row) -> None:
    arrived = given(taking(row.type), row.sent)

    assert type(arrived) is type(row.arrived)
    assert repr(arrived) == repr(row.arrived)


def test_a_value_that_does_not_fit_is_refused_by_the_fields_name(row: Row) -> None:
    with pytest.raises(SchemaMismatch, match=r"^x\b"):
        given(taking(row.type), row.refused)


def test_the_description_says_what_is_checked(row: Row) -> None:
    assert taking(row.type).describe("").fields["properties"]["x"].items() >= row.schema.items()
