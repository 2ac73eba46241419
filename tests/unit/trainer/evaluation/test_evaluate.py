"""Evaluation filters seen items but not a repeated target; an unknown target is a miss."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recommender.ranking.history_columns import HistoryElement
from recommender.ranking.ranker import Ranker
from tests.planted import PlantedRow, planted_bundle, planted_items, write_rows
from trainer.config import TrainConfig
from trainer.data.dataset import read_events
from trainer.evaluation.evaluate import (
    Scored,
    _spans,
    evaluate,
    scored_events,
)
from trainer.report import Evaluation

NO_TEXT = [replace(item, title=None, text=None) for item in planted_items(20)]


@pytest.fixture
def ranker(tmp_path: Path) -> Ranker:
    """Ranks by popularity alone, i0 first: no item has a text."""
    return Ranker(planted_bundle(tmp_path / "bundle", items=NO_TEXT))


def score_table(
    tmp_path: Path, items: list[str], roles: str, *, user: str = "a", **more: object
) -> Scored | None:
    names = {"s": "score", "c": "context"}
    rows = [
        PlantedRow(
            seq=seq,
            user_id=user,
            item_id=item,
            at_us=seq,
            role=names[role],
            rating=4.0,
            **more,  # type: ignore[arg-type]
        )
        for seq, (item, role) in enumerate(zip(items, roles, strict=True), start=1)
    ]
    write_rows(tmp_path / "panel.parquet", rows)
    return scored_events(read_events(tmp_path / "panel.parquet"), TrainConfig())


def ndcg(scored_events: Scored | None, ranker: Ranker) -> float:
    assert scored_events is not None
    return (
        evaluate(scored_events, {"candidate": ranker}, baselines_of=None)
        .models["candidate"]
        .ndcg[0]
    )


def place(number: int) -> float:
    return 1 / math.log2(number + 1)


@pytest.mark.parametrize(
    ("items", "roles", "value"),
    [
        (["i0"], "s", place(1)),
        (["i4"], "s", place(5)),
        (["i0", "i1", "i4"], "ccs", place(3)),  # the two before it are seen
        (["i0", "i0"], "cs", place(1)),  # again: seen, and still rankable
        (["i0", "i1", "i2"], "csc", place(1)),  # what comes after is not seen
        (["i0", "i1"], "ss", place(1)),  # each is the next one's history
        (["i15"], "s", 0.0),
        (["unheard of"], "s", 0.0),
        (["unheard of", "i1"], "cs", place(2)),
    ],
)
def test_the_place_of_the_target(
    tmp_path: Path, ranker: Ranker, items: list[str], roles: str, value: float
) -> None:
    assert ndcg(score_table(tmp_path, items, roles), ranker) == pytest.approx(value)


def test_a_long_history_is_cut_into_spans_with_enough_context(
    tmp_path: Path,
) -> None:
    """A state reads the whole history, or at least two thirds of what the tower can read.

    An event in a span of its own reads all that the tower can read.
    """
    begin_X = np.array([0] * 300 + [300, 300, 900])
    end_X = np.array([*range(300), 300, 301, 1200])
    spans = _spans(begin_X, end_X, limit=90)
    assert [place for span in spans for place in range(span.first, span.stop)] == list(
        range(len(begin_X))
    )
    for span in spans:
        assert span.high - span.low <= 90
        for place in range(span.first, span.stop):
            read, there = end_X[place] - span.low, end_X[place] - begin_X[place]
            assert (
                read == there
                if there <= 90 and span.high - begin_X[place] <= 90
                else 60 <= read <= 90
            )
    assert spans[0].stop == 91  # what fits is read at once
    assert spans[-1].low == 1110


def test_an_evaluation_scores_each_event_as_the_server_would(tmp_path: Path) -> None:
    ranker = Ranker(planted_bundle(tmp_path / "bundle", tower="transformer"))
    items = [f"i{(7 * place) % 40}" for place in range(15)]
    found = score_table(tmp_path, items, "ccsscssssssssss")
    assert found is not None
    history: list[HistoryElement] = []
    gains = []
    for place_, (item, role) in enumerate(zip(items, "ccsscssssssssss", strict=True)):
        row = int(item[1:])
        if role == "s":
            scores_BN = ranker.scores(ranker.user_states([history]))
            top, _ = ranker.top_k(
                scores_BN,
                [10],
                [None],
                [[element.row or 0 for element in history if element.row != row]],
            )[0]
            gains.append(place(top.tolist().index(row) + 1) if row in top else 0.0)
        history.append(HistoryElement(row=row, type="rating", rating=4.0, at_s=(place_ + 1) / 1e6))
    assert ndcg(found, ranker) == pytest.approx(np.mean(gains))


def test_metrics_stand_beside_popularity_and_biases(tmp_path: Path, ranker: Ranker) -> None:
    found = score_table(tmp_path, ["i0", "i3", "unheard of"], "css")
    assert found is not None
    evaluation: Evaluation = evaluate(found, {"candidate": ranker}, baselines_of=ranker)
    assert set(evaluation.models) == {"candidate", "popularity", "biases"}
    assert (evaluation.user_ids, evaluation.num_events, evaluation.num_ratings) == (
        ("a",),
        (2,),
        (2,),
    )
    assert evaluation.models["popularity"].squared_error == (None,)
    # A baseline's ratings are the biases; i0 is 0.5 over its mean, so the user's first rating of
    # 4.0 is no surprise.
    assert evaluation.models["candidate"].squared_error == evaluation.models["biases"].squared_error
    assert evaluation.models["candidate"].coverage == pytest.approx(
        11 / 20
    )  # i1 … i10, then i1 … i11 without i3


def test_impressions_and_unchosen_events_are_not_scored(tmp_path: Path) -> None:
    assert score_table(tmp_path, ["i0"], "s", type="impression") is None
    assert score_table(tmp_path, ["i0"], "s", type="skipped") is None
    assert score_table(tmp_path, ["i0"], "c") is None


def test_events_that_count_for_nothing_are_not_scored(tmp_path: Path) -> None:
    """An event that is neither a choice nor a rating only belongs to the history."""
    rows = [
        PlantedRow(seq=1, user_id="a", item_id="i1", at_us=1, role="score", type="search"),
        PlantedRow(seq=2, user_id="a", item_id="i2", at_us=2, role="score", type="purchase"),
        PlantedRow(seq=3, user_id="a", item_id="i3", at_us=3, role="score", type="search"),
    ]
    write_rows(tmp_path / "panel.parquet", rows)
    scored = scored_events(read_events(tmp_path / "panel.parquet"), TrainConfig())
    assert scored is not None
    assert scored.events.seq_E[scored.place_X].tolist() == [2]
