"""The catalogue only appends rows, finds them by title and attribute, and reads back equal."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.catalogue.attribute_index import Value
from recommender.catalogue.catalogue import (
    CHANGES_FILE,
    COLUMNS_FILE,
    OLD_FILE,
    Catalogue,
    UnknownAttribute,
    item_text,
)
from recommender.catalogue.item_columns import CatalogueItem


def test_a_new_item_is_appended_and_a_known_one_keeps_its_row() -> None:
    first = Catalogue(
        [CatalogueItem(item_id="a", title="A"), CatalogueItem(item_id="b", title="B")]
    )
    second, changed = first.with_items(
        [CatalogueItem(item_id="c", title="C"), CatalogueItem(item_id="a", title="A again")]
    )
    assert [item.item_id for item in second] == ["a", "b", "c"]
    assert changed == (0, 2)
    assert second[0].title == "A again"
    assert first[0].title == "A"


def test_the_same_record_again_changes_nothing() -> None:
    catalogue = Catalogue([CatalogueItem(item_id="a", title="A", attributes={"genre": ("X",)})])
    same, changed = catalogue.with_items(
        [CatalogueItem(item_id="a", title="A", attributes={"genre": ("X",)})]
    )
    assert same is catalogue
    assert changed == ()


def test_a_record_replaces_an_item_of_events_and_not_vice_versa() -> None:
    catalogue, _ = Catalogue().with_items(
        [CatalogueItem(item_id="a"), CatalogueItem(item_id="b", title="B")]
    )
    kept, changed = catalogue.with_items(
        [CatalogueItem(item_id="b"), CatalogueItem(item_id="a", title="A")]
    )
    assert [item.title for item in kept] == ["A", "B"]
    assert changed == (0,)


def test_ids_are_unique() -> None:
    with pytest.raises(ValueError, match="1 repeated ids"):
        Catalogue([CatalogueItem(item_id="a"), CatalogueItem(item_id="a")])


def test_the_first_row_of_equal_titles_is_found() -> None:
    catalogue = Catalogue(
        [CatalogueItem(item_id="a", title="Same"), CatalogueItem(item_id="b", title="Same")]
    )
    assert catalogue.row_of_title("Same") == 0
    assert catalogue.row_of_title("same") is None
    assert catalogue.row("b") == 1
    assert catalogue.row("c") is None


@pytest.mark.parametrize(
    ("title", "text", "read"),
    [
        ("Toy Story", None, "Toy Story"),
        ("Toy Story", "Toy Story. Comedy", "Toy Story. Comedy"),
        ("Toy Story", "A boy and his toys", "Toy Story. A boy and his toys"),
        (None, "text", "text"),
        (None, None, None),
        (None, "  ", None),
    ],
)
def test_the_encoder_reads_title_and_text_once(
    title: str | None, text: str | None, read: str | None
) -> None:
    assert item_text(title, text) == read


FILTERED = Catalogue(
    [
        CatalogueItem(item_id="a", attributes={"genre": ("Comedy", "War"), "year": 1995.0}),
        CatalogueItem(item_id="b", attributes={"genre": "Comedy", "year": 1996.0}),
        CatalogueItem(item_id="c", attributes={"genre": ("Drama",)}),
        CatalogueItem(item_id="d"),
    ]
)


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        ({}, [0, 1, 2, 3]),
        ({"genre": "Comedy"}, [0, 1]),
        ({"genre": ("War", "Drama")}, [0, 2]),
        ({"genre": "Comedy", "year": 1996.0}, [1]),
        ({"year": "1995"}, [0]),
        ({"genre": "Nothing of that name"}, []),
    ],
)
def test_a_filter_needs_all_keys_and_any_of_their_values(
    wanted: dict[str, str | float | tuple[str, ...]], rows: list[int]
) -> None:
    assert np.flatnonzero(FILTERED.filter_rows(wanted)).tolist() == rows


def test_an_unknown_attribute_is_named_with_the_known_ones() -> None:
    with pytest.raises(UnknownAttribute) as caught:
        FILTERED.filter_rows({"gnere": "Comedy"})
    assert caught.value.name == "gnere"
    assert caught.value.known == ("genre", "year")


def test_a_file_reads_back_equal_with_any_strings(tmp_path: Path) -> None:
    items = [
        CatalogueItem(
            item_id='q"\n\u2028🎬',
            title="a\tb",
            text="\x85 next line",
            attributes={"n": 2.0, "l": ("x", "y"), "s": "z"},
            hidden=True,
        ),
        CatalogueItem(item_id="plain"),
    ]
    catalogue = Catalogue(items)
    catalogue.save(tmp_path)
    again = Catalogue.load(tmp_path)
    assert list(again) == list(catalogue)
    assert again.hidden_N.tolist() == [True, False]
    assert again.row('q"\n\u2028🎬') == 0


OLD_LINE = '{"item_id":"a","title":null,"text":null,"attributes":{"n":1},"hidden":false}\n'


def test_the_file_of_an_older_bundle_is_read(tmp_path: Path) -> None:
    (tmp_path / OLD_FILE).write_text(OLD_LINE, encoding="utf-8")
    catalogue = Catalogue.load(tmp_path)
    assert list(catalogue) == [CatalogueItem(item_id="a", attributes={"n": 1.0})]


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / OLD_FILE).write_text(OLD_LINE + '{"item_id":"b"', encoding="utf-8")
    with pytest.raises(ValueError, match="line 2"):
        Catalogue.load(tmp_path)


def many_items() -> list[CatalogueItem]:
    return [CatalogueItem(item_id=f"i{row}", title=f"T{row}") for row in range(100)]


def test_changes_are_saved_beside_the_same_columns(tmp_path: Path) -> None:
    """An update writes what changed; the columns stay the file of the last full retrain."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    Catalogue(many_items()).save(first)
    changes = [CatalogueItem(item_id="i7", title="Other \ud800"), CatalogueItem(item_id="new")]
    changed, rows = Catalogue.load(first).with_items(changes)
    changed.save(second)
    assert rows == (7, 100)
    assert (second / COLUMNS_FILE).read_bytes() == (first / COLUMNS_FILE).read_bytes()
    assert list(Catalogue.load(second)) == list(changed)


def test_columns_whose_file_was_deleted_are_written_again(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    Catalogue(many_items()).save(first)
    whole, loaded = (first / COLUMNS_FILE).read_bytes(), Catalogue.load(first)
    (first / COLUMNS_FILE).unlink()
    loaded.save(second)
    assert (second / COLUMNS_FILE).read_bytes() == whole


def test_rows_count_from_the_end_as_well() -> None:
    catalogue = Catalogue(many_items())
    assert catalogue[-1] == catalogue[99]
    with pytest.raises(IndexError):
        catalogue[100]


def test_many_changes_become_columns(tmp_path: Path) -> None:
    changes = [CatalogueItem(item_id=f"i{row}", title="Other") for row in range(50)]
    changed, _ = Catalogue(many_items()).with_items(changes)
    changed.save(tmp_path)
    assert not (tmp_path / CHANGES_FILE).exists()
    assert [item.title for item in Catalogue.load(tmp_path)[48:52]] == ["Other"] * 2 + [
        "T50",
        "T51",
    ]


def test_changes_with_a_gap_in_their_rows_are_refused(tmp_path: Path) -> None:
    Catalogue(many_items()).save(tmp_path)
    line = OLD_LINE.replace("{", '{"row":102,', 1)
    (tmp_path / CHANGES_FILE).write_text(line, encoding="utf-8")
    with pytest.raises(ValueError, match="gaps"):
        Catalogue.load(tmp_path)


ITEMS = st.builds(
    CatalogueItem,
    item_id=st.sampled_from([f"i{number}" for number in range(40)]),
    title=st.sampled_from([None, "", "A", "B", "ä", "\ud800"]),
    text=st.sampled_from([None, "A", "words"]),
    attributes=st.dictionaries(
        st.sampled_from(["kind", "size"]),
        st.one_of(
            st.sampled_from(["x", "y", "1"]),
            st.sampled_from([0.0, -0.0, 1.0, 2.5]),
            st.lists(st.sampled_from(["x", "y"]), max_size=2).map(tuple),
        ),
    ),
    hidden=st.booleans(),
)
WANTED: list[Mapping[str, Value]] = [
    {"kind": "x"},
    {"size": ("1", "y")},
    {"kind": 1.0, "size": "x"},
    {"size": 0.0},
]


def matches(item: CatalogueItem, wanted: Mapping[str, Value]) -> bool:
    """Return what `filter_rows` should say of one item."""

    def is_equal(found: Value, one: object) -> bool:
        if isinstance(found, tuple):
            return one in found
        return found == one or (isinstance(found, float) and f"{found:.15g}" == one)

    return all(
        name in item.attributes
        and any(
            is_equal(item.attributes[name], one)
            for one in (value if isinstance(value, tuple) else (value,))
        )
        for name, value in wanted.items()
    )


def with_batch(items: list[CatalogueItem], batch: list[CatalogueItem]) -> list[CatalogueItem]:
    """Return what `with_items` should make of a list of items."""
    made = {item.item_id: item for item in items}
    for item in batch:
        if item.item_id not in made or item.title is not None:
            made[item.item_id] = item
    return list(made.values())


@given(batches=st.lists(st.lists(ITEMS, max_size=30), min_size=1, max_size=4))
@settings(deadline=None)
def test_a_catalogue_answers_like_a_list(batches: list[list[CatalogueItem]]) -> None:
    """Whatever is columns, in a file or not, and whatever is a change."""
    expected: list[CatalogueItem] = []
    catalogue = Catalogue()
    with TemporaryDirectory() as folder:
        for number, batch in enumerate(batches):
            expected = with_batch(expected, batch)
            catalogue, _ = catalogue.with_items(batch)
            target = Path(folder) / str(number)
            target.mkdir()
            catalogue.save(target)
            catalogue = Catalogue.load(target)
        assert list(catalogue) == expected
        assert catalogue.hidden_N.tolist() == [item.hidden for item in expected]
        assert list(catalogue.all_texts()) == [item_text(one.title, one.text) for one in expected]
        for row, item in enumerate(expected):
            assert catalogue.row(item.item_id) == row
            assert catalogue.text(row) == item_text(item.title, item.text)
            assert catalogue.name(row) == (item.item_id, item.title)
        titles = [item.title for item in expected]
        for title in ("", "A", "ä", "\ud800", "C"):
            assert catalogue.row_of_title(title) == first_place(titles, title)
        names = {name for item in expected for name in item.attributes}
        for wanted in WANTED:
            if names >= set(wanted):
                found = np.flatnonzero(catalogue.filter_rows(wanted)).tolist()
                assert found == [row for row, one in enumerate(expected) if matches(one, wanted)]


def first_place(titles: list[str | None], title: str) -> int | None:
    return titles.index(title) if title in titles else None
