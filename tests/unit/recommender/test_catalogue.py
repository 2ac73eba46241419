"""The catalogue only appends rows, finds them by title and attribute, and reads back equal."""

from pathlib import Path

import numpy as np
import pytest

from recommender.catalogue import Catalogue, CatalogueItem, UnknownAttribute, item_text


def test_a_new_item_is_appended_and_a_known_one_keeps_its_row() -> None:
    first = Catalogue(
        [CatalogueItem(item_id="a", title="A"), CatalogueItem(item_id="b", title="B")]
    )
    second, changed = first.with_items(
        [CatalogueItem(item_id="c", title="C"), CatalogueItem(item_id="a", title="A again")]
    )
    assert [item.item_id for item in second.items] == ["a", "b", "c"]
    assert changed == (0, 2)
    assert second.items[0].title == "A again"
    assert first.items[0].title == "A"


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
    assert [item.title for item in kept.items] == ["A", "B"]
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
    catalogue.save(tmp_path / "catalogue.jsonl")
    again = Catalogue.load(tmp_path / "catalogue.jsonl")
    assert again.items == catalogue.items
    assert again.hidden_N.tolist() == [True, False]


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.jsonl"
    path.write_text(
        '{"item_id":"a","title":null,"text":null,"attributes":{},"hidden":false}\n{"item_id":"b"'
    )
    with pytest.raises(ValueError, match="line 2"):
        Catalogue.load(path)
