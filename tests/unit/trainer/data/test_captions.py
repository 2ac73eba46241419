"""Captions of pictures: what they change in items, on tiny models with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.config import PictureEncoderConfig
from recommender.encoder.encoder_source import EncoderError
from tests.pictures import render
from tests.vision_models import CAPTION_MODELS, write_caption_model, write_vision_model
from trainer.data.captioner import load_captioner
from trainer.data.captions import MARK, with_captions
from trainer.data.pictures import SnapshotPictures

LAMP = CatalogueItem(item_id="lamp", title="Lamp", text="A lamp.")
DESK = CatalogueItem(item_id="desk", title="Desk")
RED, BLUE, BROKEN = "a" * 64, "b" * 64, "c" * 64
CONTENTS = {RED: render("red", kind="JPEG"), BLUE: render("blue", kind="JPEG"), BROKEN: b"x"}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> PictureEncoderConfig:
    folder = write_caption_model(tmp_path_factory.mktemp("captions") / "blip")
    return PictureEncoderConfig(captions=str(folder), caption_tokens=4)


def texts_of(
    config: PictureEncoderConfig,
    folder: Path,
    of_items: Mapping[str, str | None],
    *items: CatalogueItem,
    parent: Catalogue | None = None,
) -> dict[str, str | None]:
    """Return the text of each item that a snapshot with these pictures adds."""
    (folder / "pictures").mkdir(exist_ok=True)
    for sha256, content in CONTENTS.items():
        (folder / "pictures" / f"{sha256}.jpg").write_bytes(content)
    found = with_captions(
        iter(items),
        SnapshotPictures(of_items=of_items, folder=folder / "pictures"),
        config,
        parent=Catalogue() if parent is None else parent,
        cache=folder,
    )
    return {item.item_id: item.text for item in found}


@pytest.mark.parametrize("kind", sorted(CAPTION_MODELS))
def test_every_kind_of_caption_model_writes_words(kind: str, tmp_path: Path) -> None:
    folder = write_caption_model(tmp_path / "model", kind)
    captioner = load_captioner(str(folder), max_tokens=4)
    pictures = [render("red"), render("blue", shape="square")] * 9
    captions = captioner.captions(pictures)
    assert len(captions) == 18
    assert captions[:2] * 9 == captions
    assert load_captioner(str(folder), max_tokens=4).digest == captioner.digest
    assert load_captioner(str(folder), max_tokens=5).digest != captioner.digest


def test_a_model_that_writes_no_captions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="can't load it from"):
        load_captioner(str(write_vision_model(tmp_path / "dinov2")), max_tokens=4)
    with pytest.raises(EncoderError, match="no such folder"):
        load_captioner(str(tmp_path / "nothing"), max_tokens=4)


def test_the_words_of_a_picture_follow_the_items_own_text(
    config: PictureEncoderConfig, tmp_path: Path
) -> None:
    found = texts_of(config, tmp_path, {"lamp": RED, "desk": BROKEN, "gone": BLUE}, LAMP, DESK)
    lamp = found["lamp"]
    assert lamp is not None
    assert lamp.startswith(f"A lamp.{MARK}")
    assert len(lamp) > len(f"A lamp.{MARK}")
    assert found == {"lamp": lamp, "desk": None}, "a broken picture says nothing"
    assert (
        texts_of(replace(config, captions=None), tmp_path, {"lamp": RED}, LAMP)["lamp"] == LAMP.text
    )


def test_words_are_written_once_for_each_picture(
    config: PictureEncoderConfig, tmp_path: Path
) -> None:
    """Without a new picture the model need not even be there; a damaged file is written again."""
    first = texts_of(config, tmp_path, {"lamp": RED}, LAMP)
    (file,) = tmp_path.glob("captions-*.json")
    folder = Path(str(config.captions))
    folder.rename(folder.with_name("away"))
    assert texts_of(config, tmp_path, {"lamp": RED}, LAMP) == first
    with pytest.raises(EncoderError):
        texts_of(config, tmp_path, {"lamp": BLUE}, LAMP)
    folder.with_name("away").rename(folder)
    file.write_text("{")
    assert texts_of(config, tmp_path, {"lamp": RED}, LAMP) == first


def test_text_and_picture_of_an_item_change_alone(
    config: PictureEncoderConfig, tmp_path: Path
) -> None:
    whole = texts_of(config, tmp_path, {"lamp": RED, "desk": RED}, LAMP, DESK)
    words = str(whole["lamp"]).partition(MARK)[2]
    known = Catalogue([replace(one, text=whole[one.item_id]) for one in (LAMP, DESK)])
    newer = replace(LAMP, text="A new lamp.")
    assert texts_of(config, tmp_path, {}, newer, parent=known) == {
        "lamp": f"A new lamp.{MARK}{words}"
    }
    other = texts_of(config, tmp_path, {"lamp": BLUE, "desk": None, "new": RED}, parent=known)
    assert str(other["lamp"]).startswith(f"A lamp.{MARK}")
    assert other == {"lamp": other["lamp"], "desk": None}
