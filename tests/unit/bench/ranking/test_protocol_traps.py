"""Classic mistakes in measuring a ranking, planted: the score each would give, and ours.

Users walk along a chain of items, so the next item is known: `Successor` is always right, `Parrot`
never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.contestants.offline import train_bundle, user_scores
from bench.data.sets import RatingsSet, load_set
from bench.data.snapshots import Flags, Roles, event_rows, write_snapshot
from bench.ranking.cold_folds import event_batches
from bench.ranking.cold_gains import gains_of
from recommender.bundle import Bundle
from recommender.config import ModelConfig
from recommender.ranking.history_columns import AnyHistory
from recommender.ranking.ranker import Ranker
from tests.planted import planted_bundle, planted_items
from trainer.config import TrainConfig
from trainer.data.dataset import read_events
from trainer.evaluation.evaluate import evaluate, scored_events

NUM_USERS, NUM_ITEMS, LENGTH = 30, 100, 40
FIRST_ITEM = 20  # ties go to the lower row, so the first rows are nobody's answer
HOUR_S = 3_600.0


class Successor(Ranker):
    """Ranks the item after the newest one of the history first, and records its histories."""

    step = 1
    shown: list[list[int]]

    def states_along(
        self,
        histories: Sequence[AnyHistory],
        lengths: Sequence[Sequence[int]],
        texts_MT: Tensor | None = None,
    ) -> Tensor:
        columns = self.columns(histories)
        read = [
            list(history.rows[:length])
            for history, wanted in zip(columns, lengths, strict=True)
            for length in wanted
        ]
        self.shown = [*getattr(self, "shown", []), *read]
        next_B = torch.tensor([self._next_row(rows) for rows in read])
        return torch.nn.functional.one_hot(next_B, len(self.catalogue) + 1).float()

    def user_states(
        self, histories: Sequence[AnyHistory], texts_MT: Tensor | None = None
    ) -> Tensor:
        return self.states_along(histories, [(len(history),) for history in histories], texts_MT)

    def _next_row(self, rows: Sequence[int]) -> int:
        return rows[-1] + self.step if rows else 0

    def scores(self, state_BD: Tensor) -> Tensor:
        return state_BD[:, : len(self.catalogue)]


class Parrot(Successor):
    """Ranks the newest item of the history first: right only if the history has the answer."""

    step = 0


def chain(*, gap_s: float = 0.0) -> RatingsSet:
    """Return users in turns, where user u takes items 20 + u, 21 + u, …

    Without a gap all events have the same second, as two of three rows of MovieLens share one.
    """
    users, steps = np.tile(np.arange(NUM_USERS), LENGTH), np.repeat(np.arange(LENGTH), NUM_USERS)
    return RatingsSet(
        name="chain",
        users_E=users,
        items_E=FIRST_ITEM + users + steps,
        ratings_E=np.full(len(users), np.nan),
        at_s_E=np.array([1e9 + gap_s * place for place in range(len(users))]),
        item_ids=[f"i{number}" for number in range(NUM_ITEMS)],
        items=[None] * NUM_ITEMS,
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    items = [replace(item, title=None, text=None) for item in planted_items(NUM_ITEMS)]
    return planted_bundle(tmp_path_factory.mktemp("planted") / "bundle", items=items, ratings=False)


def in_order(data: RatingsSet, order_E: NDArray[np.int64]) -> RatingsSet:
    return replace(
        data,
        **{
            name: getattr(data, name)[order_E]
            for name in ("users_E", "items_E", "ratings_E", "at_s_E")
        },
    )


def mean_ndcg(
    data: RatingsSet, scored_E: Flags, ranker: Ranker, folder: Path, *, shuffled: bool = False
) -> float:
    """Score events with the trainer's own evaluation, from a file with rows in any order."""
    roles = np.where(scored_E, "score", "context").astype(object)
    table = event_rows(data, np.ones(len(roles), np.bool_), roles)
    if shuffled:
        table = table.take(np.random.default_rng(0).permutation(len(table)))
    pq.write_table(table, folder / "scored.parquet")
    scored = scored_events(read_events(folder / "scored.parquet"), TrainConfig())
    assert scored is not None
    return float(
        np.mean(evaluate(scored, {"candidate": ranker}, baselines_of=None).models["candidate"].ndcg)
    )


def not_first(data: RatingsSet) -> Flags:
    """Mark all but the users' first events, which nothing precedes."""
    marked: Flags = np.arange(len(data.users_E)) >= NUM_USERS
    return marked


def test_equal_times_keep_the_order_of_the_file(tmp_path: Path) -> None:
    walked = chain()
    # eight events of each user share a second; the file starts with the last second
    second_E = np.arange(len(walked.users_E)) // (8 * NUM_USERS)
    lines = [
        f"{walked.users_E[place] + 1}\t{walked.items_E[place]}\t3\t{881250949 + second_E[place]}"
        for place in np.argsort(-second_E, kind="stable")
    ]
    (tmp_path / "u.data").write_text("\n".join(lines) + "\n")
    films = [f"{number}|Film {number} (1990)||||0|1" + "|0" * 17 for number in range(NUM_ITEMS)]
    (tmp_path / "u.item").write_text("\n".join(films) + "\n")
    data = load_set("ml-100k", tmp_path)
    walks = [
        [int(data.item_ids[item]) for item in data.items_E[data.users_E == user]]
        for user in range(data.num_users)
    ]
    assert sorted(walks) == [
        list(range(first, first + LENGTH)) for first in range(FIRST_ITEM, FIRST_ITEM + NUM_USERS)
    ]
    last = sorted(int(data.item_ids[item]) for item in data.items_E[data.last_of_users()])
    assert last == [first + LENGTH - 1 for first in range(FIRST_ITEM, FIRST_ITEM + NUM_USERS)]


def test_an_unstable_sort_would_move_the_score(tmp_path: Path, bundle: Bundle) -> None:
    data = chain()
    unstable = in_order(
        data, np.lexsort((np.random.default_rng(0).random(len(data.at_s_E)), data.at_s_E))
    )
    assert mean_ndcg(unstable, not_first(data), Successor(bundle), tmp_path) < 0.2
    assert mean_ndcg(data, not_first(data), Successor(bundle), tmp_path) == 1.0


def test_the_score_does_not_depend_on_the_order_of_rows(tmp_path: Path, bundle: Bundle) -> None:
    data = chain()
    assert mean_ndcg(data, not_first(data), Successor(bundle), tmp_path, shuffled=True) == 1.0


def test_a_history_never_holds_the_event_itself(tmp_path: Path, bundle: Bundle) -> None:
    data = chain(gap_s=HOUR_S)
    # the trap: each question is preceded by its answer
    doubled = in_order(data, np.repeat(np.arange(len(data.users_E)), 2))
    second = np.tile([False, True], len(data.users_E))
    assert mean_ndcg(doubled, second, Parrot(bundle), tmp_path) == 1.0
    assert mean_ndcg(data, not_first(data), Parrot(bundle), tmp_path) == 0.0
    assert mean_ndcg(chain(), not_first(data), Parrot(bundle), tmp_path) == 0.0


def test_a_history_ends_before_the_event(tmp_path: Path, bundle: Bundle) -> None:
    data = chain(gap_s=HOUR_S)
    middle_E = np.arange(len(data.users_E)) // NUM_USERS == 7
    ranker = Successor(bundle)
    assert mean_ndcg(data, middle_E, ranker, tmp_path) == 1.0
    assert sorted(ranker.shown) == [
        list(range(first, first + 7)) for first in range(FIRST_ITEM, FIRST_ITEM + NUM_USERS)
    ]


def test_histories_are_as_strict_in_the_bench_of_new_items(bundle: Bundle) -> None:
    data = chain(gap_s=HOUR_S)
    batches = list(event_batches(data, not_first(data), bundle))
    allowed_N = np.ones(NUM_ITEMS, np.bool_)
    assert set(gains_of(batches, Successor(bundle), allowed_N).ndcg_X) == {1.0}
    assert set(gains_of(batches, Parrot(bundle), allowed_N).ndcg_X) == {0.0}
    assert len(batches) > 1


def test_an_item_of_the_future_is_neither_known_nor_popular(tmp_path: Path) -> None:
    data = chain(gap_s=HOUR_S)
    last_E = data.last_of_users()
    items = [
        {"title": f"Film {number}", "text": f"Film {number}", "attributes": {}}
        for number in range(NUM_ITEMS)
    ]
    # every user ends with an item that nobody had before
    hit = replace(data, items_E=np.where(last_E, NUM_ITEMS - 1, data.items_E), items=items)
    config = TrainConfig(model=ModelConfig(text_dim=16))

    def train_on(trained_E: Flags, name: str) -> tuple[Bundle, float]:
        (tmp_path / name).mkdir()
        snapshot = write_snapshot(
            tmp_path / name / "snapshot", hit, Roles(target_E=trained_E), mode="baseline"
        )
        trained, _ = train_bundle(
            snapshot, config, tmp_path / name / "candidate", text_cache=tmp_path / "texts"
        )
        scores = user_scores(hit, last_E, ~last_E, trained, config, folder=tmp_path / name)
        return trained, float(scores["popularity"].mean())

    leaking, popularity = train_on(np.ones_like(last_E), "leaking")
    assert leaking.catalogue.row(hit.item_ids[-1]) is not None
    assert popularity > 0.5
    ours, popularity = train_on(~last_E, "ours")
    assert ours.catalogue.row(hit.item_ids[-1]) is None
    assert len(ours.catalogue) == len(np.unique(hit.items_E[~last_E]))
    assert popularity == 0.0


def test_a_sampled_metric_would_call_a_bad_model_good(tmp_path: Path) -> None:
    num_items, place = 1_000, 30
    bundle = planted_bundle(
        tmp_path / "bundle",
        items=[replace(item, title=None, text=None) for item in planted_items(num_items)],
    )
    data = chain(gap_s=HOUR_S)
    data = replace(
        data,
        items_E=place + data.users_E,
        item_ids=[f"i{number}" for number in range(num_items)],
        items=[None] * num_items,
    )
    first_E = ~not_first(data)
    generator = np.random.default_rng(0)
    negatives = [
        generator.choice(np.delete(np.arange(num_items), item), 100, replace=False)
        for item in data.items_E[first_E]
    ]
    sampled_hits = [
        int((drawn < item).sum()) < 10
        for item, drawn in zip(data.items_E[first_E], negatives, strict=True)
    ]
    # i0 is the most popular, i1 the next: fewer than ten of the hundred are more popular
    assert np.mean(sampled_hits) > 0.9
    ranker = Ranker(bundle)
    only_first = in_order(data, np.flatnonzero(first_E))
    # at least thirty items rank before it
    assert mean_ndcg(only_first, np.ones(NUM_USERS, np.bool_), ranker, tmp_path) == 0.0
    tenth = replace(only_first, items_E=np.full(NUM_USERS, 9))
    assert mean_ndcg(tenth, np.ones(NUM_USERS, np.bool_), ranker, tmp_path) == pytest.approx(
        1 / np.log2(11)
    )
    eleventh = replace(only_first, items_E=np.full(NUM_USERS, 10))
    assert mean_ndcg(eleventh, np.ones(NUM_USERS, np.bool_), ranker, tmp_path) == 0.0
