"""Large arrays as a base file and the rows that differ from it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from recommender.bases import CONTENT, Bases
from recommender.layers import load_arrays, save_arrays

NUM_ROWS = 200


def test_a_few_changed_rows_share_the_base(tmp_path: Path) -> None:
    """The second file links the base of the first and stores only what differs."""
    first = write(tmp_path / "one", table())
    changed = table()
    changed[[3, 150]] += 1.0
    second = write(tmp_path / "two", changed, parent=first)
    assert load_table(second).equal(changed)
    assert base_inodes(first) == base_inodes(second)
    assert second.stat().st_size < first.stat().st_size + 1_000


def test_a_chain_of_changes_is_laid_over_the_same_base(tmp_path: Path) -> None:
    """A row that goes back to the base's value is not stored any more."""
    first = write(tmp_path / "one", table())
    changed = table()
    changed[7] = 9.0
    second = write(tmp_path / "two", changed, parent=first)
    again = table()
    again[8] = 9.0
    third = write(tmp_path / "three", again, parent=second)
    assert load_table(third).equal(again)
    assert base_inodes(third) == base_inodes(first)
    assert third.stat().st_size == second.stat().st_size


def test_many_changed_rows_get_a_new_base(tmp_path: Path) -> None:
    """More than a quarter of the rows differ."""
    first = write(tmp_path / "one", table())
    second = write(tmp_path / "two", table() + 1.0, parent=first)
    assert load_table(second).equal(table() + 1.0)
    assert len(bases(second)) == 1
    assert bases(second) != bases(first)


@pytest.mark.parametrize(("added", "is_shared"), [(10, True), (60, False)])
def test_a_base_has_room_for_new_rows(tmp_path: Path, added: int, *, is_shared: bool) -> None:
    """Rows that were appended need a new base only when the room is used up."""
    first = write(tmp_path / "one", table())
    grown = torch.cat([table(), torch.ones(added, 4)])
    second = write(tmp_path / "two", grown, parent=first)
    assert load_table(second).equal(grown)
    assert (bases(second) == bases(first)) == is_shared


def test_writing_to_a_loaded_array_changes_no_file(tmp_path: Path) -> None:
    """The base is mapped copy-on-write, so that a training may change the table in place."""
    file = write(tmp_path / "one", table())
    load_table(file).fill_(5.0)
    assert load_table(file).equal(table())


def test_bases_may_be_beside_the_archives(tmp_path: Path) -> None:
    """A bundle without its own content is read with the bases of another folder."""
    file = write(tmp_path / "one", table())
    (tmp_path / "one" / CONTENT).rename(tmp_path / "beside")
    loaded = load_arrays(file, Bases(folder=file.parent, beside=tmp_path / "beside"))
    assert loaded["table"].equal(table())


def test_small_arrays_stay_whole(tmp_path: Path) -> None:
    """No base is written for them."""
    file = write(tmp_path / "one", table(), whole_bytes=1 << 20)
    assert not (tmp_path / "one" / CONTENT).exists()
    assert load_table(file).equal(table())


def test_nan_is_kept(tmp_path: Path) -> None:
    """A row of a ruined table differs from itself, and is stored as changed."""
    ruined = table()
    ruined[5] = torch.nan
    first = write(tmp_path / "one", ruined)
    assert load_table(write(tmp_path / "two", ruined, parent=first))[5].isnan().all()


def table() -> Tensor:
    """Return a table whose rows differ."""
    return torch.arange(NUM_ROWS * 4, dtype=torch.float32).view(NUM_ROWS, 4)


def write(
    folder: Path, array: Tensor, *, parent: Path | None = None, whole_bytes: int = 1_000
) -> Path:
    """Write a file with a large and a small array; return its path."""
    folder.mkdir()
    file = folder / "arrays.safetensors"
    arrays = {"table": array, "small": torch.ones(3), "number": torch.tensor(2.0)}
    save_arrays(arrays, file, parent=parent, whole_bytes=whole_bytes)
    return file


def load_table(file: Path) -> Tensor:
    """Return the large array; check the small ones."""
    arrays = load_arrays(file, Bases(folder=file.parent))
    assert arrays["small"].equal(torch.ones(3))
    assert arrays["number"].equal(torch.tensor(2.0))
    assert arrays.keys() == {"table", "small", "number"}
    return arrays["table"]


def bases(file: Path) -> set[str]:
    """Return the names of the bases beside a file."""
    return {path.name for path in (file.parent / CONTENT).iterdir()}


def base_inodes(file: Path) -> set[int]:
    """Return what identifies the bases beside a file on the disk."""
    return {path.stat().st_ino for path in (file.parent / CONTENT).iterdir()}
