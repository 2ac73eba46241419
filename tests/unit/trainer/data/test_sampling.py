"""Every learnable event is predicted exactly once per epoch; context and panel never."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.network.model import event_type_code
from tests.planted import PlantedRow, write_rows
from trainer.config import TrainConfig
from trainer.data.dataset import EventTable, read_events
from trainer.data.sampling import (
    Sequences,
    TrainBatch,
    Withheld,
    assemble,
    batches,
    build_sequences,
    cut_windows,
)


def sequences(
    tmp_path: Path, rows: list[PlantedRow], *, positive_rating: float | None = None
) -> Sequences:
    write_rows(tmp_path / "events.parquet", rows)
    events = read_events(tmp_path / "events.parquet")
    rows_E = events.rows(Catalogue(CatalogueItem(item_id=f"i{number}") for number in range(500)))
    config = TrainConfig(positive_types=("rating", "click"), positive_rating=positive_rating)
    return build_sequences(events, rows_E, config)


def user(name: str, roles: str, *, first_seq: int = 1) -> list[PlantedRow]:
    """One event a letter: t target, r replay, c context; item number = place."""
    names = {"t": "target", "r": "replay", "c": "context"}
    return [
        PlantedRow(
            seq=first_seq + place,
            user_id=name,
            item_id=f"i{place}",
            at_us=place * 1_000_000,
            rating=3.0,
            role=names[role],
        )
        for place, role in enumerate(roles)
    ]


def predicted_events(batch: TrainBatch) -> list[int]:
    return sorted(batch.target_rows_BS[batch.target_rows_BS >= 0].tolist())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "roles",
    [
        "t" * 5,
        "t" * 47,
        "c" * 30 + "t" * 4,
        ("c" * 15 + "r") * 3 + "c" * 20 + "t" * 25,
        "c" * 9,
        "t",
    ],
)
def test_every_learnable_event_is_predicted_once(tmp_path: Path, roles: str, seed: int) -> None:
    data = sequences(tmp_path, user("a", roles))
    windows = cut_windows(data, max_history=10, generator=np.random.default_rng(seed))
    learned = [place for place, role in enumerate(roles) if role != "c"]
    assert all(window.stop - window.start <= 10 for window in windows)
    seen = [
        row
        for window in windows
        for row in predicted_events(assemble(data, [window], [Withheld()]))
    ]
    assert sorted(seen) == learned


def test_a_target_after_context_reads_as_much_of_it_as_fits(tmp_path: Path) -> None:
    (window,) = cut_windows(
        sequences(tmp_path, user("a", "c" * 30 + "t")),
        max_history=10,
        generator=np.random.default_rng(0),
    )
    assert (window.start, window.first, window.stop) == (21, 30, 31)


def test_the_state_before_an_event_predicts_it(tmp_path: Path) -> None:
    data = sequences(tmp_path, user("a", "ctr"))
    batch = assemble(
        data, cut_windows(data, max_history=10, generator=np.random.default_rng(0)), [Withheld()]
    )
    assert batch.histories.rows_BL.tolist() == [[0, 1, 2]]
    assert batch.target_rows_BS.tolist() == [[-1, 1, 2, -1]]
    assert batch.target_ratings_BS.isnan().tolist() == [[True, False, False, True]]


def test_below_the_threshold_is_a_rating_to_learn_but_no_choice(tmp_path: Path) -> None:
    rows = [
        replace(row, rating=rating)
        for row, rating in zip(user("a", "ttt"), (5.0, 2.0, 4.0), strict=True)
    ]
    data = sequences(tmp_path, rows, positive_rating=4.0)
    batch = assemble(
        data, cut_windows(data, max_history=10, generator=np.random.default_rng(0)), [Withheld()]
    )
    assert batch.target_rows_BS.tolist() == [[0, -1, 2, -1]]
    assert batch.target_ratings_BS[0, :3].tolist() == [5.0, 2.0, 4.0]


@pytest.mark.parametrize("type_", ["impression", "dislike"])
def test_a_rejected_item_is_a_negative_and_never_history(tmp_path: Path, type_: str) -> None:
    shown = PlantedRow(seq=90, user_id="a", item_id="i40", at_us=1_500_000, type=type_)
    last = replace(shown, seq=91, item_id="i41", at_us=9_000_000)
    clicked_later = replace(shown, seq=92, item_id="i2")
    data = sequences(tmp_path, [*user("a", "ttt"), shown, last, clicked_later])
    batch = assemble(
        data, cut_windows(data, max_history=10, generator=np.random.default_rng(0)), [Withheld()]
    )
    assert batch.histories.rows_BL.tolist() == [[0, 1, 2]]
    assert predicted_events(batch) == [0, 1, 2]
    assert list(zip(batch.shown_state_X.tolist(), batch.shown_row_X.tolist(), strict=True)) == [
        (2, 40),
        (3, 41),
    ]


def test_a_type_that_says_nothing_is_neither_history_nor_learned(tmp_path: Path) -> None:
    own = PlantedRow(
        seq=90, user_id="a", item_id="i40", at_us=1_500_000, type="a word of the shop's own"
    )
    data = sequences(tmp_path, [*user("a", "ttt"), own])
    batch = assemble(
        data, cut_windows(data, max_history=10, generator=np.random.default_rng(0)), [Withheld()]
    )
    assert batch.histories.rows_BL.tolist() == [[0, 1, 2]]
    assert batch.shown_row_X.tolist() == []


def test_a_user_with_only_impressions_has_the_cold_state(tmp_path: Path) -> None:
    data = sequences(
        tmp_path, [PlantedRow(seq=1, user_id="a", item_id="i4", at_us=5, type="impression")]
    )
    batch = assemble(
        data, cut_windows(data, max_history=10, generator=np.random.default_rng(0)), [Withheld()]
    )
    assert batch.histories.rows_BL.shape == (1, 0)
    assert (batch.shown_state_X.tolist(), batch.shown_row_X.tolist()) == ([0], [4])


def test_batches_hold_every_window_once_in_order_of_the_seed(tmp_path: Path) -> None:
    rows = [
        row
        for number in range(30)
        for row in user(f"u{number:02d}", "t" * (1 + number % 9), first_seq=number * 100)
    ]
    data = sequences(tmp_path, rows)
    windows = cut_windows(data, max_history=10, generator=np.random.default_rng(0))
    lengths_W = np.array([window.stop - window.start for window in windows])
    groups = batches(lengths_W, batch_size=4, generator=np.random.default_rng(1))
    again = batches(lengths_W, batch_size=4, generator=np.random.default_rng(1))
    assert [group.tolist() for group in groups] == [group.tolist() for group in again]
    assert sorted(np.concatenate(groups)) == list(range(len(windows)))
    assert max(len(group) for group in groups) == 4


def test_what_is_withheld_is_not_read_but_still_predicted(tmp_path: Path) -> None:
    data = sequences(tmp_path, [*user("a", "tt"), *user("b", "tt", first_seq=10)])
    windows = cut_windows(data, max_history=10, generator=np.random.default_rng(0))
    batch = assemble(data, windows, [Withheld(times=True), Withheld(signals=True)])
    assert batch.histories.at_s_BL.isnan().tolist() == [[True, True], [False, False]]
    assert batch.histories.ratings_BL.isnan().tolist() == [[False, False], [True, True]]
    assert batch.histories.types_BL.tolist() == [
        [event_type_code("rating")] * 2,
        [event_type_code("view")] * 2,
    ]
    assert not batch.target_ratings_BS[:, :2].isnan().any()


def test_nothing_to_learn_gives_no_windows(tmp_path: Path) -> None:
    assert (
        cut_windows(sequences(tmp_path, []), max_history=10, generator=np.random.default_rng(0))
        == []
    )


@given(seed=st.integers(0, 2**32 - 1))
def test_what_was_shown_counts_unless_it_was_chosen_from_then_on(seed: int) -> None:
    generator = np.random.default_rng(seed)
    num_events = int(generator.integers(0, 30))
    users = np.sort(generator.integers(0, 3, num_events))
    events = EventTable(
        users=("a", "b", "c"),
        items=("x", "y", "z"),
        types=("view", "impression"),
        roles=("target", "context"),
        seq_E=np.arange(num_events),
        user_E=users,
        item_E=generator.integers(0, 3, num_events),
        type_E=generator.integers(0, 2, num_events),
        role_E=generator.integers(0, 2, num_events),
        rating_E=np.full(num_events, np.nan),
        at_s_E=np.linspace(0.0, 1.0, num_events),
        first_E=np.ones(num_events, np.bool_),
        first_rating_E=np.ones(num_events, np.bool_),
    )
    rows_E = events.item_E - 1  # the catalogue lacks the first item
    found = build_sequences(events, rows_E, TrainConfig())
    expected = [
        (user, row)
        for event, (user, row) in enumerate(zip(users, rows_E, strict=True))
        if events.type_E[event] == 1 and events.role_E[event] == 0 and row >= 0
        if not any(
            events.type_E[later] == 0 and users[later] == user and rows_E[later] == row
            for later in range(event, num_events)
        )
    ]
    assert list(zip(found.shown_users, found.shown_rows, strict=True)) == expected
