"""An adapter answers like peft, whether it is added to the weights or computed separately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import GPT2Config, GPT2Model

from recommender.config import EncoderConfig
from recommender.encoder.adapter import Adapter, load_adapter
from recommender.encoder.encoder import EncoderError, TextEncoder, load_encoder
from tests.planted import write_tiny_encoder
from trainer.learning.adapter_layers import lora_layers

TEXTS = ["toy story (1995)", "a", "goldeneye (1995). action, adventure, thriller"]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> EncoderConfig:
    folder = write_tiny_encoder(tmp_path_factory.mktemp("adapter") / "tiny")
    return EncoderConfig(model=str(folder), max_tokens=32, train="lora", lora_rank=4, lora_alpha=12)


@pytest.fixture
def encoder(config: EncoderConfig) -> TextEncoder:
    return load_encoder(config, device="cpu")


def random_adapter(encoder: TextEncoder, config: EncoderConfig, size: float = 0.1) -> Adapter:
    generator = torch.Generator().manual_seed(1)
    layers = {}
    for name in lora_layers(encoder.network, config):
        weight_OI = encoder.network.get_parameter(f"{name}.weight")
        down_RI = torch.randn(config.lora_rank, weight_OI.shape[1], generator=generator) * size
        layers[name] = (
            down_RI,
            torch.randn(len(weight_OI), config.lora_rank, generator=generator) * size,
        )
    return Adapter(layers=layers, scale=config.lora_scale)


def peft_vectors(
    encoder: TextEncoder, config: EncoderConfig, tensors: Mapping[str, Tensor], texts: Sequence[str]
) -> Tensor:
    """Return the vectors of peft's own code for a saved adapter: unmerged, in float32."""
    layers = [f"network.{name}" for name in lora_layers(encoder.network, config)]
    settings = LoraConfig(r=config.lora_rank, lora_alpha=config.lora_alpha, target_modules=layers)
    inject_adapter_in_model(settings, torch.nn.ModuleDict({"network": encoder.network}))
    found = {
        name: weight for name, weight in encoder.network.named_parameters() if ".lora_" in name
    }
    given = {
        key.removeprefix("base_model.model.").replace(".weight", ".default.weight"): tensor
        for key, tensor in tensors.items()
    }
    assert found.keys() == given.keys()
    for name, weight in found.items():
        weight.data = given[name]
    encoder.network.train(mode=False)
    return encoder.encode(texts)


def test_an_adapter_on_the_weights_answers_like_peft(
    tmp_path: Path, encoder: TextEncoder, config: EncoderConfig
) -> None:
    plain_MT = encoder.encode(TEXTS)
    random_adapter(encoder, config).save(tmp_path / "adapter.safetensors")
    merged_MT = load_encoder(config, adapter=tmp_path / "adapter.safetensors", device="cpu").encode(
        TEXTS
    )
    theirs_MT = peft_vectors(encoder, config, load_file(tmp_path / "adapter.safetensors"), TEXTS)
    assert torch.allclose(merged_MT, theirs_MT, atol=1e-5)
    assert not torch.allclose(merged_MT, plain_MT, atol=1e-1)


def test_an_adapter_reads_back_equal_and_changes_the_digest(
    tmp_path: Path, encoder: TextEncoder, config: EncoderConfig
) -> None:
    adapter = random_adapter(encoder, config)
    adapter.save(tmp_path / "adapter.safetensors")
    read = load_adapter(tmp_path / "adapter.safetensors", scale=config.lora_scale)
    assert read.digest == adapter.digest
    assert read.digest != load_adapter(tmp_path / "adapter.safetensors", scale=1.0).digest
    untouched = encoder.digest
    encoder.settle(adapter)
    assert encoder.digest != untouched
    assert encoder.digest == load_encoder(config, adapter=tmp_path / "adapter.safetensors").digest


def test_weights_are_saved_without_the_adapter(
    tmp_path: Path, encoder: TextEncoder, config: EncoderConfig
) -> None:
    encoder.save(tmp_path / "before")
    encoder.settle(random_adapter(encoder, config))
    encoder.save(tmp_path / "after")
    names = [path.name for path in (tmp_path / "before").iterdir()]
    assert "model.safetensors" in names
    for name in names:
        assert (tmp_path / "before" / name).read_bytes() == (
            tmp_path / "after" / name
        ).read_bytes(), name


def test_an_adapter_of_another_encoder_is_refused(encoder: TextEncoder) -> None:
    matrices = torch.zeros(4, 32), torch.zeros(32, 4)
    with pytest.raises(
        EncoderError, match=r"a layer layers\.0\.q_proj, which this encoder does not have"
    ):
        encoder.settle(Adapter(layers={"layers.0.q_proj": matrices}, scale=1.0))
    with pytest.raises(EncoderError, match=r"trained for a weight of shape \(8, 32\)"):
        encoder.settle(
            Adapter(
                layers={"encoder.layer.0.attention.self.query": (matrices[0], torch.zeros(8, 4))},
                scale=1.0,
            )
        )


def test_a_file_that_is_not_an_adapter_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "adapter.safetensors"
    with pytest.raises(EncoderError, match="can't read the encoder"):
        load_adapter(file, scale=1.0)
    for tensors in (
        {"base_model.model.a.lora_A.weight": torch.zeros(1)},
        {"base_model.model.a.lora_magnitude_vector": torch.zeros(1)},
    ):
        save_file(tensors, file)
        with pytest.raises(EncoderError, match="expected pairs"):
            load_adapter(file, scale=1.0)


def test_targets_are_all_used_linear_layers_or_the_named_ones(
    encoder: TextEncoder, config: EncoderConfig
) -> None:
    every = lora_layers(encoder.network, config)
    assert len(every) == 12
    assert not any("pooler" in name for name in every)
    named = lora_layers(encoder.network, EncoderConfig(lora_targets="query, value"))
    assert {name.rsplit(".", 1)[-1] for name in named} == {"query", "value"}
    with pytest.raises(EncoderError, match="it has dense, key, query, value"):
        lora_layers(encoder.network, EncoderConfig(lora_targets="q_proj"))


def test_a_network_whose_layers_take_no_adapter_is_refused() -> None:
    """GPT-2's layers are convolutions of width one."""
    gpt2 = GPT2Model(
        GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=20, bos_token_id=0, eos_token_id=0)
    )
    with pytest.raises(EncoderError, match="encoder gpt2 has no linear layers for an adapter; set"):
        lora_layers(gpt2, EncoderConfig(model="gpt2"))
