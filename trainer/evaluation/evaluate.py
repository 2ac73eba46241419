"""Score models on a snapshot's `score` events, with the same ranker that serves.

The ranking is over the whole catalogue without the items that the user has seen, from the history
before the event. E counts events of the table, X those that are scored.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recommender.arrays.best_rows import Rows
from recommender.bundle import Bundle
from recommender.network.model import Baseline
from recommender.ranking.history_columns import HistoryElement
from recommender.ranking.ranker import Ranker
from trainer.config import TrainConfig
from trainer.data.dataset import EventTable, Flags, Ints, positive_events
from trainer.evaluation.metrics import TOP, coverage, ndcg, user_means
from trainer.report import Evaluation, Scores

EVENTS_AT_ONCE = 256  # of a catalogue that is not scanned, their scores take up to 20 MB
MAX_EVENTS = 20_000  # the newest; more would change only the third digit and delay the release


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The events to score, and which of them count for ranking and for ratings."""

    events: EventTable
    place_X: Ints
    ranked_X: Flags
    rated_X: Flags
    user_X: Ints  # index into user_ids
    user_ids: tuple[str, ...]


def baseline_of(bundle: Bundle) -> Bundle:
    """Return an untrained model with a bundle's facts.

    It ranks by popularity and text similarity, and predicts ratings by progressive biases.
    """
    config = replace(bundle.manifest.model, tower="baseline")
    model = Baseline(config)
    model.rating_mean.copy_(bundle.model.rating_mean)
    model.rating_std.copy_(bundle.model.rating_std)
    manifest = replace(bundle.manifest, model=config)
    return replace(bundle, model=model, manifest=manifest, cells=None)


def scored_events(
    events: EventTable, config: TrainConfig, *, newest: int | None = MAX_EVENTS
) -> Scored | None:
    """Choose the positive events, for ranking, and the ratings to score.

    Only users with at least one positive event are scored; return None when there are none.
    `newest` limits the number of events, keeping the newest; None keeps all.
    """
    wanted_E = events.role_is("score") & ~events.impression_E
    if newest is not None and wanted_E.sum() > newest:
        wanted_E &= events.seq_E >= np.partition(events.seq_E[wanted_E], -newest)[-newest]
    ranked_E = wanted_E & positive_events(
        events, types=config.positive_types, rating=config.positive_rating
    )
    rated_E = ~np.isnan(events.rating_E)
    wanted_E &= np.isin(events.user_E, events.user_E[ranked_E]) & (ranked_E | rated_E)
    place_X = np.flatnonzero(wanted_E)
    if not len(place_X):
        return None
    numbers, user_X = np.unique(events.user_E[place_X], return_inverse=True)
    return Scored(
        events=events,
        place_X=place_X,
        ranked_X=ranked_E[place_X],
        rated_X=rated_E[place_X],
        user_X=user_X,
        user_ids=tuple(events.users[number] for number in numbers),
    )


def evaluate(
    scored: Scored, rankers: Mapping[str, Ranker], *, baselines_of: Ranker | None
) -> Evaluation:
    """Score the rankers by name.

    With `baselines_of`, also score `popularity` and `biases`, computed from that ranker's counts.
    """
    models = {name: _scores(scored, ranker, popularity=False) for name, ranker in rankers.items()}
    if baselines_of is not None:
        baseline = Ranker(baseline_of(baselines_of.bundle))
        scores = _scores(scored, baseline, popularity=True)
        users = len(scored.user_ids)
        models["popularity"] = replace(scores, squared_error=(None,) * users)
        if scored.rated_X.any() and baseline.has_ratings:
            models["biases"] = Scores(
                ndcg=(0.0,) * users, squared_error=scores.squared_error, coverage=0.0
            )
    return Evaluation(
        user_ids=scored.user_ids,
        num_events=tuple(
            np.bincount(scored.user_X[scored.ranked_X], minlength=len(scored.user_ids)).tolist()
        ),
        num_ratings=tuple(
            np.bincount(scored.user_X[scored.rated_X], minlength=len(scored.user_ids)).tolist()
        ),
        models=models,
    )


def _scores(scored: Scored, ranker: Ranker, *, popularity: bool) -> Scores:
    gain_X = np.full(len(scored.place_X), np.nan)
    error_X = np.full(len(scored.place_X), np.nan)
    top_lists: list[Rows] = []
    for part in _parts(scored, ranker):
        state_BD = ranker.states_along(part.histories, part.lengths)
        ranked = np.flatnonzero(scored.ranked_X[part.chosen_B])
        seen = [part.seen[number] for number in ranked]
        if popularity:
            tops = [ranker.popular_rows(TOP, rows) for rows in seen]
        else:
            users = len(ranked)
            lists = ranker.top_lists(state_BD[ranked], [TOP] * users, [None] * users, seen)
            tops = [rows for rows, _ in lists]
        for number, rows in zip(ranked, tops, strict=True):
            gain_X[part.chosen_B[number]] = ndcg(rows, part.targets[number])
            top_lists.append(rows)
        if ranker.has_ratings:
            error_X[part.chosen_B] = _squared_errors(ranker, state_BD, scored, part)
    users_error = user_means(error_X, scored.user_X, len(scored.user_ids))
    return Scores(
        ndcg=tuple(mean or 0.0 for mean in user_means(gain_X, scored.user_X, len(scored.user_ids))),
        squared_error=tuple(users_error),
        coverage=coverage(top_lists, len(ranker.catalogue)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Events that are scored together.

    `chosen_B` are their indices in X. Each history is used for several events, with the number of
    its elements that precede each of them in `lengths`.
    """

    chosen_B: Ints
    histories: list[list[HistoryElement]]
    lengths: list[list[int]]
    seen: list[list[int]]
    targets: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """Scored events [first, stop) of a user that share a history, the known events [low, high)."""

    first: int
    stop: int
    low: int
    high: int


def _parts(scored: Scored, ranker: Ranker) -> Iterator[_Part]:
    events = scored.events
    rows_E = events.rows(ranker.catalogue)
    known, begin_X, end_X = _before(
        scored, events.attracts(ranker.bundle.manifest.signals) & (rows_E >= 0)
    )
    met, first_met_X, last_met_X = _before(scored, ~events.impression_E & (rows_E >= 0))
    spans = _spans(begin_X, end_X, limit=ranker.bundle.manifest.model.max_history)
    for group in _groups(spans, size=EVENTS_AT_ONCE):
        chosen_B = np.concatenate([np.arange(span.first, span.stop) for span in group])
        targets = rows_E[scored.place_X[chosen_B]].tolist()
        yield _Part(
            chosen_B=chosen_B,
            histories=[
                [
                    history_element(events, place, int(rows_E[place]))
                    for place in known[span.low : span.high]
                ]
                for span in group
            ],
            lengths=[(end_X[span.first : span.stop] - span.low).tolist() for span in group],
            seen=[
                [row for row in rows_E[met[begin:end]].tolist() if row != target]
                for begin, end, target in zip(
                    first_met_X[chosen_B], last_met_X[chosen_B], targets, strict=True
                )
            ],
            targets=targets,
        )


def _before(scored: Scored, marked_E: Flags) -> tuple[Ints, Ints, Ints]:
    """Return the marked events, and for each scored event which of them precede it.

    Those are the marked events [begin, end) of the event's user.
    """
    num_before_E: Ints = np.cumsum(marked_E) - marked_E
    begin_X = num_before_E[scored.events.user_starts[scored.place_X]]
    return np.flatnonzero(marked_E), begin_X, num_before_E[scored.place_X]


def _spans(begin_X: Ints, end_X: Ints, *, limit: int) -> list[_Span]:
    """Cut the scored events, which are sorted by user, into runs that share a history.

    A user's known events are [begin, end) at each of them. A state reads all of those, or at least
    two thirds of `limit`; a run of one reads `limit`.
    """
    spans: list[_Span] = []
    first = 0
    for place in range(1, len(begin_X) + 1):
        if place < len(begin_X) and begin_X[place] == begin_X[first]:
            fits = end_X[place] - begin_X[first] <= limit
            if fits or end_X[place] - end_X[first] <= limit // 3:
                continue
        high = int(end_X[place - 1])
        spans.append(
            _Span(first=first, stop=place, low=max(int(begin_X[first]), high - limit), high=high)
        )
        first = place
    return spans


def _groups(spans: list[_Span], *, size: int) -> Iterator[list[_Span]]:
    """Yield spans of similar lengths in groups of about `size` events."""
    group: list[_Span] = []
    for span in sorted(spans, key=lambda one: one.high - one.low):
        group.append(span)
        if sum(one.stop - one.first for one in group) >= size:
            yield group
            group = []
    if group:
        yield group


def history_element(events: EventTable, place: int, row: int) -> HistoryElement:
    """Return an event as an element of a history."""
    rating = float(events.rating_E[place])
    return HistoryElement(
        row=row,
        type=events.types[events.type_E[place]],
        rating=None if math.isnan(rating) else rating,
        at_s=float(events.at_s_E[place]),
    )


def _squared_errors(
    ranker: Ranker, state_BD: Tensor, scored: Scored, part: _Part
) -> npt.NDArray[np.float64]:
    """Return the squared errors of predicted ratings; NaN where there was no rating.

    An item that the catalogue lacks is predicted like an item without text.
    """
    actual_B = scored.events.rating_E[scored.place_X[part.chosen_B]].astype(np.float64)
    rows_B = torch.tensor(part.targets)
    nameless_B1T = torch.zeros(len(rows_B), 1, ranker.bundle.manifest.model.text_dim)
    predicted_B = ranker.text_ratings(state_BD, nameless_B1T).squeeze(1)
    if len(ranker.catalogue):
        predicted_B = torch.where(
            rows_B < 0,
            predicted_B,
            ranker.ratings(state_BD, rows_B.clamp(min=0).unsqueeze(1)).squeeze(1),
        )
    errors_B: npt.NDArray[np.float64] = (predicted_B.double().numpy() - actual_B) ** 2
    return errors_B
