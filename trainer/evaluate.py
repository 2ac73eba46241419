"""Score models on a snapshot's `score` events, with the ranker that serves: full ranking, seen items filtered, history as of the event.

Knows events and rankers; decides nothing. E counts events of the table, X those that are scored.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from recommender.bundle import Bundle
from recommender.model import Baseline
from recommender.ranker import HistoryElement, Ranker, Rows, UserStates
from trainer.config import TrainConfig
from trainer.dataset import EventTable, Flags, Ints, positive_events
from trainer.metrics import TOP, coverage, ndcg, user_means
from trainer.report import Evaluation, Scores

EVENTS_AT_ONCE = 256
MAX_EVENTS = 20_000  # the newest; more would only sharpen the third digit and delay the release


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The events to score, and which of them count for ranking and for ratings."""

    events: EventTable
    place_X: Ints
    ranked_X: Flags
    rated_X: Flags
    user_X: Ints  # number into user_ids
    user_ids: tuple[str, ...]


def baseline_of(bundle: Bundle) -> Bundle:
    """Return the model without training that stands on a bundle's facts: popularity, text similarity, progressive biases."""
    config = replace(bundle.manifest.model, tower="baseline")
    model = Baseline(config)
    model.rating_mean.copy_(bundle.model.rating_mean)
    model.rating_std.copy_(bundle.model.rating_std)
    return replace(bundle, model=model, manifest=replace(bundle.manifest, model=config))


def scored_events(events: EventTable, config: TrainConfig, *, newest: int = MAX_EVENTS) -> Scored | None:
    """Pick what is scored: positive events for ranking, and ratings, of users with at least one positive event. None when there is none."""
    wanted_E = events.role_is("score") & ~events.impression_E
    if wanted_E.sum() > newest:
        wanted_E &= events.seq_E >= np.partition(events.seq_E[wanted_E], -newest)[-newest]
    ranked_E = wanted_E & positive_events(events, types=config.positive_types, rating=config.positive_rating)
    wanted_E &= np.isin(events.user_E, events.user_E[ranked_E])
    place_X = np.flatnonzero(wanted_E)
    if not len(place_X):
        return None
    numbers, user_X = np.unique(events.user_E[place_X], return_inverse=True)
    return Scored(
        events=events,
        place_X=place_X,
        ranked_X=ranked_E[place_X],
        rated_X=~np.isnan(events.rating_E[place_X]),
        user_X=user_X,
        user_ids=tuple(events.users[number] for number in numbers),
    )


def evaluate(scored: Scored, rankers: Mapping[str, Ranker], *, baselines_of: Ranker | None) -> Evaluation:
    """Score the rankers by name; with `baselines_of` also `popularity` and `biases` as of that ranker's counts."""
    models = {name: _scores(scored, ranker, popularity=False) for name, ranker in rankers.items()}
    if baselines_of is not None:
        baseline = Ranker(baseline_of(baselines_of.bundle))
        figures = _scores(scored, baseline, popularity=True)
        users = len(scored.user_ids)
        models["popularity"] = replace(figures, squared_error=(None,) * users)
        if scored.rated_X.any() and baseline.has_ratings:
            models["biases"] = Scores(ndcg=(0.0,) * users, squared_error=figures.squared_error, coverage=0.0)
    return Evaluation(
        user_ids=scored.user_ids,
        num_events=tuple(np.bincount(scored.user_X[scored.ranked_X], minlength=len(scored.user_ids)).tolist()),
        num_ratings=tuple(np.bincount(scored.user_X[scored.rated_X], minlength=len(scored.user_ids)).tolist()),
        models=models,
    )


def _scores(scored: Scored, ranker: Ranker, *, popularity: bool) -> Scores:
    gain_X = np.full(len(scored.place_X), np.nan)
    error_X = np.full(len(scored.place_X), np.nan)
    top_lists: list[Rows] = []
    for part in _chunks(scored, ranker):
        users = ranker.user_states(part.histories)
        scores_BN = ranker.scores(users) if not popularity else ranker.bundle.counts_N.expand(len(part.histories), -1)
        tops = ranker.top_k(scores_BN, [TOP] * len(part.histories), [None] * len(part.histories), part.seen)
        ranked_B = scored.ranked_X[part.chosen]
        gain_X[part.chosen] = [
            ndcg(rows, target) if ranked else np.nan for (rows, _), target, ranked in zip(tops, part.targets, ranked_B, strict=True)
        ]
        top_lists.extend(rows for (rows, _), ranked in zip(tops, ranked_B, strict=True) if ranked)
        if ranker.has_ratings:
            error_X[part.chosen] = _squared_errors(ranker, users, scored, part)
    users_error = user_means(error_X, scored.user_X, len(scored.user_ids))
    return Scores(
        ndcg=tuple(mean or 0.0 for mean in user_means(gain_X, scored.user_X, len(scored.user_ids))),
        squared_error=tuple(users_error),
        coverage=coverage(top_lists, len(ranker.catalogue)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    chosen: slice
    histories: list[list[HistoryElement]]
    seen: list[list[int]]
    targets: list[int]


def _chunks(scored: Scored, ranker: Ranker) -> Iterator[_Part]:
    events = scored.events
    rows_E = events.rows({item.item_id: row for row, item in enumerate(ranker.catalogue.items)})
    usable_E = ~events.impression_E
    elements = [_element(events, place, int(row)) if row >= 0 and usable_E[place] else None for place, row in enumerate(rows_E)]
    limit = ranker.bundle.manifest.model.max_history
    for begin in range(0, len(scored.place_X), EVENTS_AT_ONCE):
        places = scored.place_X[begin : begin + EVENTS_AT_ONCE]
        histories, seen = [], []
        for place in places:
            before = elements[events.user_starts[place] : place]
            known = [element for element in before if element is not None]
            histories.append(known[-limit:])
            seen.append(list({element.row for element in known if element.row is not None} - {int(rows_E[place])}))
        yield _Part(
            chosen=slice(begin, begin + len(places)), histories=histories, seen=seen, targets=[int(rows_E[place]) for place in places]
        )


def _element(events: EventTable, place: int, row: int) -> HistoryElement:
    rating = float(events.rating_E[place])
    return HistoryElement(
        row=row, type=events.types[events.type_E[place]], rating=None if math.isnan(rating) else rating, at_s=float(events.at_s_E[place])
    )


def _squared_errors(ranker: Ranker, users: UserStates, scored: Scored, part: _Part) -> npt.NDArray[np.float64]:
    """Compare with the ratings given; NaN where there was none. An item that the catalogue lacks is predicted like one without text."""
    actual_B = scored.events.rating_E[scored.place_X[part.chosen]]
    rows_B = torch.tensor(part.targets)
    nameless_B1T = torch.zeros(len(rows_B), 1, ranker.bundle.manifest.model.text_dim)
    predicted_B = ranker.text_ratings(users, nameless_B1T).squeeze(1)
    if len(ranker.catalogue):
        predicted_B = torch.where(rows_B < 0, predicted_B, ranker.ratings(users, rows_B.clamp(min=0).unsqueeze(1)).squeeze(1))
    errors_B: npt.NDArray[np.float64] = (predicted_B.double().numpy() - actual_B) ** 2
    return errors_B
