"""The rows of a launcher in the bench of launchers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.speed.scaling import Recovery, metrics_of, ranks_of
from bench.speed.scaling_peer import peer_rows
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


def test_a_peer_is_compared_with_as_many_processes_of_ours() -> None:
    rows = peer_rows("a set", {1: 20.0, 2: 16.0}, {1: 10.0, 2: 4.0}, "load 1")
    found = {(row.model, row.metric): row.value for row in rows}
    ours = "its seconds of training, as a multiple of ours in as many processes"
    assert found["RecTools SASRec, 2 by DDP", ours] == 4.0
    assert found["RecTools SASRec, 2 by DDP", "times as fast as one process"] == 1.25
    assert found["RecTools SASRec, 1 by DDP", ours] == 2.0


def test_the_number_of_ranks_is_that_of_the_url() -> None:
    urls = ("process:", "torchrun:?nproc=2", "ray:?workers=1:4")
    assert [ranks_of(url) for url in urls] == [1, 2, 4]
