"""A later start of a training finds the vectors of its texts without the language model."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from recommender.bundle import Bundle
from recommender.config import EncoderConfig, ModelConfig, Signals
from tests.planted import write_planted_snapshot, write_tiny_encoder
from trainer.config import TrainConfig
from trainer.data.dataset import read_events
from trainer.data.event_counts import StartCounts
from trainer.data.noted_encoder import NOTE
from trainer.data.start_bundle import StartSource, start_bundle


@pytest.fixture
def source(tmp_path: Path) -> StartSource:
    encoder = EncoderConfig(model=str(write_tiny_encoder(tmp_path / "tiny")), max_tokens=64)
    return StartSource(
        snapshot=write_planted_snapshot(tmp_path / "snapshot"),
        mode="full",
        config=TrainConfig(encoder=encoder, model=ModelConfig(text_dim=16)),
        cache=tmp_path / "cache",
        notes=tmp_path / "notes",
    )


def start(source: StartSource) -> Bundle:
    events = read_events(source.snapshot / "events.parquet")
    return start_bundle(source, StartCounts.of(events, Signals()), None)


def test_the_next_start_loads_no_language_model(source: StartSource) -> None:
    first, second = start(source), start(source)
    assert first.encoder is not None
    assert second.encoder is None
    assert second.manifest.encoder_digest == first.encoder.digest
    assert second.texts_NT.equal(first.texts_NT)


def test_other_weights_or_settings_are_loaded(source: StartSource, tmp_path: Path) -> None:
    start(source)
    os.utime(tmp_path / "tiny" / "model.safetensors", (1, 1))
    assert start(source).encoder is not None
    shorter = replace(source.config.encoder, max_tokens=32)
    assert start(replace(source, config=replace(source.config, encoder=shorter))).encoder


def test_a_damaged_note_is_as_if_there_were_none(source: StartSource) -> None:
    start(source)
    (source.notes / NOTE).write_text("[", encoding="utf-8")
    assert start(source).encoder is not None


def test_hashed_words_leave_no_note(source: StartSource) -> None:
    words = replace(source.config, encoder=EncoderConfig(model="words"))
    start(replace(source, config=words))
    assert not (source.notes / NOTE).exists()
