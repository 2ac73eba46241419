"""Picture encoders of several kinds, on tiny random models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from recommender.config import PictureEncoderConfig
from recommender.encoder.encoder_source import EncoderError
from recommender.encoder.picture_encoder import (
    PictureEncoder,
    UnreadablePicture,
    load_picture_encoder,
)
from tests.pictures import render
from tests.vision_models import TWO_TOWERS, VISION_MODELS, write_vision_model

PICTURES = [render("red"), render("blue", shape="square"), render("red", kind="BMP")]


def encoder_of(folder: Path, packed: Path | None = None) -> PictureEncoder:
    return load_picture_encoder(PictureEncoderConfig(model=str(folder)), packed, device="cpu")


@pytest.mark.parametrize("kind", sorted(VISION_MODELS))
def test_every_kind_of_vision_model_gives_one_unit_vector(kind: str, tmp_path: Path) -> None:
    encoder = encoder_of(write_vision_model(tmp_path / "model", kind))
    vectors_MP = encoder.encode(PICTURES)
    assert torch.allclose(vectors_MP.norm(dim=1), torch.ones(3))
    assert encoder.width == vectors_MP.shape[1]
    assert vectors_MP[0] @ vectors_MP[1] < 0.999
    assert torch.allclose(vectors_MP[0], vectors_MP[2], atol=1e-5), "the file's format is no matter"
    encoder.save(tmp_path / "packed")
    packed = encoder_of(tmp_path / "model", tmp_path / "packed")
    assert packed.digest == encoder.digest
    assert torch.equal(packed.encode(PICTURES), vectors_MP)
    assert torch.equal(encoder.encode(PICTURES), vectors_MP), "saving it changes nothing"


def test_the_digest_covers_weights_and_processor(tmp_path: Path) -> None:
    first = encoder_of(write_vision_model(tmp_path / "a"))
    assert encoder_of(write_vision_model(tmp_path / "b", seed=1)).digest != first.digest
    folder = write_vision_model(tmp_path / "c")
    processor = folder / "preprocessor_config.json"
    values = json.loads(processor.read_text())
    processor.write_text(json.dumps({**values, "image_mean": [0.1, 0.1, 0.1]}))
    assert encoder_of(folder).digest != first.digest


def test_a_vector_does_not_depend_on_its_batch(tmp_path: Path) -> None:
    encoder = encoder_of(write_vision_model(tmp_path / "model"))
    many = [render(side_px=20 + number % 7) for number in range(40)]
    alone = torch.cat([encoder.encode([one]) for one in many])
    assert torch.allclose(encoder.encode(many), alone, atol=1e-5)
    assert encoder.encode([]).shape == (0, encoder.width)


def test_bytes_that_are_no_picture_are_refused(tmp_path: Path) -> None:
    encoder = encoder_of(write_vision_model(tmp_path / "model"))
    for content in (b"", b"<html>", render()[:50]):
        with pytest.raises(UnreadablePicture, match="bytes that are not a picture"):
            encoder.encode([content])


def test_a_model_that_is_no_vision_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="no such folder"):
        encoder_of(tmp_path / "missing")
    with pytest.raises(EncoderError, match="not set"):
        load_picture_encoder(PictureEncoderConfig())
    folder = write_vision_model(tmp_path / "damaged")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if "layer.1" in name)
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match="lacks the weights"):
        encoder_of(folder)


@pytest.mark.parametrize("kind", TWO_TOWERS)
def test_texts_share_the_space_of_pictures(kind: str, tmp_path: Path) -> None:
    encoder = encoder_of(write_vision_model(tmp_path / "model", kind))
    texts = ["a red circle", "a blue square", "lamp " * 200]
    vectors_MP = encoder.encode_texts(texts)
    assert vectors_MP.shape == (3, encoder.width)
    assert torch.allclose(vectors_MP.norm(dim=1), torch.ones(3))
    assert vectors_MP[0] @ vectors_MP[1] < 0.9999
    alone = torch.cat([encoder.encode_texts([text]) for text in texts])
    assert torch.allclose(vectors_MP, alone, atol=1e-5)
    encoder.save(tmp_path / "packed")
    packed = encoder_of(tmp_path / "model", tmp_path / "packed")
    assert packed.digest == encoder.digest
    assert torch.equal(packed.encode_texts(texts), vectors_MP)


def test_without_a_tokenizer_texts_find_no_pictures(tmp_path: Path) -> None:
    folder = write_vision_model(tmp_path / "clip", "clip")
    whole = encoder_of(folder)
    for file in folder.glob("tokenizer*"):
        file.unlink()
    bare = encoder_of(folder)
    assert (whole.reads_texts, bare.reads_texts) == (True, False)
    assert bare.digest != whole.digest
    assert torch.equal(bare.encode(PICTURES), whole.encode(PICTURES))
    assert not encoder_of(write_vision_model(tmp_path / "dinov2")).reads_texts
