"""Cut histories into windows and group windows into batches, one batch per training step.

Every learnable event is predicted once per epoch, from the state before it. The epoch's seed
decides where a long history is cut, and a window that starts inside a history includes context from
before the cut. Letters as in `recommender.network.model`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from recommender.config import IMPRESSION
from recommender.network.model import HistoryBatch, event_type_code
from trainer.config import TrainConfig
from trainer.data.dataset import (
    EventTable,
    Flags,
    Floats,
    Ints,
    Numbers,
    Singles,
    positive_events,
)
from trainer.data.slate_places import SlateBatch, SlatePlaces

# The share of context in a window that continues an earlier one. No context costs quality, and half
# a window of context costs time.
CONTEXT_SHARE = 0.3
TIMELESS_SHARE = 0.2  # share of windows read without times, since requests may come without them
UNTYPED = "view"  # the endpoint's type for an element with neither type nor rating
BARE_SHARE = 0.1  # share read without types and ratings: a request may be a list of titles
WINDOWS_A_SORT = 16  # number of batches whose windows are sorted by length together


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequences:
    """All histories, one after the other; an event takes 20 bytes.

    The `shown` columns are impressions and rejections, by the place before which they happened.
    `slates` are served lists to learn from, if there are any.
    """

    rows: Numbers
    types: Numbers
    ratings: Singles
    at_s: Floats
    positive: Flags  # ranking targets
    learnable: Flags  # targets and replay; the rest is context
    user_bounds: Ints  # user u is [bounds[u], bounds[u + 1])
    shown_places: Ints  # ascending
    shown_rows: Ints
    shown_users: Ints
    slates: SlatePlaces | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Events [start, stop) of one user; those at or after `first` are learned."""

    user: int
    start: int
    first: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """What is hidden from the model in a window's history; its targets stay the same.

    `dropout_key`, 32 bits, decides what dropout hides; None hides nothing.
    """

    times: bool = False
    signals: bool = False  # types and ratings
    dropout_key: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainBatch:
    """Histories, and the targets that follow each state.

    `target_rows_BS` is −1 where there is nothing to rank, and `target_ratings_BS` is NaN where
    there is no rating to predict.
    """

    histories: HistoryBatch
    target_rows_BS: Tensor
    rated_rows_BS: Tensor
    target_ratings_BS: Tensor
    shown_user_X: Tensor
    shown_state_X: Tensor
    shown_row_X: Tensor
    slates: SlateBatch | None = None

    def read_rows(self) -> Tensor:
        """Return the rows in histories and impressions, with repetition."""
        lengths_B1, rows_BL = self.histories.length_B.unsqueeze(1), self.histories.rows_BL
        place_L = torch.arange(rows_BL.shape[1], device=rows_BL.device)
        return torch.cat([rows_BL[place_L < lengths_B1], self.shown_row_X])

    def named_rows(self) -> Tensor:
        """Return the rows that are read, ranked, rated or served, with repetition."""
        ranked_X = self.target_rows_BS[self.target_rows_BS >= 0]
        rated_X = self.rated_rows_BS[~self.target_ratings_BS.isnan()]
        served_X = ranked_X[:0] if self.slates is None else self.slates.named_rows()
        return torch.cat([self.read_rows(), ranked_X, rated_X, served_X])

    def at_places(self, rows_X: Tensor) -> TrainBatch:
        """Return the batch with places in a block of rows, which has all named rows, for rows.

        Padding gets any place.
        """

        def places(rows: Tensor) -> Tensor:
            return torch.searchsorted(rows_X, rows.contiguous()).clamp(max=len(rows_X) - 1)

        return replace(
            self,
            histories=replace(self.histories, rows_BL=places(self.histories.rows_BL)),
            target_rows_BS=torch.where(
                self.target_rows_BS >= 0, places(self.target_rows_BS), self.target_rows_BS
            ),
            rated_rows_BS=places(self.rated_rows_BS),
            shown_row_X=places(self.shown_row_X),
            slates=self.slates.at_places(rows_X) if self.slates is not None else None,
        )


def build_sequences(events: EventTable, rows_E: Numbers, config: TrainConfig) -> Sequences:
    """Return the events, which are sorted by user, as sequences.

    An impression or a rejection is a negative unless the user chose the item from then on.
    """
    signals = config.signals
    positive_E = positive_events(events, types=config.positive_types, rating=config.positive_rating)
    learnable_E = events.role_is("target", "replay")
    kept_E = events.attracts(signals) & (rows_E >= 0)
    unwanted_E = events.type_is((IMPRESSION, *signals.negative))
    codes = np.array([event_type_code(name) for name in events.types] or [0], dtype=np.int16)
    users = np.arange(len(events.users), dtype=np.int32)
    bounds = np.append(np.searchsorted(events.user_E[kept_E], users), kept_E.sum())
    shown = np.flatnonzero(unwanted_E & learnable_E & (rows_E >= 0))
    chosen = np.flatnonzero(kept_E & positive_E) if len(shown) else shown
    chosen_keys, shown_keys = (_pairs(events, rows_E, some) for some in (chosen, shown))
    shown = shown[_last_events(chosen_keys, chosen, shown_keys) < shown]
    return Sequences(
        rows=rows_E[kept_E],
        types=codes[events.type_E[kept_E]],
        ratings=events.rating_E[kept_E],
        at_s=events.at_s_E[kept_E],
        positive=positive_E[kept_E],
        learnable=learnable_E[kept_E],
        user_bounds=bounds.astype(np.int64),
        # kept events in front of each
        shown_places=np.cumsum(kept_E)[shown] - kept_E[shown],
        shown_rows=rows_E[shown].astype(np.int64),
        shown_users=events.user_E[shown].astype(np.int64),
    )


def _pairs(events: EventTable, rows_E: Numbers, some: Ints) -> Ints:
    """Return a number for each of some events that stands for its user and item."""
    pairs: Ints = events.user_E[some].astype(np.int64) * (int(rows_E.max(initial=0)) + 1)
    return pairs + rows_E[some]


def _last_events(keys_C: Ints, events_C: Ints, wanted_X: Ints) -> Ints:
    """Return for each wanted key the last of its events, which are ascending; −1 if it has none."""
    known_K, from_end_K = np.unique(keys_C[::-1], return_index=True)
    last_K = np.append(events_C[::-1][from_end_K], -1)
    place_X = np.searchsorted(known_K, wanted_X)
    found_X = np.append(known_K, -1)[place_X] == wanted_X
    return np.where(found_X, last_K[place_X], -1)


def cut_windows(
    sequences: Sequences,
    *,
    max_history: int,
    generator: np.random.Generator,
    first_user: int = 0,
    num_users: int | None = None,
) -> list[Window]:
    """Cover every learnable place once, cutting long histories at random places.

    A window is filled with context up to `max_history` events. Of `num_users` users the sequences
    have those from `first_user` on, which are cut as they are among all; by default they have all.
    """
    context = int(max_history * CONTEXT_SHARE)
    # The length of each user's first window; the others are as long as possible.
    drawn_U = generator.integers(
        context + 1,
        max_history + 1,
        len(sequences.user_bounds) - 1 if num_users is None else num_users,
    )[first_user:]
    wanted = sequences.learnable & (sequences.positive | ~np.isnan(sequences.ratings))
    windows = []
    for user, (low, high) in enumerate(
        zip(sequences.user_bounds[:-1], sequences.user_bounds[1:], strict=True)
    ):
        places = np.union1d(
            low + np.flatnonzero(wanted[low:high]),
            sequences.shown_places[_shown_to(sequences, user)],
        )
        if sequences.slates is not None:
            places = np.union1d(places, sequences.slates.places_of(user))
        length = int(drawn_U[user])
        done = 0
        while done < len(places):
            first = int(places[done])
            reach = max(low, first - context) + (
                length if done == 0 and high - low > max_history else max_history
            )
            done = int(np.searchsorted(places, reach)) if reach < high else len(places)
            stop = min(int(places[done - 1]) + 1, int(high))
            windows.append(
                Window(
                    user=user,
                    start=max(int(low), min(first, stop - max_history)),
                    first=first,
                    stop=stop,
                )
            )
    return windows


def batches(lengths_W: Ints, *, batch_size: int, generator: np.random.Generator) -> list[Ints]:
    """Return batches of windows, given by their lengths, in random order.

    A batch is the numbers of windows of similar length.
    """
    order = generator.permutation(len(lengths_W))
    groups: list[Ints] = []
    for start in range(0, len(order), batch_size * WINDOWS_A_SORT):
        drawn = order[start : start + batch_size * WINDOWS_A_SORT]
        chosen = drawn[np.argsort(lengths_W[drawn], kind="stable")]
        groups.extend(
            chosen[begin : begin + batch_size] for begin in range(0, len(chosen), batch_size)
        )
    return [groups[index] for index in generator.permutation(len(groups))]


def draw_withheld(
    num_windows: int, generator: np.random.Generator, *, dropout_seed: int
) -> list[Withheld]:
    """Decide what is hidden from each window of a batch."""
    draws = generator.random((num_windows, 2)) < (TIMELESS_SHARE, BARE_SHARE)
    keys = np.random.default_rng(dropout_seed).integers(-(2**31), 2**31, num_windows)
    return [
        Withheld(times=bool(times), signals=bool(signals), dropout_key=int(key))
        for (times, signals), key in zip(draws, keys, strict=True)
    ]


def assemble(
    sequences: Sequences, windows: Sequence[Window], withheld: Sequence[Withheld]
) -> TrainBatch:
    """Turn windows into tensors."""
    length = max(window.stop - window.start for window in windows)
    shape = (len(windows), length)
    rows = np.zeros(shape, dtype=np.int64)
    types = np.full(shape, event_type_code(UNTYPED), dtype=np.int64)
    ratings, at_s = np.full(shape, math.nan, dtype=np.float32), np.full(shape, math.nan)
    target_rows = np.full((len(windows), length + 1), -1, dtype=np.int64)
    target_ratings = np.full((len(windows), length + 1), math.nan, dtype=np.float32)
    rated_rows = np.zeros((len(windows), length + 1), dtype=np.int64)
    for user, window in enumerate(windows):
        events = slice(window.start, window.stop)
        filled = slice(0, window.stop - window.start)
        rows[user, filled] = sequences.rows[events]
        if not withheld[user].signals:
            types[user, filled], ratings[user, filled] = (
                sequences.types[events],
                sequences.ratings[events],
            )
        if not withheld[user].times:
            at_s[user, filled] = sequences.at_s[events]
        learned = sequences.learnable[events] & (
            np.arange(window.start, window.stop) >= window.first
        )
        target_rows[user, filled] = np.where(
            learned & sequences.positive[events], sequences.rows[events], -1
        )
        target_ratings[user, filled] = np.where(learned, sequences.ratings[events], math.nan)
        rated_rows[user, filled] = sequences.rows[events]
    shown_X3 = torch.tensor([*_shown_in(sequences, windows)], dtype=torch.long).view(-1, 3)
    return TrainBatch(
        histories=HistoryBatch(
            rows_BL=torch.from_numpy(rows),
            types_BL=torch.from_numpy(types),
            ratings_BL=torch.from_numpy(ratings),
            at_s_BL=torch.from_numpy(at_s),
            length_B=torch.tensor([window.stop - window.start for window in windows]),
            keys_B=_dropout_keys(withheld),
        ),
        target_rows_BS=torch.from_numpy(target_rows),
        rated_rows_BS=torch.from_numpy(rated_rows),
        target_ratings_BS=torch.from_numpy(target_ratings),
        shown_user_X=shown_X3[:, 0],
        shown_state_X=shown_X3[:, 1],
        shown_row_X=shown_X3[:, 2],
        slates=_slate_batch(sequences, windows),
    )


def _dropout_keys(withheld: Sequence[Withheld]) -> Tensor | None:
    keys = [one.dropout_key for one in withheld if one.dropout_key is not None]
    return torch.tensor(keys, dtype=torch.int32) if len(keys) == len(withheld) else None


def _shown_in(sequences: Sequences, windows: Sequence[Window]) -> Iterator[tuple[int, int, int]]:
    for user, window in enumerate(windows if len(sequences.shown_rows) else ()):
        ends = window.stop == sequences.user_bounds[window.user + 1]
        shown = _shown_to(sequences, window.user)
        for place, row in zip(
            sequences.shown_places[shown], sequences.shown_rows[shown], strict=True
        ):
            if window.first <= place < window.stop + int(ends):
                yield user, int(place) - window.start, int(row)


def _slate_batch(sequences: Sequences, windows: Sequence[Window]) -> SlateBatch | None:
    slates = sequences.slates
    return None if slates is None else slates.batch(_slates_in(sequences, slates, windows))


def _slates_in(
    sequences: Sequences, slates: SlatePlaces, windows: Sequence[Window]
) -> Iterator[tuple[int, int, int]]:
    """Yield the slates of windows: the window's number, the state, and the slate's number."""
    for user, window in enumerate(windows):
        ends = window.stop == sequences.user_bounds[window.user + 1]
        mine = slates.of_user(window.user)
        for number in range(mine.start, mine.stop):
            place = int(slates.places_J[number])
            if window.first <= place < window.stop + int(ends):
                yield user, place - window.start, number


def _shown_to(sequences: Sequences, user: int) -> slice:
    return slice(*np.searchsorted(sequences.shown_users, [user, user + 1]))
