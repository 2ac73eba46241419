"""Every event of the stream is scored before any model has learned from it.

In each window all users take a hit that did not exist before. A model that is asked before it
learns cannot know the hit, however it is kept up to date; a model that learns first finds it at
once.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.contestants.offline import event_ndcg, train_bundle
from bench.data.sets import RatingsSet
from bench.data.snapshots import Roles, write_snapshot
from bench.ranking.prequential import run_seed
from bench.ranking.stream import Stream, full_windows, stream_of, takeovers
from bench.ranking.stream_lines import StreamLine, update_line
from bench.ranking.stream_metrics import LINES, SeedRun, metrics_of
from recommender.config import ModelConfig
from trainer.config import TrainConfig
from trainer.report import read_report

NUM_USERS, NUM_WINDOWS, NUM_OLD = 30, 4, 40
CONFIG = TrainConfig(
    model=ModelConfig(text_dim=16, dim=16, num_layers=1, max_history=20, dropout=0.0),
    full_epochs=8,
    full_lr=1e-2,
)


def hits_set() -> RatingsSet:
    """Return users who take an old item per window, then the hit of each window.

    All events have the same second.
    """
    users = np.tile(np.arange(NUM_USERS), 2 * NUM_WINDOWS)
    steps = np.repeat(np.arange(2 * NUM_WINDOWS), NUM_USERS)
    old = (users * 7 + steps * 3) % NUM_OLD
    return RatingsSet(
        name="hits",
        users_E=users,
        items_E=np.where(steps < NUM_WINDOWS, old, NUM_OLD + steps - NUM_WINDOWS),
        ratings_E=np.full(len(users), np.nan),
        at_s_E=np.full(len(users), 1e9),
        item_ids=[f"i{number}" for number in range(NUM_OLD + NUM_WINDOWS)],
        items=[None] * (NUM_OLD + NUM_WINDOWS),
    )


def early_set() -> RatingsSet:
    """Return hits_set, but every other user takes each hit a window early, to be learned."""
    hits = hits_set()
    items_E = hits.items_E.copy()
    first_hit = NUM_USERS * NUM_WINDOWS
    items_E[first_hit::2] = np.minimum(items_E[first_hit::2] + 1, items_E.max())
    return replace(hits, items_E=items_E)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHET_BENCH_WORK", str(tmp_path))


def test_windows_cover_the_second_half_once() -> None:
    stream = stream_of(hits_set(), NUM_WINDOWS)
    windows = [stream.between(first, last) for first, last in stream.windows]
    times_scored_E = np.sum([*windows, stream.between(0, stream.base)], axis=0)
    assert (times_scored_E == 1).all()


def test_no_line_knows_a_hit_before_it_is_asked(tmp_path: Path) -> None:
    stream = stream_of(hits_set(), NUM_WINDOWS)
    followed = run_seed(stream, CONFIG, frozenset(range(NUM_WINDOWS)), tmp_path / "stream")
    for name, line in followed.items():
        assert line["ndcg"] == [0.0] * NUM_WINDOWS, name


class Interruptions:
    """Updates of which some are interrupted once: in their training, or right after it.

    `trained_at` has the times at which each folder of the stream was trained.
    """

    def __init__(self) -> None:
        self.tried: set[str] = set()
        self.num_interrupted = 0
        self.trained_at: dict[str, set[int]] = defaultdict(set)

    def update(
        self, stream: Stream, line: StreamLine, folder: Path, first: int, last: int, *, how: str
    ) -> StreamLine:
        is_first_try = folder.name not in self.tried
        self.tried.add(folder.name)
        if is_first_try and len(self.tried) % 3 == 0:
            (folder / "snapshot" / "live").mkdir(parents=True)  # an interrupted training leaves it
            self._interrupt()
        updated = update_line(stream, line, folder, first, last, how=how)
        for cost in folder.parent.glob("*/seconds.json"):  # written at the end of each training
            self.trained_at[cost.parent.name].add(cost.stat().st_mtime_ns)
        if is_first_try and len(self.tried) % 4 == 0:
            self._interrupt()
        return updated

    def _interrupt(self) -> None:
        self.num_interrupted += 1
        raise KeyboardInterrupt


def test_an_interrupted_stream_ends_with_the_same_scores(tmp_path: Path) -> None:
    stream, fulls = stream_of(early_set(), NUM_WINDOWS), frozenset({2})
    whole = run_seed(stream, CONFIG, fulls, tmp_path / "whole")
    interruptions = Interruptions()
    while True:
        with suppress(KeyboardInterrupt):
            resumed = run_seed(stream, CONFIG, fulls, tmp_path / "cut", update=interruptions.update)
            break
    assert interruptions.num_interrupted > 2
    # bases, updates, the full retrain, the update after it
    assert len(interruptions.trained_at) == 3 + 4 * (NUM_WINDOWS - 1) + 1 + 1
    assert all(len(times) == 1 for times in interruptions.trained_at.values())
    assert {name: (line["ndcg"], line["accepted"]) for name, line in resumed.items()} == {
        name: (line["ndcg"], line["accepted"]) for name, line in whole.items()
    }
    assert whole["update"]["ndcg"] != whole["static"]["ndcg"]


def test_updates_continue_from_a_full_retrain(tmp_path: Path) -> None:
    stream, fulls = stream_of(early_set(), NUM_WINDOWS), frozenset({2})
    learning = run_seed(stream, CONFIG, fulls, tmp_path / "learning")["rolling"]["ndcg"]
    assert isinstance(learning, list)
    assert learning[3] > 0.5

    def keep(_: Stream, line: StreamLine, *place: object, **how: object) -> StreamLine:
        return line

    without_updates = run_seed(stream, CONFIG, fulls, tmp_path / "without", update=keep)
    assert without_updates["update"]["ndcg"] == [0.0] * NUM_WINDOWS
    assert without_updates["rolling"]["ndcg"] == [0.0, 0.0, pytest.approx(0.5), 0.0]


def test_a_model_that_learns_first_would_find_the_hit(tmp_path: Path) -> None:
    stream = stream_of(hits_set(), NUM_WINDOWS)
    first, last = stream.bounds[-2:]
    snapshot = write_snapshot(
        tmp_path / "snapshot", stream.data, Roles(target_E=stream.between(0, last)), mode="full"
    )
    bundle, _ = train_bundle(
        snapshot, CONFIG, tmp_path / "candidate", text_cache=tmp_path / "texts"
    )
    asked, known = stream.between(first, last), stream.between(0, first)
    scores = event_ndcg(stream.data, asked, known, {"peeking": bundle}, CONFIG, folder=tmp_path)
    assert scores["peeking"] > 0.3


def test_the_gate_compares_with_live_and_the_last_full_training(tmp_path: Path) -> None:
    compared = []

    def update_and_record(
        stream: Stream, line: StreamLine, folder: Path, first: int, last: int, *, how: str
    ) -> StreamLine:
        updated = update_line(stream, line, folder, first, last, how=how)
        if how == "accepted":
            report = read_report(folder / "candidate" / "report.json")  # which the gate reads
            assert report.panel is not None
            compared.append(set(report.panel.models))
        return updated

    stream = stream_of(early_set(), NUM_WINDOWS)
    run_seed(stream, CONFIG, frozenset(), tmp_path / "stream", update=update_and_record)
    assert len(compared) == NUM_WINDOWS - 1
    assert all(models >= {"candidate", "live", "anchor"} for models in compared)


def test_no_full_retrain_comes_before_the_first_window() -> None:
    assert full_windows(20, 19) == frozenset(range(1, 20))
    assert full_windows(20, 4) == {5, 10, 14, 19}
    assert takeovers(20, full_windows(20, 19)) == {6, 13}
    assert takeovers(20, full_windows(20, 4)) == {5, 14}
    assert takeovers(20, frozenset()) == frozenset()


def test_shares_are_over_windows_with_a_full_retrain() -> None:
    curve = {"static": [1.0, 1.0, 2.0, 1.0], "update": [1.0, 1.2, 2.2, 1.0], "full": [1.5, 2.5]}
    runs: list[SeedRun] = [
        {
            line: {"ndcg": curve.get(line, curve["static"]), "seconds": 10.0, "accepted": 0.5}
            for line in LINES
        }
    ]
    runs.append(
        {
            line: {**runs[0][line], "ndcg": (2 * np.array(runs[0][line]["ndcg"])).tolist()}
            for line in LINES
        }
    )
    found = {(row.model, row.metric): row for row in metrics_of("hits", runs, [1, 2])}
    assert found["update", "NDCG@10"].value == pytest.approx(1.5 * 5.4 / 4)
    assert found["update", "NDCG@10"].note == "4 windows, seeds 1.3500 to 2.7000"
    assert found["update", "gain over static"].value == pytest.approx(5.4 / 5 - 1)
    assert found["update", "share of full"].value == pytest.approx((1.2 + 2.2) / 4.0)
    assert found["full", "gain over static"].value == pytest.approx(4.0 / 3.0 - 1)
    gain = found["update", "gain over static"]
    assert gain.low is not None
    assert gain.high is not None
    assert 0.0 <= gain.low < gain.value < gain.high <= 0.2
    assert "share of full" not in {metric for model, metric in found if model == "rolling"}
    assert found["accepted", "accepted updates"].value == 0.5
