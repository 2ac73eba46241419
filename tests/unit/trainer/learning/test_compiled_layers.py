"""Compiled layers learn the same, and without a compiler a training goes on without."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from recommender.config import EncoderConfig
from recommender.encoder.encoder import TextEncoder, load_encoder
from tests.planted import write_tiny_encoder
from tests.unit.trainer.learning.test_encoder_memory import assert_same, gradients_of
from trainer.learning.compiled_layers import CompiledLayers
from trainer.learning.network_layers import layers_of
from trainer.learning.recomputed_layers import RecomputedLayers

CPU = torch.device("cpu")
TRACED = "aot_eager"  # all of torch.compile but the C++ compiler, which takes most of the time


@pytest.fixture
def encoder(tmp_path: Path) -> TextEncoder:
    config = EncoderConfig(model=str(write_tiny_encoder(tmp_path / "tiny")), max_tokens=32)
    loaded = load_encoder(config, device="cpu")
    loaded.network.requires_grad_(requires_grad=True)
    return loaded


def test_compiled_layers_have_the_same_gradients(encoder: TextEncoder) -> None:
    expected, digest = gradients_of(encoder, None), encoder.digest
    compiled, recomputed = (
        CompiledLayers(encoder.network, backend=TRACED),
        RecomputedLayers(encoder.network),
    )
    compiled.begin(CPU)
    assert_same(gradients_of(encoder, None), expected)
    recomputed.begin()
    assert_same(gradients_of(encoder, 4), expected)
    recomputed.end()
    compiled.end()
    assert all("forward" not in vars(layer) for layer in layers_of(encoder.network))
    encoder.settle()
    assert encoder.digest == digest


def test_without_a_compiler_one_line_says_so(
    encoder: TextEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    expected = gradients_of(encoder, None)
    layers = CompiledLayers(encoder.network, backend="no-such-compiler")
    with caplog.at_level(logging.WARNING, "trainer.learning.compiled_layers"):
        layers.begin(CPU)
        assert_same(gradients_of(encoder, None), expected)
    (line,) = (record.message for record in caplog.records if "not compiled" in record.message)
    assert "no-such-compiler" in line
    layers.end()
