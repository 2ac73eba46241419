"""A text's vector depends on the text alone, and the packed encoder gives the same vector."""

from pathlib import Path

import pytest
import torch

from recommender.config import EncoderConfig
from recommender.encoder.encoder import TextEncoder, load_encoder
from tests.planted import write_tiny_encoder

TEXTS = ["toy story (1995)", "a", "goldeneye (1995). action, adventure, thriller " * 20, "heat"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> TextEncoder:
    return load_encoder(EncoderConfig(model=str(tiny), max_tokens=32))


def test_vectors_come_in_the_order_of_the_texts(encoder: TextEncoder) -> None:
    together_MT = encoder.encode(TEXTS)
    alone_MT = torch.cat([encoder.encode([text]) for text in TEXTS])
    assert together_MT.shape == (4, encoder.width)
    assert torch.allclose(together_MT, alone_MT, atol=1e-5)
    assert not torch.allclose(together_MT[0], together_MT[1], atol=1e-3)


@pytest.mark.skipif(torch.cuda.device_count() == 0, reason="this machine has no GPU")
def test_a_gpu_gives_the_vectors_of_the_cpu() -> None:
    on_gpu, on_cpu = (load_encoder(EncoderConfig(), device=device) for device in ("cuda", "cpu"))
    assert on_gpu.digest == on_cpu.digest
    assert torch.allclose(on_gpu.encode(TEXTS), on_cpu.encode(TEXTS), atol=1e-3)


def test_a_long_text_is_cut_by_tokens(encoder: TextEncoder) -> None:
    start = "x y z " * 20
    assert torch.allclose(
        encoder.encode([start + "one end"]), encoder.encode([start + "another"]), atol=1e-5
    )


def test_tokens_count_up_to_the_limit_and_not_beyond(encoder: TextEncoder) -> None:
    start = "y " * 29  # two of the 32 tokens are the tokenizer's own
    one, other, longer = encoder.encode([start + "x", start + "z", start + "x a"])
    assert not torch.allclose(one, other, atol=1e-3)
    assert torch.allclose(one, longer, atol=1e-5)


def test_characters_without_tokens_do_not_hide_later_text(encoder: TextEncoder) -> None:
    start = "y" + " " * 3000
    one, other, plain = encoder.encode([start + "x", start + "z", "y x"])
    assert not torch.allclose(one, other, atol=1e-3)
    assert torch.allclose(one, plain, atol=1e-5)


def test_mean_and_last_pooling_have_different_digests(tiny: Path, encoder: TextEncoder) -> None:
    last = load_encoder(EncoderConfig(model=str(tiny), max_tokens=32, pooling="last"))
    assert not torch.allclose(last.encode(TEXTS[:1]), encoder.encode(TEXTS[:1]), atol=1e-3)
    assert torch.allclose(
        last.encode(TEXTS), torch.cat([last.encode([text]) for text in TEXTS]), atol=1e-5
    )
    assert last.digest != encoder.digest


def test_the_packed_copy_gives_the_same_vectors(tmp_path: Path, encoder: TextEncoder) -> None:
    encoder.save(tmp_path / "packed")
    packed = load_encoder(EncoderConfig(model="hub/none", max_tokens=32), tmp_path / "packed")
    assert packed.digest == encoder.digest
    assert torch.equal(packed.encode(TEXTS), encoder.encode(TEXTS))
    assert (tmp_path / "packed" / "model.safetensors").stat().st_size < sum(
        4 * p.numel() for p in encoder.network.parameters()
    ) * 0.7


def test_the_default_encoder_in_its_wheel_finds_similar_texts() -> None:
    encoder = load_encoder(EncoderConfig())
    vectors_MT = torch.nn.functional.normalize(
        encoder.encode(["a film about outer space", "a movie on space travel", "chocolate cake"]),
        dim=1,
    )
    assert vectors_MT[0] @ vectors_MT[1] > 0.5 > vectors_MT[0] @ vectors_MT[2]
