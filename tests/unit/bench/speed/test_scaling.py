"""The rows of a launcher in the bench of launchers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.speed.scaling import Recovery, metrics_of
from trainer.report import Report

ONE = Report(
    mode="full",
    finite_weights=True,
    num_targets=1,
    num_replay=0,
    num_items=1,
    rating_scale=None,
    panel=None,
    fresh=None,
    losses=(2.0, 1.0),
    popular=(),
    data_digest="",
    bundle_digest="",
    versions={},
    seconds={"train": 10.0, "checkpoints": 0.1},
)


def test_shares_and_speed_are_of_the_time_of_training() -> None:
    two = replace(
        ONE,
        losses=(2.0, 1.25),
        seconds={"train": 8.0, "checkpoints": 0.2, "exchange": 2.0},
    )
    lost = Recovery(lost_s=4.5, repeated_steps=7)
    found = {row.metric: row.value for row in metrics_of("a set", "torchrun:", two, ONE, lost)}
    assert found == pytest.approx(
        {
            "seconds of training": 8.0,
            "times as fast as one process": 1.25,
            "share of the time in exchanges": 0.25,
            "share of the time in checkpoints": 0.025,
            "largest difference of an epoch's loss": 0.25,
            "from kill -9 of a rank to the next new step": 4.5,
            "steps repeated": 7.0,
        }
    )


def test_one_process_exchanges_nothing() -> None:
    found = {row.metric: row.value for row in metrics_of("a set", "process:", ONE, ONE, None)}
    assert found["share of the time in exchanges"] == 0.0
    assert "steps repeated" not in found
