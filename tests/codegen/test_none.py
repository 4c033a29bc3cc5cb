"""What may be null and what may be missing, told apart as the wire does it."""

from __future__ import annotations

import msgspec
import pytest

from chalicelib.data import values
from infra.codegen.shapes import Place, field_of


class Shape(msgspec.Struct):
    must: int | None
    may: int | None = None
    usual: int | None = 3


@pytest.mark.parametrize(
    ("field", "told"),
    [("must", ("must", "number | null")), ("may", ("may?", "number")), ("usual", ("usual", "number | null"))],
)
def test_a_field_of_a_result_is_null_where_none_is_a_value_and_missing_where_it_is_absence(
    field: str, told: tuple[str, str]
) -> None:
    info = msgspec.inspect.type_info(Shape)
    assert isinstance(info, msgspec.inspect.StructType)
    (found,) = [each for each in info.fields if each.name == field]
    assert field_of(found, "out", Place("Shape", ""), lambda *_: "", absent_is_none=True) == told
    wire = values.encode(Shape(must=None, usual=None))
    assert (field in wire) == (not told[0].endswith("?"))
