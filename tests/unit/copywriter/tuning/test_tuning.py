"""Tuning: the loss of accepted texts falls, other tokens do not count, the model is saved."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch

from copywriter.tuning.accepted_texts import AcceptedText, read_accepted, write_accepted
from copywriter.tuning.options import TuningOptions, TuningStep
from copywriter.tuning.token_batches import IGNORED, token_batches, token_text
from copywriter.tuning.tuning import save_tuned, tune_writer
from copywriter.writing.causal import load_causal_writer
from copywriter.writing.causal_model import CausalModel
from copywriter.writing.prompts import load_prompts
from copywriter.writing.sampling import Sampling
from copywriter.writing.writer import WriterError
from tests.film_briefs import film_brief
from tests.tiny_writer import CHAT_TEMPLATE, write_tiny_causal_model

GREEDY = Sampling(temperature=0.0, max_tokens=24)
TITLES = ("Blue Train", "Up", "Red Boat", "Old Mill", "Far Hill", "Sea", "Low Tide", "Ash")
TEXTS = [AcceptedText(brief=film_brief(title), text="A drama to see.") for title in TITLES * 2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_causal_model(tmp_path_factory.mktemp("tuning") / "model", scale=0.1)


@pytest.mark.parametrize("template", [None, CHAT_TEMPLATE])
def test_only_the_answer_counts(tmp_path: Path, template: str | None) -> None:
    model = CausalModel(str(write_tiny_causal_model(tmp_path / "m", template=template)))
    (batch,) = token_batches(
        model,
        [token_text(model, load_prompts(), text) for text in TEXTS[:2]],
        size=4,
        draw=Random(0),
    )
    for row in range(2):
        labels = batch.labels_BS[row]
        answer = model.text(batch.ids_BS[row][labels != IGNORED].tolist())
        assert answer.strip() == "A drama to see."
    ends = {int(token) for token in batch.labels_BS[:, -1]}
    assert ends <= model.ends or model.text(sorted(ends)) == "\n"


def test_a_tuned_model_writes_other_texts(tmp_path: Path, folder: Path) -> None:
    """The loss falls, held-out texts too, and what is served is what was tuned."""
    model = CausalModel(str(folder), device="cpu")
    before = model.digest
    steps: list[TuningStep] = []
    options = TuningOptions(epochs=12, rate=2e-2)
    result = tune_writer(model, load_prompts(), TEXTS, options, steps.append)
    assert result.loss_after < 0.5 * result.loss_before
    assert (result.num_texts, result.num_held_out) == (14, 2)
    assert steps[-1].step == steps[-1].num_steps
    assert model.digest != before
    save_tuned(model, tmp_path / "tuned")
    prompts = load_prompts()
    tuned = load_causal_writer(str(tmp_path / "tuned"), prompts=prompts, sampling=GREEDY)
    untuned = load_causal_writer(str(folder), prompts=prompts, sampling=GREEDY)
    brief = [film_brief("Cold Sun")]
    assert tuned.digest != untuned.digest
    text = tuned.write(brief, seed=0, within_s=60.0).texts
    assert text != untuned.write(brief, seed=0, within_s=60.0).texts
    assert text == ("A drama to see.",)


def test_a_tuning_that_does_not_help_writes_nothing(folder: Path) -> None:
    model = CausalModel(str(folder), device="cpu")
    weights = [weight.clone() for weight in model.network.parameters()]
    with pytest.raises(WriterError, match="did not fall"):
        tune_writer(model, load_prompts(), TEXTS, TuningOptions(rate=0.0), lambda step: None)
    for weight, was in zip(model.network.parameters(), weights, strict=True):
        assert torch.equal(weight, was)


def test_a_few_texts_are_too_few(folder: Path) -> None:
    model = CausalModel(str(folder), device="cpu")
    with pytest.raises(WriterError, match="7 accepted texts are too few"):
        tune_writer(model, load_prompts(), TEXTS[:7], TuningOptions(), lambda step: None)


def test_accepted_texts_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_accepted(tmp_path / "texts.jsonl", TEXTS)
    assert read_accepted(tmp_path / "texts.jsonl") == TEXTS


def test_the_message_names_a_line_without_text(tmp_path: Path) -> None:
    write_accepted(tmp_path / "texts.jsonl", TEXTS[:1])
    with (tmp_path / "texts.jsonl").open("a") as stream:
        stream.write('\n{"text": "A drama."}\n')
    with pytest.raises(WriterError, match=r"line 3: .*brief"):
        read_accepted(tmp_path / "texts.jsonl")
    with pytest.raises(WriterError, match="can't read"):
        read_accepted(tmp_path / "none.jsonl")


def test_only_the_upper_blocks_learn(folder: Path) -> None:
    """Half of the blocks get matrices, and the lower weights stay as they are."""
    model = CausalModel(str(folder), device="cpu")
    before = {name: weight.clone() for name, weight in model.network.named_parameters()}
    options = TuningOptions(epochs=2, rate=2e-2, depth=0.5)
    tune_writer(model, load_prompts(), TEXTS, options, lambda step: None)
    changed = {
        name
        for name, weight in model.network.named_parameters()
        if not torch.equal(weight, before[name])
    }
    blocks = {int(name.split(".layers.")[1].split(".")[0]) for name in changed}
    num_blocks = model.network.config.num_hidden_layers
    assert blocks == set(range(num_blocks // 2, num_blocks))
