"""Large arrays as a base file and layers of changed rows."""

from __future__ import annotations

import json
from math import comb
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from recommender.arrays.bases import CONTENT, Bases, bases_of
from recommender.arrays.layers import MAX_LAYERS, LayerPlan, load_arrays, plan_layer, save_arrays

NUM_ROWS = 200


def test_a_few_changed_rows_are_stored_as_a_layer(tmp_path: Path) -> None:
    """The second bundle links the base of the first and adds one small file."""
    first = write(tmp_path / "one", table())
    changed = table()
    changed[[3, 150]] += 1.0
    second = write(tmp_path / "two", changed, parent=first)
    assert load_table(second).equal(changed)
    assert inodes(first) < inodes(second)
    assert sizes_of_layers(second) == [2]
    assert second.stat().st_size < first.stat().st_size + 1_000


def test_layers_are_merged_when_there_are_many(tmp_path: Path) -> None:
    """The next takes in those before it; every version keeps its own files."""
    versions = [table()]
    files = [write(tmp_path / "0", versions[0])]
    sizes = []
    for number in range(1, MAX_LAYERS + 4):
        changed = versions[-1].clone()
        changed[number] += 1.0
        versions.append(changed)
        files.append(write(tmp_path / str(number), changed, parent=files[-1]))
        sizes.append(sizes_of_layers(files[-1]))
    assert sizes[MAX_LAYERS - 1 :] == [
        MAX_LAYERS * [1],
        [MAX_LAYERS + 1],
        [MAX_LAYERS + 1, 1],
        [MAX_LAYERS + 1, 1, 1],
    ]
    assert all(load_table(file).equal(one) for file, one in zip(files, versions, strict=True))


def test_a_merged_layer_waits_for_others_like_it() -> None:
    """It would be written again for a few rows."""
    assert plan_layer([2, 1, 1, 1], max_layers=4) == LayerPlan(num_kept=1, level=2)
    assert plan_layer([2, 2, 2, 1], max_layers=4) == LayerPlan(num_kept=3, level=2)
    assert plan_layer([3, 2, 2, 2], max_layers=4) == LayerPlan(num_kept=1, level=3)


@given(
    max_layers=st.integers(1, 12),
    most=st.integers(1, 3),
    sizes=st.lists(st.integers(1, 1_000), min_size=1, max_size=1_000),
)
def test_no_row_is_written_too_often(max_layers: int, most: int, sizes: list[int]) -> None:
    """Whatever the sizes of updates: n layers store C(n + m, m) - 1 with m writes of each row."""
    levels: list[int] = []
    layers: list[int] = []  # rows of each
    updates = sizes[: comb(max_layers + most, most) - 1]
    num_written = 0
    for size in updates:
        plan = plan_layer(levels, max_layers=max_layers)
        layers = [*layers[: plan.num_kept], sum(layers[plan.num_kept :]) + size]
        levels = [*levels[: plan.num_kept], plan.level]
        num_written += layers[-1]
        assert len(layers) <= max_layers
    assert sum(layers) == sum(updates)
    assert num_written <= most * sum(updates)


def test_two_bundles_may_continue_the_same_one(tmp_path: Path) -> None:
    """As after a rollback: the second does not see what the first changed."""
    first = write(tmp_path / "one", table())
    for name, row in (("two", 7), ("three", 8)):
        changed = table()
        changed[row] = 9.0
        file = write(tmp_path / name, changed, parent=first)
        assert load_table(file).equal(changed)
        assert sizes_of_layers(file) == [1]


def test_the_same_array_needs_no_layer(tmp_path: Path) -> None:
    """An update that changes nothing of an array writes nothing of it."""
    first = write(tmp_path / "one", table())
    second = write(tmp_path / "two", table(), parent=first)
    assert inodes(second) == inodes(first)
    assert load_table(second).equal(table())


def test_many_changed_rows_get_a_new_base(tmp_path: Path) -> None:
    """More rows would be in layers than in the base, which has room for some more."""
    first = write(tmp_path / "one", table())
    changed = table()
    changed[:140] += 1.0
    second = write(tmp_path / "two", changed, parent=first)
    changed[:80] += 1.0
    third = write(tmp_path / "three", changed, parent=second)
    assert load_table(third).equal(changed)
    assert [sizes_of_layers(file) for file in (first, second, third)] == [[], [140], []]
    assert len(bases(third)) == 1
    assert not bases(third) & bases(second)


@pytest.mark.parametrize("skew", [1, 2])
def test_written_bytes_follow_the_changed_rows(tmp_path: Path, skew: int) -> None:
    """Small updates until a base is due: at most three times the changed rows, in few files."""
    generator = torch.Generator().manual_seed(0)
    num_rows, num_changed, row_bytes = 1_000, 16, 4 * 32
    array = torch.rand(num_rows, 32, generator=generator)
    file = write(tmp_path / "0", array)
    first_base, *_ = bases_of(file)["table"]
    written_bytes = changed_bytes = 0
    while bases_of(file)["table"][0] == first_base:
        # with a skew the first rows are popular
        places = torch.rand(num_changed, generator=generator) ** skew
        rows = (places * num_rows).long().unique()  # type: ignore[no-untyped-call]
        array[rows] += 1.0
        folder = tmp_path / f"after-{changed_bytes}"
        known = inodes(file)
        file = write(folder, array, parent=file)
        new = [path for path in (folder / CONTENT).iterdir() if path.stat().st_ino not in known]
        written_bytes += sum(path.stat().st_size for path in new)
        changed_bytes += len(rows) * row_bytes
        assert len(bases_of(file)["table"]) <= 1 + MAX_LAYERS
    assert load_table(file).equal(array)
    assert written_bytes <= 3 * changed_bytes


def test_a_file_with_its_changed_rows_beside_a_base_loads(tmp_path: Path) -> None:
    """As written before there were layers; the next file has a layer of these rows."""
    first = write(tmp_path / "one", table())
    (digest,) = bases(first)
    changed = table()
    changed[[3, 150]] += 1.0
    rows = torch.tensor([3, 150])
    arrays = {"table.rows": rows, "table.values": changed[rows], "small": torch.ones(3)}
    arrays |= {"table.length": torch.tensor(NUM_ROWS), "number": torch.tensor(2.0)}
    old = tmp_path / "one" / "old.safetensors"
    save_file(arrays, old, metadata={"bases": json.dumps({"table": digest})})
    assert load_table(old).equal(changed)
    changed[9] += 1.0
    second = write(tmp_path / "two", changed, parent=old)
    assert load_table(second).equal(changed)
    assert sizes_of_layers(second) == [3]


def test_a_lost_layer_is_named(tmp_path: Path) -> None:
    """The error says which file a backup must bring back."""
    first = write(tmp_path / "one", table())
    second = write(tmp_path / "two", table() + torch.eye(NUM_ROWS, 4), parent=first)
    (layer,) = bases(second) - bases(first)
    (tmp_path / "two" / CONTENT / layer).unlink()
    with pytest.raises(OSError, match=layer):
        load_table(second)


def test_a_shorter_array_gets_a_new_base(tmp_path: Path) -> None:
    """Its layers have rows that it lacks."""
    first = write(tmp_path / "one", table())
    changed = table()
    changed[-1] += 1.0
    second = write(tmp_path / "two", changed, parent=first)
    third = write(tmp_path / "three", table()[:150], parent=second)
    assert load_table(third).equal(table()[:150])
    assert not bases(third) & bases(second)


@pytest.mark.parametrize(("added", "is_shared"), [(10, True), (60, False)])
def test_a_base_has_room_for_new_rows(tmp_path: Path, added: int, *, is_shared: bool) -> None:
    """Rows that were appended need a new base only when the room is used up."""
    first = write(tmp_path / "one", table())
    grown = torch.cat([table(), torch.ones(added, 4)])
    second = write(tmp_path / "two", grown, parent=first)
    assert load_table(second).equal(grown)
    assert (bases(first) < bases(second)) == is_shared


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
    """Return the names of the bases and layers beside a file."""
    return {path.name for path in (file.parent / CONTENT).iterdir()}


def sizes_of_layers(file: Path) -> list[int]:
    """Return the number of rows in each layer of the table, oldest first."""
    _, *layers = bases_of(file)["table"]
    return [len(load_file(file.parent / CONTENT / one)["rows"]) for one in layers]


def inodes(file: Path) -> set[int]:
    """Return what identifies the bases and layers beside a file on the disk."""
    return {path.stat().st_ino for path in (file.parent / CONTENT).iterdir()}
