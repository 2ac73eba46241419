"""Columns of texts survive the way to Arrow and back, and are found in others."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.arrays.text_column import TextColumn
from trainer.data.text_arrays import array_of, column_of, places_among

TEXTS = st.lists(st.one_of(st.none(), st.text(st.characters(), max_size=4)), max_size=12)


@settings(max_examples=50)
@given(texts=TEXTS, others=st.lists(st.text(st.characters(), max_size=4), max_size=12))
def test_texts_are_the_same_as_arrays(texts: list[str | None], others: list[str]) -> None:
    column = TextColumn.of(texts)
    assert list(column_of(array_of(column))) == texts
    assert list(column.with_more(others)) == [*texts, *others]
    found = places_among(array_of(column), array_of(TextColumn.of(others))).tolist()
    places: dict[str | None, int] = {text: others.index(text) for text in others}
    assert found == [places.get(one, -1) for one in texts]


def test_a_lone_surrogate_is_kept() -> None:
    assert list(column_of(array_of(TextColumn.of(["\ud800", "a"])))) == ["\ud800", "a"]


def test_parts_of_arrays_are_columns_too() -> None:
    array = pa.array(["a", None, "bc", "d"], pa.large_string())
    assert list(column_of(array[1:3])) == [None, "bc"]
