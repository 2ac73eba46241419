"""Text vectors: encoded once, a damaged cache costs time only, whitening does what it says."""

import os
from pathlib import Path

import pytest
import torch

from recommender.config import EncoderConfig
from tests.planted import write_tiny_encoder
from trainer.data.texts import TextVectors, fit_whitening


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> EncoderConfig:
    return EncoderConfig(
        model=str(write_tiny_encoder(tmp_path_factory.mktemp("texts") / "tiny")), max_tokens=32
    )


def test_what_is_cached_needs_no_encoder(tmp_path: Path, config: EncoderConfig) -> None:
    first = TextVectors(config, cache=tmp_path)
    vectors_MR = first.encode(["one", "two", "one"])
    assert torch.equal(vectors_MR[0], vectors_MR[2])
    second = TextVectors(config, cache=tmp_path, digest=first.digest)
    assert torch.equal(second.encode(["two", "one"]), vectors_MR[[1, 0]])
    assert second.loaded_encoder is None
    second.encode(["three"])
    assert second.loaded_encoder is not None
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]


def test_a_cache_bears_the_time_of_its_last_use(tmp_path: Path, config: EncoderConfig) -> None:
    """By which the worker tells what may go."""
    TextVectors(config, cache=tmp_path).encode(["one"])
    (file,) = tmp_path.iterdir()
    os.utime(file, (1.0, 1.0))
    TextVectors(config, cache=tmp_path, digest=file.stem).encode(["one"])
    assert file.stat().st_mtime > 1.0


def test_a_damaged_cache_is_computed_again(tmp_path: Path, config: EncoderConfig) -> None:
    vectors_MR = TextVectors(config, cache=tmp_path).encode(["one"])
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:50])
    assert torch.equal(TextVectors(config, cache=tmp_path).encode(["one"]), vectors_MR)
    assert torch.equal(
        TextVectors(config, cache=tmp_path, digest=file.stem).encode(["one"]), vectors_MR
    )


def test_a_cache_that_cannot_be_written_costs_time_only(
    tmp_path: Path, config: EncoderConfig
) -> None:
    (tmp_path / "file").touch()
    vectors_MR = TextVectors(config, cache=tmp_path / "file" / "texts").encode(["one"])
    assert torch.equal(vectors_MR, TextVectors(config, cache=tmp_path).encode(["one"]))


def test_another_encoder_than_the_parent_bundle_had_is_refused(
    tmp_path: Path, config: EncoderConfig
) -> None:
    with pytest.raises(ValueError, match="is not the one of the live bundle"):
        TextVectors(config, cache=tmp_path, digest="0" * 64).encode(["one"])


def test_whitened_texts_have_no_common_direction_and_unit_length() -> None:
    raw_MR = (
        torch.randn(300, 12, generator=torch.Generator().manual_seed(0))
        * torch.linspace(0.1, 3.0, 12)
        + 50.0
    )
    white_MT = fit_whitening(raw_MR, 8).apply(raw_MR)
    assert torch.allclose(white_MT.norm(dim=1), torch.ones(300), atol=1e-5)
    spread_T = white_MT.std(0)
    assert spread_T.max() / spread_T.min() < 1.2
    assert white_MT.mean(0).abs().max() < 0.05


@pytest.mark.parametrize("num_texts", [1, 2, 3])
def test_few_or_equal_texts_give_finite_vectors(num_texts: int) -> None:
    raw_MR = torch.ones(num_texts, 12)
    raw_MR[-1, 0] += num_texts - 1
    whitening = fit_whitening(raw_MR, 16)
    assert whitening.components_RT.shape == (12, 16)
    assert whitening.apply(raw_MR).isfinite().all()
    assert whitening.apply(torch.randn(4, 12)).isfinite().all()


def test_hashed_words_are_encoded_without_a_cache(tmp_path: Path) -> None:
    words = TextVectors(EncoderConfig(model="words"), cache=tmp_path)
    assert words.encode(["red oak chair", "blue lamp"]).shape == (2, 256)
    assert words.loaded_encoder is None
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="train with mode full"):
        TextVectors(EncoderConfig(model="words"), cache=tmp_path, digest="0" * 64)


def test_whitening_by_blocks_is_whitening() -> None:
    raw_MR = torch.randn(70_000, 3, generator=torch.Generator().manual_seed(0)) + 5.0
    raw_MR[:, 1] *= 7.0
    fitted = fit_whitening(raw_MR, 3)
    spread_33 = ((raw_MR - fitted.mean_R) @ fitted.components_RT).T.cov()
    assert torch.allclose(spread_33, torch.eye(3), atol=1e-3)
