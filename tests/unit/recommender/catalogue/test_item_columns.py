"""Large catalogues find ids by an index; damaged files are refused with their name."""

from pathlib import Path

import numpy as np
import pytest

from recommender.arrays.key_index import KeyIndex, hash_of
from recommender.arrays.mapped_arrays import map_arrays, save_arrays
from recommender.arrays.text_column import TextColumn
from recommender.catalogue.item_columns import CatalogueColumns, CatalogueItem


def some_columns() -> CatalogueColumns:
    return CatalogueColumns.of([CatalogueItem(item_id=f"i{row}", title="T") for row in range(5)])


def test_ids_are_found_by_an_index_in_the_file(tmp_path: Path) -> None:
    some_columns().save(tmp_path / "columns", max_dict_items=4)
    mapped = CatalogueColumns.map(tmp_path / "columns")
    assert "id_index.hashes" in map_arrays(tmp_path / "columns")
    assert [mapped.row(f"i{row}") for row in range(6)] == [0, 1, 2, 3, 4, None]
    assert [mapped.row(f"i{row}") for row in (5, 4)] == [None, 4]  # as they were kept
    assert mapped.row("i" * 1_000) is None
    mapped.save(tmp_path / "again", max_dict_items=4)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "columns").read_bytes()


@pytest.mark.parametrize("max_dict_items", [4, 100])
def test_many_ids_have_the_rows_of_single_ones(tmp_path: Path, max_dict_items: int) -> None:
    some_columns().save(tmp_path / "columns", max_dict_items=max_dict_items)
    mapped = CatalogueColumns.map(tmp_path / "columns")
    for _ in range(2):  # the second time some are kept
        assert mapped.rows(["i4", "i1", "i4", "x", ""]) == [4, 1, 4, None, None]
        assert mapped.rows(["i4", "i1"]) == [4, 1]
    assert mapped.rows([]) == []


def test_equal_titles_are_found_in_order_of_rows() -> None:
    assert list(some_columns().rows_of_title("T")) == [0, 1, 2, 3, 4]


def test_keys_of_one_hash_are_told_apart() -> None:
    keys = TextColumn.of(["other", "key"])
    same = np.full(2, hash_of("key"), np.uint64)
    index = KeyIndex(hashes_K=same, rows_K=np.arange(2))
    assert list(index.rows("key", keys)) == [1]


@pytest.mark.parametrize("size", [0, 4, 7, 40, 300])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, size: int) -> None:
    some_columns().save(tmp_path / "columns")
    whole = (tmp_path / "columns").read_bytes()
    (tmp_path / "cut").write_bytes(whole[:size])
    with pytest.raises(ValueError, match="cut: not a valid"):
        CatalogueColumns.map(tmp_path / "cut")


def test_columns_of_different_lengths_are_refused(tmp_path: Path) -> None:
    some_columns().save(tmp_path / "columns")
    arrays = map_arrays(tmp_path / "columns")
    save_arrays(arrays | {"hidden": arrays["hidden"][:-1]}, tmp_path / "short")
    with pytest.raises(ValueError, match="differ in length"):
        CatalogueColumns.map(tmp_path / "short")


def test_a_file_without_a_column_is_refused(tmp_path: Path) -> None:
    some_columns().save(tmp_path / "columns")
    arrays = map_arrays(tmp_path / "columns")
    del arrays["titles.has"]
    save_arrays(arrays, tmp_path / "less")
    with pytest.raises(ValueError, match=r"titles\.has"):
        CatalogueColumns.map(tmp_path / "less")
