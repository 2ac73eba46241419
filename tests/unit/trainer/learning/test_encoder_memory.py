"""Encoders trained with less memory learn the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from recommender.config import EncoderConfig
from recommender.encoder.encoder import TextEncoder, load_encoder
from tests.planted import write_tiny_encoder
from tests.unit.recommender.encoder.test_decoders import write_decoder
from trainer.learning.recomputed_layers import RecomputedLayers
from trainer.learning.texts_in_parts import TextsInParts

TEXTS = ["a film", "a long film about a ship and a whale", "ship", "a b c", "whale b", "film c d"]


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EncoderConfig]:
    folder = tmp_path_factory.mktemp("encoders")
    tiny, llama = write_tiny_encoder(folder / "tiny"), write_decoder(folder / "llama")
    return {
        "encoder": EncoderConfig(model=str(tiny), max_tokens=32),
        "decoder": EncoderConfig(model=str(llama), pooling="last", max_tokens=32),
    }


@pytest.fixture(params=["encoder", "decoder"])
def encoder(request: pytest.FixtureRequest, configs: dict[str, EncoderConfig]) -> TextEncoder:
    """A network in training whose gradients are counted in float32, on the CPU."""
    loaded = load_encoder(configs[request.param], device="cpu")
    loaded.network.requires_grad_(requires_grad=True)
    return loaded


def loss_of(raw_PR: Tensor) -> Tensor:
    """Return a loss of which each text's part depends on all others."""
    logits_PP = raw_PR @ raw_PR.T
    return nn.functional.cross_entropy(logits_PP, torch.arange(len(raw_PR)).roll(1))


def gradients_of(encoder: TextEncoder, size: int | None) -> dict[str, Tensor]:
    encoder.network.zero_grad()
    parts = TextsInParts(encoder.encode_for_gradients, size=size)
    loss_of(parts.encode(TEXTS)).backward()  # type: ignore[no-untyped-call]
    for _ in range(2):  # the second time there is nothing left
        parts.hand_on()
    return {
        name: weight.grad.clone()
        for name, weight in encoder.network.named_parameters()
        if weight.grad is not None
    }


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert any(gradient.abs().max() > 1e-3 for gradient in expected.values())
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("size", [1, 4, 6])
def test_parts_have_the_gradients_of_one_batch(encoder: TextEncoder, size: int) -> None:
    assert_same(gradients_of(encoder, size), gradients_of(encoder, None))


@pytest.mark.parametrize("size", [None, 4])
def test_recomputed_layers_have_the_same_gradients(encoder: TextEncoder, size: int | None) -> None:
    expected, digest = gradients_of(encoder, None), encoder.digest
    names = set(encoder.network.state_dict())
    used_cache = getattr(encoder.network.config, "use_cache", None)
    layers = RecomputedLayers(encoder.network)
    layers.begin()
    assert_same(gradients_of(encoder, size), expected)
    assert set(encoder.network.state_dict()) == names
    layers.end()
    assert getattr(encoder.network.config, "use_cache", None) == used_cache
    assert_same(gradients_of(encoder, None), expected)
    encoder.settle()
    assert encoder.digest == digest


def test_recomputed_layers_keep_few_activations(encoder: TextEncoder) -> None:
    def num_kept() -> int:
        kept: list[int] = []

        def keep(tensor: Tensor) -> Tensor:
            kept.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            encoder.encode_for_gradients(TEXTS)
        return sum(kept)

    whole = num_kept()
    layers = RecomputedLayers(encoder.network)
    layers.begin()
    assert num_kept() < 0.7 * whole


def test_a_network_without_layers_stays_as_it_is() -> None:
    network = nn.Linear(2, 2)
    layers = RecomputedLayers(network)
    layers.begin()
    assert "forward" not in vars(network)
    layers.end()


def test_vectors_without_a_loss_change_nothing(encoder: TextEncoder) -> None:
    """A rank that has no part of a batch adds nothing."""
    parts = TextsInParts(encoder.encode_for_gradients, size=2)
    parts.encode(TEXTS)
    parts.hand_on()
    assert all(weight.grad is None for weight in encoder.network.parameters())
