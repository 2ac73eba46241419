"""The films of the bench of modalities: with facts of MovieLens 100K, or shuffled ones.

*New films*: by folds, as in the bench `cold`; facts that name them arrive with them.
*Leave-one-out*: the last event of each user, from all others. *Updates*: a model of the first half
of the timeline ranks each tenth of the other half, and is then updated with it; films come with
their first events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from bench.contestants.configs import CONFIGS
from bench.contestants.offline import train_bundle, user_scores
from bench.data.leave_one_out import split_of
from bench.data.sets import RatingsSet, load_set
from bench.data.snapshots import Flags, Roles, write_snapshot
from bench.ranking.cold_folds import fold_of
from bench.ranking.graph import Triple, read_triples, shuffle_items
from bench.ranking.modality_runs import ModalityModel, kept_gains, key_of, write_facts
from bench.ranking.stream import Stream, stream_of
from bench.ranking.stream_lines import StreamLine, train_line, update_line
from bench.report.kept import kept_part, work_folder
from recommender.bundle import load_bundle
from trainer.config import FactsConfig

FILMS = "ml-100k"
ARRIVING = f"{FILMS}, facts that arrive with films"  # how rows of folds name the set
NO_FACTS, FACTS, PRETRAINED, HOP = "without facts", "embeddings", "pretrained", "hop"
SHUFFLED, SHUFFLED_HOP = f"shuffled facts, {FACTS}", f"shuffled facts, {HOP}"
CONTROLS = {SHUFFLED: FACTS, SHUFFLED_HOP: HOP}  # how they read the shuffled facts
FILM_MODELS = (NO_FACTS, HOP, SHUFFLED_HOP)
MORE_MODELS = (FACTS, SHUFFLED, PRETRAINED)
NUM_WINDOWS = 5
ALL_EVENTS, NEW_EVENTS = "all events", "films that came after the first half"


def film_model(name: str, triples: Sequence[Triple], item_ids: Sequence[str]) -> ModalityModel:
    """Return a model of the films by its name."""
    config = CONFIGS[FILMS]
    if name == NO_FACTS:
        return ModalityModel(config=replace(config, facts=FactsConfig(model="off")))
    if name in CONTROLS:
        triples = shuffle_items(triples, item_ids, seed=config.seed)
    facts = FactsConfig(model=CONTROLS.get(name, name))  # type: ignore[arg-type]
    return ModalityModel(config=replace(config, facts=facts), triples=triples)


def film_models(names: Sequence[str]) -> tuple[RatingsSet, dict[str, ModalityModel]]:
    """Return the films and the models by name."""
    data, triples = load_set(FILMS), read_triples()
    return data, {name: film_model(name, triples, data.item_ids) for name in names}


def fold_results(names: Sequence[str], num_folds: int) -> list[dict[str, object]]:
    """Train the models of each fold, or take what is kept, and return the gains by model."""
    data, models = film_models(names)
    folds = []
    for number in range(num_folds):
        fold = fold_of(data, number)
        folds.append(
            {
                name: kept_gains(f"{FILMS}-{number}-{name}", fold, model)
                for name, model in models.items()
            }
        )
    return folds


def last_event_gains(names: Sequence[str]) -> dict[str, list[float]]:
    """Return, by model, the gain of each user's last event, trained on all events before it."""
    data, models = film_models(names)
    found = dict[str, list[float]]()
    for name, model in models.items():
        key = f"last-event-{name}"
        run = partial(_rank_last_events, data, model)
        gains = kept_part(f"modalities/{key}", key_of(key, data, model), run)
        assert isinstance(gains, list)
        found[name] = gains
        print(f"{key} is done", flush=True)
    return found


def _rank_last_events(data: RatingsSet, model: ModalityModel, folder: Path) -> list[float]:
    split, config, snapshot = split_of(data), model.config, folder / "snapshot"
    if not snapshot.exists():
        roles = Roles(target_E=split.train_E)
        write_snapshot(snapshot, data, roles, mode="full", seed=config.seed)
        write_facts(snapshot, model.triples)
    bundle, _ = train_bundle(
        snapshot, config, folder / "candidate", text_cache=work_folder() / "texts"
    )
    scores = user_scores(data, split.asked_E, split.train_E, bundle, config, folder=folder)
    gains: list[float] = scores["candidate"].tolist()
    return gains


def update_gains(names: Sequence[str]) -> dict[str, object]:
    """Return, by model, the gains of the users of each window: of all events and of new ones.

    Each window is ranked by the model that was updated with those before it.
    """
    data, models = film_models(names)
    stream, found = stream_of(data, NUM_WINDOWS), dict[str, object]()
    for name, model in models.items():
        key = f"updates-{name}"
        run = partial(_follow, stream, model)
        found[name] = kept_part(f"modalities/{key}", key_of(key, data, model), run)
        print(f"{key} is done", flush=True)
    return found


def _follow(stream: Stream, model: ModalityModel, folder: Path) -> dict[str, list[float]]:
    known_E = stream.between(0, stream.base)
    complete = partial(write_facts, triples=model.triples)
    line = train_line(stream, model.config, folder / "base", known_E, complete=complete)
    gains: dict[str, list[float]] = {ALL_EVENTS: [], NEW_EVENTS: []}
    for number, (first, last) in enumerate(stream.windows):
        asked_E = stream.between(first, last)
        came = np.setdiff1d(stream.data.items_E[:first], stream.data.items_E[: stream.base])
        new_E = asked_E & np.isin(stream.data.items_E, came)
        for name, chosen_E in ((ALL_EVENTS, asked_E), (NEW_EVENTS, new_E)):
            if chosen_E.any():
                gains[name] += _window_gains(stream, line, chosen_E, first, folder)
        if last < stream.bounds[-1]:
            line = update_line(stream, line, folder / f"{number}", first, last, how="update")
    return gains


def _window_gains(
    stream: Stream, line: StreamLine, chosen_E: Flags, first: int, folder: Path
) -> list[float]:
    """Return the mean gain of each user with chosen events, in order of the users' names."""
    bundle = load_bundle(line.folder / "candidate" / "bundle")
    known_E = stream.between(0, first)
    scores = user_scores(stream.data, chosen_E, known_E, bundle, line.config, folder=folder)
    gains: list[float] = scores["candidate"].tolist()
    return gains


def gains_by_place(found: Mapping[str, object], ranking: str) -> dict[str, list[float]]:
    """Return the gains of one ranking of `update_gains` by model."""
    by_model = {}
    for name, gains in found.items():
        assert isinstance(gains, dict)
        by_model[name] = gains[ranking]
    return by_model
