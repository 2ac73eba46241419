"""Vectors that another system made: as a modality of a full retrain, and in updates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from recommender.bundle import Bundle, load_bundle, save_bundle
from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.config import EncoderConfig, ModelConfig, Signals
from tests.planted import planted_items, write_planted_snapshot
from trainer.config import FusionConfig, TrainConfig
from trainer.data.dataset import read_events
from trainer.data.event_counts import StartCounts
from trainer.data.slots import with_slots
from trainer.data.start import Added, CannotStart, grown_bundle, new_bundle
from trainer.data.texts import TextVectors
from trainer.data.vector_files import read_vectors

WORDS = EncoderConfig(model="words")
CATALOGUE = Catalogue(CatalogueItem(item_id=item_id) for item_id in ("a", "b", "c"))


def write_vectors(path: Path, vectors: dict[str, list[float]]) -> Path:
    table = {"item_id": list(vectors), "vector": list(vectors.values())}
    pq.write_table(pa.table(table), path)
    return path


def sounds(num: int) -> list[list[float]]:
    return torch.randn(num, 6, generator=torch.Generator().manual_seed(0)).tolist()


def parts_of(tmp_path: Path, items: list[CatalogueItem]) -> Added:
    folder = tmp_path / "snapshot"
    snapshot = folder if folder.exists() else write_planted_snapshot(folder)
    events = read_events(snapshot / "events.parquet")
    return Added(items=items, counts=StartCounts.of(events, Signals()), facts=None)


def config_of(file: Path) -> TrainConfig:
    return TrainConfig(
        encoder=WORDS,
        model=ModelConfig(text_dim=8, dim=8, num_layers=1),
        fusion=FusionConfig(vectors={"audio": str(file)}, width=4),
    )


def start(tmp_path: Path, file: Path) -> Bundle:
    """Return a new bundle that has read the file, saved and loaded."""
    config = config_of(file)
    texts = TextVectors(WORDS, cache=tmp_path)
    made = new_bundle(parts_of(tmp_path, planted_items()), config, texts, mode="full")
    save_bundle(with_slots(made, None, config), tmp_path / "live")
    return load_bundle(tmp_path / "live")


def update(tmp_path: Path, live: Bundle, config: TrainConfig) -> Bundle:
    more = parts_of(tmp_path, [CatalogueItem(item_id="new")])
    texts = TextVectors(WORDS, cache=tmp_path)
    return with_slots(grown_bundle(live, more, config, texts, mode="update"), live, config)


def test_items_have_the_vectors_of_their_rows(tmp_path: Path) -> None:
    """The last row of an item counts, zeros are no vector, and unknown items are left out."""
    table = {
        "item_id": ["b", "unknown", "a", "b", "c"],
        "vector": [[1.0, 1.0], [9.0, 9.0], [0.5, 2.0], [3.0, 4.0], [0.0, 0.0]],
    }
    pq.write_table(pa.table(table), tmp_path / "audio.parquet")
    raw = read_vectors(tmp_path / "audio.parquet", CATALOGUE)
    assert raw.vectors_NR.tolist() == [[0.5, 2.0], [3.0, 4.0], [0.0, 0.0]]
    assert raw.has_N.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"item_id": ["a"]}, "columns item_id and vector"),
        ({"item_id": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}, "as many numbers"),
        ({"item_id": ["a", None], "vector": [[1.0], [1.0]]}, "as many numbers"),
        ({"item_id": ["a"], "vector": [None]}, "as many numbers|columns"),
        ({"item_id": ["a"], "vector": [[float("nan")]]}, "finite"),
        ({"item_id": ["a"], "vector": ["loud"]}, "columns item_id and vector"),
    ],
)
def test_a_wrong_file_is_named(
    tmp_path: Path, table: dict[str, list[object]], expected: str
) -> None:
    file = tmp_path / "audio.parquet"
    pq.write_table(pa.table(table), file)
    with pytest.raises(CannotStart, match=f"audio.parquet: .*({expected})"):
        read_vectors(file, CATALOGUE)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"audio\.parquet"):
        read_vectors(tmp_path / "audio.parquet", CATALOGUE)


def test_a_further_modality_is_a_name_in_the_settings(tmp_path: Path) -> None:
    """A new item gets its sound with an update, and those of other items stay to the bit."""
    ids = [item.item_id for item in planted_items()]
    known = dict(zip(ids[:-1], sounds(len(ids) - 1), strict=True))
    file = write_vectors(tmp_path / "audio.parquet", known)
    live = start(tmp_path, file)
    assert [slot.name for slot in live.manifest.slots] == ["audio"]
    before_NV = live.facts.modalities_NV
    assert before_NV is not None
    assert before_NV.any(1).tolist() == [item_id in known for item_id in ids]
    write_vectors(file, known | {"new": [1.0] * 6, ids[0]: known[ids[1]]})
    grown = update(tmp_path, live, config_of(file))
    after_NV = grown.facts.modalities_NV
    assert after_NV is not None
    row = grown.catalogue.row("new")
    assert row is not None
    assert after_NV[row].any()
    assert torch.equal(after_NV[0], before_NV[1])
    assert torch.equal(after_NV[1 : len(ids)], before_NV[1:])


def test_without_its_file_a_modality_stays_as_it_was(tmp_path: Path) -> None:
    ids = [item.item_id for item in planted_items()]
    file = write_vectors(tmp_path / "a.parquet", dict(zip(ids, sounds(len(ids)), strict=True)))
    live = start(tmp_path, file)
    before_NV = live.facts.modalities_NV
    no_file = replace(config_of(file), fusion=FusionConfig(width=4))
    after_NV = update(tmp_path, live, no_file).facts.modalities_NV
    assert before_NV is not None
    assert after_NV is not None
    assert torch.equal(after_NV[: len(ids)], before_NV)
    assert not after_NV[len(ids) :].any()


def test_vectors_of_another_length_need_a_full_retrain(tmp_path: Path) -> None:
    ids = [item.item_id for item in planted_items()]
    file = write_vectors(tmp_path / "a.parquet", dict(zip(ids, sounds(len(ids)), strict=True)))
    live = start(tmp_path, file)
    write_vectors(file, {ids[0]: [1.0, 2.0]})
    with pytest.raises(CannotStart, match=r"train\.fusion\.vectors\.audio.*mode full"):
        update(tmp_path, live, config_of(file))
