"""Vectors of pictures in a bundle: what is encoded, what is kept, and what is left out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recommender.bundle import Bundle, load_bundle, save_bundle
from recommender.catalogue.item_columns import CatalogueItem
from recommender.config import EncoderConfig, PictureEncoderConfig, Signals
from recommender.encoder.picture_encoder import PictureEncoder, load_picture_encoder
from recommender.retrieval.picture_vectors import picture_cosines
from tests.pictures import render
from tests.planted import planted_items, write_planted_snapshot
from tests.vision_models import write_vision_model
from trainer.config import TrainConfig
from trainer.data.dataset import read_events, read_items
from trainer.data.event_counts import StartCounts
from trainer.data.pictures import SnapshotPictures, read_pictures, with_pictures
from trainer.data.start import Added, CannotStart, grown_bundle, new_bundle
from trainer.data.texts import TextVectors

WORDS = EncoderConfig(model="words")
RED, BLUE, SQUARE = render("red"), render("blue"), render("red", shape="square")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> PictureEncoderConfig:
    folder = write_vision_model(tmp_path_factory.mktemp("vision"))
    return PictureEncoderConfig(model=str(folder))


def start_bundle(folder: Path) -> Bundle:
    snapshot = write_planted_snapshot(folder / "snapshot", items=planted_items()[:4])
    return new_bundle(added_of(snapshot), TrainConfig(encoder=WORDS), words(folder), mode="full")


def added_of(snapshot: Path) -> Added:
    events = read_events(snapshot / "events.parquet")
    return Added(
        items=read_items(snapshot / "items.parquet"), counts=StartCounts.of(events, Signals())
    )


def words(folder: Path) -> TextVectors:
    return TextVectors(WORDS, cache=folder)


def pictures(folder: Path, of_items: Mapping[str, bytes | None]) -> SnapshotPictures:
    """Write the thumbnails of items as a snapshot has them."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    named: dict[str, str | None] = dict.fromkeys(of_items)
    for item_id, content in of_items.items():
        if content is not None:
            sha256 = hashlib.sha256(content).hexdigest()
            named[item_id] = sha256
            (folder / "pictures" / f"{sha256}.jpg").write_bytes(content)
    return SnapshotPictures(of_items=named, folder=folder / "pictures")


def rows_with_pictures(bundle: Bundle) -> list[str]:
    assert bundle.pictures is not None
    rows = bundle.pictures.has_N.nonzero().flatten().tolist()
    return [bundle.catalogue.name(row)[0] for row in rows]


def rows_with_texts(bundle: Bundle) -> list[str]:
    assert bundle.pictures is not None
    rows = bundle.pictures.is_text_N.nonzero().flatten().tolist()
    return [bundle.catalogue.name(row)[0] for row in rows]


def vector_of(bundle: Bundle, item_id: str) -> list[float]:
    row = bundle.catalogue.row(item_id)
    assert bundle.pictures is not None
    return list(bundle.pictures.vectors_NP[row].tolist())


def vector_of_text(encoder: PictureEncoder, bundle: Bundle, item_id: str) -> list[float]:
    row = bundle.catalogue.row(item_id)
    assert row is not None
    text = bundle.catalogue.text(row)
    assert text is not None
    return list(encoder.encode_texts([text])[0].half().tolist())


def test_items_with_pictures_get_vectors(tmp_path: Path, model: PictureEncoderConfig) -> None:
    bundle = start_bundle(tmp_path)
    found = pictures(tmp_path, {"i0": RED, "i1": BLUE, "i2": RED, "nobody": SQUARE})
    made = with_pictures(bundle, found, model, cache=tmp_path)
    assert sorted(rows_with_pictures(made)) == ["i0", "i1", "i2"]
    assert made.pictures is not None
    row, twin = (made.catalogue.row(name) for name in ("i0", "i2"))
    cosine_N = picture_cosines(made.pictures, made.pictures.vectors_NP[row].float())
    assert cosine_N[twin] == pytest.approx(1.0, abs=1e-3)
    assert int(cosine_N.isnan().sum()) == len(made.catalogue) - 3


def test_without_a_model_there_are_no_vectors(tmp_path: Path) -> None:
    bundle = start_bundle(tmp_path)
    found = pictures(tmp_path, {"i0": RED})
    made = with_pictures(bundle, found, PictureEncoderConfig(), cache=tmp_path)
    assert (made.pictures, made.manifest.picture_digest) == (None, None)


def test_a_picture_is_encoded_once(tmp_path: Path, model: PictureEncoderConfig) -> None:
    """An update whose pictures are all in the cache does not load the encoder."""
    first = with_pictures(
        start_bundle(tmp_path), pictures(tmp_path, {"i0": RED}), model, cache=tmp_path
    )
    save_bundle(first, tmp_path / "live")
    live = load_bundle(tmp_path / "live")
    again = with_pictures(live, pictures(tmp_path, {"i3": RED}), model, cache=tmp_path)
    assert again.picture_encoder is None
    assert sorted(rows_with_pictures(again)) == ["i0", "i3"]
    new = with_pictures(live, pictures(tmp_path, {"i3": BLUE}), model, cache=tmp_path)
    assert new.picture_encoder is not None


def test_a_release_carries_its_picture_encoder(tmp_path: Path, model: PictureEncoderConfig) -> None:
    """The model's folder may be gone by the time that a server or an update needs it."""
    made = with_pictures(
        start_bundle(tmp_path), pictures(tmp_path, {"i0": RED}), model, cache=tmp_path
    )
    gone = replace(
        made, manifest=replace(made.manifest, picture_encoder=replace(model, model="gone"))
    )
    save_bundle(gone, tmp_path / "first")
    first = load_bundle(tmp_path / "first")
    grown = grown_bundle(
        first,
        added_of(tmp_path / "snapshot"),
        TrainConfig(encoder=WORDS, pictures=replace(model, model="gone")),
        words(tmp_path),
        mode="items",
    )
    save_bundle(grown, tmp_path / "second")
    second = load_bundle(tmp_path / "second")
    assert made.pictures is not None
    assert second.pictures is not None
    assert torch.equal(second.pictures.vectors_NP, made.pictures.vectors_NP)
    assert second.load_picture_encoder().digest == made.manifest.picture_digest


def test_a_picture_that_is_gone_leaves_no_vector(
    tmp_path: Path, model: PictureEncoderConfig
) -> None:
    first = with_pictures(
        start_bundle(tmp_path), pictures(tmp_path, {"i0": RED, "i1": BLUE}), model, cache=tmp_path
    )
    later = with_pictures(
        replace(first, folder=tmp_path), pictures(tmp_path, {"i0": None}), model, cache=tmp_path
    )
    assert rows_with_pictures(later) == ["i1"]
    assert later.pictures is not None
    assert not later.pictures.vectors_NP[~later.pictures.has_N].any()


def test_a_damaged_thumbnail_is_left_out(tmp_path: Path, model: PictureEncoderConfig) -> None:
    found = pictures(tmp_path, {"i0": RED, "i1": BLUE[:70]})
    found = replace(found, of_items={**found.of_items, "i2": "0" * 64})
    made = with_pictures(start_bundle(tmp_path), found, model, cache=tmp_path)
    assert rows_with_pictures(made) == ["i0"]


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_items_without_a_picture_have_vectors_of_their_texts(kind: str, tmp_path: Path) -> None:
    """An update reads the texts of new and changed items, and of those whose picture is gone."""
    config = PictureEncoderConfig(model=str(write_vision_model(tmp_path / kind, kind)))
    found = pictures(tmp_path, {"i0": RED, "i1": BLUE})
    first = with_pictures(start_bundle(tmp_path), found, config, cache=tmp_path)
    encoder = load_picture_encoder(config, device="cpu")
    assert vector_of(first, "i2") == vector_of_text(encoder, first, "i2")
    assert rows_with_texts(first) == ["i2", "i3"]
    save_bundle(first, tmp_path / "live")
    items = [CatalogueItem(item_id=one, title=f"a red {one}") for one in ("i1", "i2", "new")]
    snapshot = write_planted_snapshot(tmp_path / "update", mode="update", items=items)
    live = load_bundle(tmp_path / "live")
    train = TrainConfig(encoder=WORDS, pictures=config)
    grown = grown_bundle(live, added_of(snapshot), train, words(tmp_path), mode="items")
    changed = replace(
        pictures(tmp_path, {"i0": None, "i3": SQUARE}), items_file=snapshot / "items.parquet"
    )
    second = with_pictures(grown, changed, config, cache=tmp_path)
    assert sorted(rows_with_pictures(second)) == ["i1", "i3"]
    assert rows_with_texts(second)[:2] == ["i0", "i2"]
    for item_id in ("i0", "i2", "new"):
        assert vector_of(second, item_id) == vector_of_text(encoder, second, item_id)
    assert vector_of(second, "i2") != vector_of(first, "i2")


def test_texts_may_be_left_out(tmp_path: Path) -> None:
    folder = write_vision_model(tmp_path / "clip", "clip")
    config = PictureEncoderConfig(model=str(folder), texts=False)
    found = pictures(tmp_path, {"i0": RED})
    made = with_pictures(start_bundle(tmp_path), found, config, cache=tmp_path)
    assert (rows_with_pictures(made), rows_with_texts(made)) == (["i0"], [])


def test_another_model_needs_a_full_training(tmp_path: Path, model: PictureEncoderConfig) -> None:
    made = with_pictures(
        start_bundle(tmp_path), pictures(tmp_path, {"i0": RED}), model, cache=tmp_path
    )
    other = PictureEncoderConfig(model=str(write_vision_model(tmp_path / "other", seed=1)))
    with pytest.raises(CannotStart, match="train with mode full"):
        with_pictures(replace(made, folder=tmp_path), pictures(tmp_path, {}), other, cache=tmp_path)


def test_a_snapshot_without_pictures_is_read_as_none(tmp_path: Path) -> None:
    assert read_pictures(tmp_path).of_items == {}
