"""The number of ranks does not change what is trained, and nothing makes ranks wait forever."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from recommender.bundle import load_bundle
from tests.component.one_rank import Task, make
from tests.component.training import NAMELESS, ROOT, new_rows, report
from tests.planted import planted_rows, planted_slates, write_planted_snapshot, write_slates
from trainer.codec import encode
from trainer.config import PolicyGradientConfig, TrainConfig
from trainer.data.event_file import EventFile


def run_ranks(num_ranks: int, tasks: Sequence[Task], folder: Path) -> None:
    """Make candidates on several ranks, which meet at a file."""
    file = folder / f"tasks-of-{num_ranks}.json"
    file.write_text(encode(list(tasks)), encoding="utf-8")
    where = {"WORLD_SIZE": str(num_ranks), "FRESHET_RENDEZVOUS": f"file://{folder}/of-{num_ranks}"}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.component.one_rank", str(file)],
            cwd=ROOT,
            env={**os.environ, **where, "RANK": str(rank), "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
        )
        for rank in range(num_ranks)
    ]
    errors = [rank.communicate(timeout=600)[1].decode() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0] * num_ranks, errors


@pytest.fixture
def config(config: TrainConfig) -> TrainConfig:
    """Return settings with all that is random: dropout, negatives, and served lists."""
    return replace(
        config,
        device="cpu",
        full_epochs=2,
        full_softmax_items=1,
        num_negatives=8,
        checkpoint_s=0.0,
        model=replace(config.model, dropout=0.2),
        policy_gradient=PolicyGradientConfig(weight=1.0, list_size=2, min_effective_size=5.0),
    )


def test_ranks_that_come_and_go_do_not_change_the_result(
    tmp_path: Path, config: TrainConfig
) -> None:
    """Two begin and are killed, three go on; one that is not disturbed gives the same.

    Two that are killed and go on as two give the same bit for bit. One user for three ranks, and an
    update without events, end too.
    """
    snapshot = write_planted_snapshot(tmp_path / "snapshot", items=NAMELESS)
    divide(snapshot / "events.parquet")
    write_slates(snapshot / "slates.parquet", planted_slates())

    def task(name: str, num_steps: int | None = None, data: Path = snapshot) -> Task:
        out = str(tmp_path / name)
        return Task(snapshot=str(data), out=out, config=config, num_steps=num_steps)

    make(task("one"))
    one_user = write_planted_snapshot(tmp_path / "one-user", rows=planted_rows(1), items=NAMELESS)
    empty = write_planted_snapshot(
        tmp_path / "no-events",
        mode="update",
        rows=[replace(row, role="context") for row in new_rows(20)],
        items=NAMELESS,
        live=tmp_path / "one" / "bundle",
        state=tmp_path / "one" / "state",
    )
    make(task("one-user-one-rank", data=one_user))
    run_ranks(2, [task("moved", 16), task("two"), task("killed", 16), task("killed")], tmp_path)
    run_ranks(
        3, [task("moved"), task("three-ranks", data=one_user), task("empty", data=empty)], tmp_path
    )
    for name in ("two", "moved"):
        assert_alike(tmp_path / name, tmp_path / "one")
    assert_alike(tmp_path / "three-ranks", tmp_path / "one-user-one-rank")
    digests = [report(tmp_path / name).bundle_digest for name in ("two", "killed")]
    assert digests[0] == digests[1]
    assert report(tmp_path / "empty").losses == ()


def divide(events: Path) -> None:
    """Write an event file again in shards, so that no rank reads it all."""
    table = pq.read_table(events)
    pq.write_table(table, events, row_group_size=20)
    file = EventFile.local(events)
    assert 0 < file.share(0, 3).table().num_rows < table.num_rows / 2


def assert_alike(found: Path, expected: Path) -> None:
    """Compare losses, what was learned from lists, and weights, which are stored as halves."""
    reports = report(found), report(expected)
    assert reports[0].losses == pytest.approx(reports[1].losses, abs=1e-5)
    learned = [one.policy_gradient for one in reports]
    assert [one.num_epochs for one in learned if one] == [2, 2] or learned == [None, None]
    weights = [load_bundle(one / "bundle").model.state_dict() for one in (found, expected)]
    for name, tensor in weights[1].items():
        torch.testing.assert_close(weights[0][name], tensor, atol=1e-3, rtol=1e-2, msg=name)
