"""A trained encoder learns what a frozen one cannot, and the bundle carries it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from safetensors import safe_open

from recommender.bundle import ADAPTER, ENCODER, load_bundle
from recommender.catalogue.item_columns import CatalogueItem
from recommender.encoder.encoder import load_encoder
from recommender.network.model import ItemFacts
from recommender.ranking.history_columns import HistoryElement
from recommender.ranking.ranker import Ranker
from tests.component.training import (
    ROOT,
    TrainingKilled,
    command,
    new_rows,
    report,
    small_config,
    train,
)
from tests.planted import planted_rows, write_planted_snapshot
from trainer.candidate import Job, make_candidate
from trainer.candidate_files import NEWEST_CHECKPOINT
from trainer.config import EncoderMemoryConfig, TrainConfig
from trainer.learning.text_learner import TextLearner, text_learner

NUM_ITEMS = 60


def letters(num_texts: int, seed: int) -> list[str]:
    """Return texts of random letters; an x means even, a z odd; two components don't show it."""
    rng = np.random.default_rng(seed)
    texts = []
    for number in range(num_texts):
        text = list(rng.choice(list("abcdefghijklmnop"), size=8))
        text.insert(int(rng.integers(9)), "xz"[number % 2])
        texts.append(" ".join(text))
    return texts


def lettered_items() -> list[CatalogueItem]:
    return [
        CatalogueItem(item_id=f"i{number}", title=text)
        for number, text in enumerate(letters(NUM_ITEMS, seed=0))
    ]


def learning(config: TrainConfig, how: Literal["lora", "full"]) -> TrainConfig:
    return replace(
        config, encoder=replace(config.encoder, train=how, lr=1e-3 if how == "lora" else 3e-4)
    )


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    small = small_config(tmp_path_factory.mktemp("encoder"))
    return replace(small, model=replace(small.model, text_dim=2), full_epochs=16, full_lr=3e-3)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learning")
    return write_planted_snapshot(
        folder / "snapshot", rows=planted_rows(160, NUM_ITEMS), items=lettered_items()
    )


@pytest.fixture(scope="module")
def frozen(snapshot: Path, config: TrainConfig) -> Path:
    return train(snapshot.parent, snapshot, config, name="frozen")


@pytest.fixture(scope="module")
def adapted_candidate(snapshot: Path, config: TrainConfig) -> Path:
    return train(snapshot.parent, snapshot, learning(config, "lora"), name="lora")


def share_right(candidate: Path) -> float:
    """Return how often an unseen even text scores over an odd one for users of even items."""
    ranker = Ranker(load_bundle(candidate / "bundle"))
    rows = [
        [ranker.catalogue.row(f"i{number}") for number in range(parity, 24, 2)] for parity in (0, 1)
    ]
    state_BD = ranker.user_states(
        [
            [HistoryElement(row=row, type="rating", rating=4.0) for row in history]
            for history in rows
        ]
    )
    model = ranker.bundle.model
    with torch.inference_mode():
        scores_BM = model.logits(
            model.text_side(ranker.text_vectors(letters(100, seed=1))), state_BD
        )
    even_M = torch.arange(100) % 2 == 0
    above_M = scores_BM[0] - scores_BM[1]
    return float((above_M[even_M].unsqueeze(1) > above_M[~even_M]).float().mean())


def test_an_adapter_learns_what_a_frozen_encoder_can_not_tell(
    frozen: Path, adapted_candidate: Path
) -> None:
    losses = report(adapted_candidate).losses
    assert losses[-1] < losses[0] - 0.5
    assert losses[-1] < report(frozen).losses[-1] - 0.3
    assert share_right(adapted_candidate) > 0.95
    assert share_right(frozen) < 0.75


def test_all_weights_learn_it_too_and_travel_whole(snapshot: Path, config: TrainConfig) -> None:
    config = learning(config, "full")
    candidate = train(
        snapshot.parent,
        snapshot,
        replace(config, encoder=replace(config.encoder, pack=False)),
        name="full",
    )
    assert share_right(candidate) > 0.95
    bundle = load_bundle(candidate / "bundle")
    assert bundle.adapter_file is None
    assert bundle.load_encoder().digest == bundle.manifest.encoder_digest


def test_a_bundle_holds_adapter_and_unchanged_encoder(
    adapted_candidate: Path, frozen: Path
) -> None:
    name = Path(ENCODER) / "model.safetensors"
    assert (adapted_candidate / "bundle" / name).read_bytes() == (
        frozen / "bundle" / name
    ).read_bytes()
    with safe_open(adapted_candidate / "bundle" / ADAPTER, framework="pt") as file:
        keys = list(file.keys())
        assert all(".lora_A." in key or ".lora_B." in key for key in keys)
    assert not (frozen / "bundle" / ADAPTER).exists()


def test_an_unpacked_encoder_leaves_the_adapter_alone(snapshot: Path, config: TrainConfig) -> None:
    config = learning(config, "lora")
    candidate = train(
        snapshot.parent,
        snapshot,
        replace(config, full_epochs=1, encoder=replace(config.encoder, pack=False)),
        name="unpacked",
    )
    assert {path.name for path in (candidate / "bundle").iterdir()} == {
        *(
            "manifest.json",
            "catalogue.safetensors",
            "model.safetensors",
            "texts.safetensors",
            ADAPTER,
        )
    }
    bundle = load_bundle(candidate / "bundle")
    assert bundle.load_encoder().digest == bundle.manifest.encoder_digest


def test_the_served_vectors_are_those_that_the_trainer_wrote(
    adapted_candidate: Path, frozen: Path
) -> None:
    bundle = load_bundle(adapted_candidate / "bundle")
    rows = list(range(NUM_ITEMS))
    texts = [bundle.catalogue.text(row) or "" for row in rows]
    encoder = bundle.load_encoder()
    assert (
        encoder.digest
        == bundle.manifest.encoder_digest
        != load_bundle(frozen / "bundle").manifest.encoder_digest
    )
    assert torch.equal(
        bundle.whitening.apply(encoder.encode(texts)).half().float(), bundle.texts_NT
    )


def test_an_update_keeps_what_the_encoder_learned(
    tmp_path: Path, adapted_candidate: Path, config: TrainConfig
) -> None:
    live = load_bundle(adapted_candidate / "bundle")
    items = [*lettered_items(), CatalogueItem(item_id="new", title=letters(1, seed=2)[0])]
    snapshot = write_planted_snapshot(
        tmp_path / "snapshot",
        mode="update",
        rows=new_rows(100),
        items=items,
        live=adapted_candidate / "bundle",
        state=adapted_candidate / "state",
    )
    bundle = load_bundle(
        train(tmp_path, snapshot, learning(config, "lora"), name="candidate") / "bundle"
    )
    assert (tmp_path / "candidate" / "bundle" / ADAPTER).read_bytes() == (
        adapted_candidate / "bundle" / ADAPTER
    ).read_bytes()
    assert bundle.manifest.encoder_digest == live.manifest.encoder_digest
    assert torch.equal(bundle.texts_NT[:NUM_ITEMS], live.texts_NT)
    expected_1T = live.whitening.apply(live.load_encoder().encode(letters(1, seed=2)))
    assert bundle.catalogue[NUM_ITEMS].item_id == "new"
    assert torch.allclose(bundle.texts_NT[NUM_ITEMS], expected_1T[0], atol=1e-3)
    assert [path.stem for path in (tmp_path / "texts").iterdir()] == [live.manifest.encoder_digest]


def test_a_killed_training_resumes_with_its_encoder(snapshot: Path, config: TrainConfig) -> None:
    config = replace(
        learning(config, "lora"), device="cpu", full_epochs=2
    )  # a GPU's sums differ in rounding
    job = Job(
        snapshot=snapshot,
        config=config,
        out=snapshot.parent / "killed",
        text_cache=None,
        check=lambda: None,
    )
    whole = train(snapshot.parent, snapshot, config, name="whole")

    def stop() -> None:
        if (job.partial / "checkpoint" / NEWEST_CHECKPOINT).exists():
            raise TrainingKilled

    with pytest.raises(TrainingKilled):
        make_candidate(replace(job, check=stop))
    make_candidate(job)
    for name in (ADAPTER, "model.safetensors", "texts.safetensors"):
        assert (job.out / "bundle" / name).read_bytes() == (whole / "bundle" / name).read_bytes(), (
            name
        )


@pytest.mark.parametrize("how", ["lora", "full"])
def test_one_rank_and_two_learn_the_same(
    snapshot: Path, config: TrainConfig, tmp_path: Path, how: Literal["lora", "full"]
) -> None:
    """All weights are divided among the two, and the candidate has them whole."""
    config = replace(learning(config, how), device="cpu", full_epochs=1, checkpoint_s=0.1)
    one = train(tmp_path, snapshot, config, name="one")
    memory = EncoderMemoryConfig(divide_weights=how == "full")
    config = replace(config, encoder_memory=memory)
    arguments = command(tmp_path, snapshot, config, name="two")
    environment = {
        **os.environ,
        "WORLD_SIZE": "2",
        "FRESHET_RENDEZVOUS": f"file://{tmp_path}/rendezvous",
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "trainer", *arguments],
            cwd=ROOT,
            env={**environment, "RANK": str(rank)},
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    errors = [rank.communicate(timeout=600)[1].decode() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], errors
    assert report(tmp_path / "two").losses == pytest.approx(report(one).losses, abs=1e-5)
    bundles = [load_bundle(candidate / "bundle") for candidate in (one, tmp_path / "two")]
    assert torch.allclose(bundles[0].texts_NT, bundles[1].texts_NT, atol=1e-2)
    served = [bundle.load_encoder() for bundle in bundles]
    assert served[1].digest == bundles[1].manifest.encoder_digest
    raw = [encoder.encode(letters(8, seed=3)) for encoder in served]
    assert torch.allclose(raw[0], raw[1], atol=1e-2)


def test_gradients_reach_the_adapter_from_limited_texts(frozen: Path, config: TrainConfig) -> None:
    bundle = load_bundle(frozen / "bundle")
    encoder = replace(learning(config, "lora").encoder, texts_per_step=5)
    learner = text_learner(
        replace(bundle, encoder=load_encoder(encoder)), replace(config, encoder=encoder)
    )
    assert isinstance(learner, TextLearner)

    def step_facts() -> ItemFacts:
        return learner.facts(torch.arange(NUM_ITEMS), lambda: torch.arange(20), seed=3)

    again, facts = step_facts(), step_facts()  # gradients go through the newest
    weights_NT = torch.randn(facts.texts_NT.shape, generator=torch.Generator().manual_seed(0))
    (facts.texts_NT * weights_NT).sum().backward()  # type: ignore[no-untyped-call]
    assert any(gradient.abs().sum() > 0 for gradient in learner.gradients())
    assert torch.equal(facts.texts_NT, again.texts_NT)
    moved_N = (facts.texts_NT - bundle.texts_NT).abs().amax(1) > 0
    assert 0 < moved_N.sum() <= 5
    assert not moved_N[20:].any()
    before_NT = facts.texts_NT.detach()
    learner.step(lr=config.full_lr)
    assert not torch.allclose(step_facts().texts_NT, before_NT)


@pytest.mark.parametrize("how", ["lora", "full"])
def test_little_memory_does_not_change_what_is_learned(
    frozen: Path, config: TrainConfig, how: Literal["lora", "full"]
) -> None:
    bundle = load_bundle(frozen / "bundle")
    encoder = learning(config, how).encoder

    def losses(memory: EncoderMemoryConfig) -> list[float]:
        on_cpu = replace(bundle, encoder=load_encoder(encoder, device="cpu"))
        learner = text_learner(on_cpu, replace(config, encoder=encoder, encoder_memory=memory))
        assert learner is not None
        found, rows = [], torch.arange(NUM_ITEMS)
        weights_NT = torch.randn(NUM_ITEMS, 2, generator=torch.Generator().manual_seed(0))
        for step in range(4):
            texts_NT = learner.facts(rows, lambda: rows, seed=step).texts_NT
            loss = (texts_NT * weights_NT).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            learner.step(lr=config.full_lr)
            found.append(float(loss.detach()))
        learner.finish(bundle)
        return found

    whole = losses(EncoderMemoryConfig())
    small = losses(EncoderMemoryConfig(texts_at_once=7, recompute_layers=True))
    # not the weights: Adam moves one without any influence by the sign of its rounding error
    assert small == pytest.approx(whole, abs=1e-5)
    assert abs(whole[-1] - whole[0]) > 1e-3


def test_texts_do_not_all_move_the_same_way(frozen: Path, config: TrainConfig) -> None:
    bundle = load_bundle(frozen / "bundle")
    encoder = replace(learning(config, "full").encoder, lr=1e-2, texts_per_step=NUM_ITEMS)
    # At this rate rounding decides how many texts go to each side.
    on_cpu = load_encoder(encoder, device="cpu")
    learner = text_learner(replace(bundle, encoder=on_cpu), replace(config, encoder=encoder))
    assert learner is not None
    for _ in range(20):
        facts = learner.facts(torch.arange(NUM_ITEMS), lambda: torch.arange(NUM_ITEMS), seed=0)
        facts.texts_NT[:, 0].sum().backward()  # type: ignore[no-untyped-call]
        learner.step(lr=config.full_lr)
    learned = learner.finish(bundle)
    assert learned.texts_NT[:, 0].min() < 0 < learned.texts_NT[:, 0].max()
    assert learned.encoder is not None
    raw_NR = learned.encoder.encode([item.title or "" for item in bundle.catalogue])
    assert torch.allclose(learned.whitening.mean_R, raw_NR.mean(0), atol=1e-4)


@pytest.mark.parametrize("train_mode", ["lora", "full"])
def test_without_texts_there_is_nothing_to_train(
    tmp_path: Path, config: TrainConfig, train_mode: Literal["lora", "full"]
) -> None:
    snapshot = write_planted_snapshot(
        tmp_path / "snapshot", items=[CatalogueItem(item_id="i0", title=" ")]
    )
    candidate = train(tmp_path, snapshot, replace(learning(config, train_mode), full_epochs=1))
    assert load_bundle(candidate / "bundle").manifest.encoder_digest is None


def test_a_baseline_leaves_the_encoder_as_it_is(tmp_path: Path, config: TrainConfig) -> None:
    candidate = train(
        tmp_path,
        write_planted_snapshot(tmp_path / "snapshot", mode="baseline"),
        learning(config, "lora"),
    )
    bundle = load_bundle(candidate / "bundle")
    assert bundle.adapter_file is None
    assert bundle.manifest.encoder_digest == load_encoder(config.encoder).digest
