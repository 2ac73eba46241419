"""The benches of a GPU: their ratios, and their message on a machine without one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.data.sets import RatingsSet
from bench.speed import decoder, devices
from bench.speed.devices import TrainingCost, metrics_of
from recommender.config import EncoderConfig
from trainer.config import TrainConfig


def ten_events() -> RatingsSet:
    ten = np.arange(10)
    return RatingsSet(
        name="ten",
        users_E=ten,
        items_E=ten,
        ratings_E=ten.astype(float),
        at_s_E=ten.astype(float),
        item_ids=list("abcdefghij"),
        items=[],
    )


def test_rates_are_over_all_epochs_and_ratios_over_the_cpu() -> None:
    config = replace(TrainConfig(), full_epochs=3, num_threads=8)
    gpu = TrainingCost(seconds={"train": 2.0, "encode": 0.5}, peak_gib=1.5)
    cpu = TrainingCost(seconds={"train": 10.0, "encode": 4.0}, peak_gib=0.0)
    found = {(row.model, row.metric): row for row in metrics_of(ten_events(), config, gpu, cpu)}
    learned, read = "interactions a second", "seconds of reading the texts"
    assert {model: found[model, learned].value for model, metric in found if metric == learned} == {
        "GPU": 15.0,
        "CPU, 8 threads": 3.0,
        "GPU, times as fast": 5.0,
    }
    assert found["GPU, times as fast", read].value == 8.0
    assert "1.50 GiB" in found["GPU", learned].note
    assert "GiB" not in found["CPU, 8 threads", learned].note


@pytest.mark.skipif(torch.cuda.device_count() > 0, reason="this machine has a GPU")
def test_without_a_gpu_they_stop_with_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    for main in (decoder.main, devices.main):
        with pytest.raises(SystemExit):
            main([])
        assert "torch sees no GPU here" in capsys.readouterr().err


def test_a_random_model_is_read_like_a_downloaded_one(tmp_path: Path) -> None:
    num_weights = decoder.write_model(tmp_path / "model", decoder.TINY)
    assert num_weights > 20_000_000  # most of them the vocabulary's
    found = decoder.measure_reading(
        EncoderConfig(model=str(tmp_path / "model"), pooling="last", max_tokens=32),
        ["Heat", "Alien (1979)"],
    )
    assert [unit for _, unit in found.values()] == ["s", "1/s", "ms"]
    assert all(value > 0 for value, _ in found.values())
