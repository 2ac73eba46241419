"""The rows of a launcher in the bench of launchers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.speed.scaling import Recovery, main, metrics_of, ranks_of
from bench.speed.scaling_machines import Change, MachineStory, change_after, ranks_in_turn, rows_of
from bench.speed.scaling_peer import peer_rows
from bench.speed.watched_training import Glance
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


def glances(starts: int, ranks: int, steps: dict[float, int], begun_s: float) -> list[Glance]:
    """Return what is seen of a start: it begins, goes on at a step, and takes the others."""
    seen = [Glance(at_s=begun_s, starts=starts, ranks=ranks)]
    for number, (at_s, done) in enumerate(steps.items()):
        seen.append(
            Glance(at_s=at_s, starts=starts, ranks=ranks, done=done, has_stepped=number > 0)
        )
    return seen


STORY = MachineStory(
    glances=[
        *glances(1, 2, {2.0: 0, 3.0: 20, 4.0: 41}, begun_s=1.0),
        *glances(2, 1, {12.0: 31, 12.5: 36, 13.5: 46}, begun_s=9.0),
        # it trains on alone until the machine is noticed
        *glances(3, 2, {25.0: 66, 26.0: 80}, begun_s=21.0),
    ],
    lost_s=4.5,
    added_s=13.0,
)


def test_a_loss_costs_until_a_step_that_is_new() -> None:
    loss = change_after(STORY.glances, STORY.lost_s, num_ranks=1)
    assert loss == Change(ranks_s=4.5, step_s=8.0, new_step_s=9.0, repeated_steps=11)


def test_nothing_is_repeated_where_a_checkpoint_was_written() -> None:
    back = change_after(STORY.glances, STORY.added_s, num_ranks=2)
    assert back == Change(ranks_s=8.0, step_s=13.0, new_step_s=13.0, repeated_steps=0)


def test_the_rows_of_machines_name_the_ranks_in_turn() -> None:
    assert ranks_in_turn(STORY.glances) == [2, 1, 2]
    report = replace(ONE, losses=(2.0, 1.5))
    rows = rows_of("a set", "ray:", STORY, report=report, one=ONE)
    assert {row.note.partition(";")[0] for row in rows} == {"ranks in turn 2, 1, 2"}
    found = {row.metric: row.value for row in rows}
    assert found["from the loss of a machine to the next new step"] == 9.0
    assert found["from adding a machine to the first step of both"] == 13.0
    assert found["difference of the last epoch's loss"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--parts", "shares,none"], "--parts none: there are launchers, machines"),
        (["--parts", "peer"], "--parts peer goes with launchers"),
        (["--parts", "machines", "--engines", "slurm"], "--engines slurm: there are torchrun, ray"),
    ],
)
def test_a_wrong_part_ends_the_bench(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert why in capsys.readouterr().err
