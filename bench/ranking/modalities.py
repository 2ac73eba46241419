"""What facts in the item tower are worth, for new and for known items.

    .venv/bin/python -m bench modalities [--parts planted,films] [--folds 1] [--models ...]

*Planted*: a made-up shop of eight kinds of items. Texts name the kind, or facts tell it: each maker
makes items of one kind. A tenth of the items and a fifth of the users are held out, as in the bench
`cold`. The right text is what facts have to come near to.

*Films*: MovieLens 100K with the demo's facts from Freebase, linked by title. Models without facts,
with their vectors learned with the ranking (`train.facts.model = "embeddings"`), and with the same
facts shuffled among the films; `--models` adds vectors from TransE and one hop. A gain that stays
with shuffled facts is none of the graph's.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.contestants.configs import CONFIGS
from bench.data.planted_kinds import facts_of_kinds, planted_kinds, without_kinds
from bench.data.sets import load_set
from bench.data.snapshots import Roles, write_snapshot
from bench.ranking.cold import mean_of_users, train_and_release, user_means
from bench.ranking.cold_folds import Fold, draw_events, event_batches, fold_of
from bench.ranking.cold_gains import gains_of, random_gains
from bench.ranking.graph import Triple, read_triples, shuffle_items
from bench.report.kept import code_digest, data_digest, kept_part
from bench.report.labels import (
    ANY_AMONG_ALL,
    KNOWN_AMONG_KNOWN,
    NEW_AMONG_ALL,
    NEW_AMONG_NEW,
    RANDOM,
)
from bench.report.rows import BenchMetric, save
from recommender.ranking.ranker import Ranker
from trainer.config import FactsConfig, TrainConfig

COMMAND = "python -m bench modalities"
FILMS = "ml-100k"
NO_FACTS, FACTS, SHUFFLED = "without facts", "embeddings", "shuffled facts, embeddings"
PRETRAINED, HOP = "pretrained", "hop"
FILM_MODELS = (NO_FACTS, FACTS, SHUFFLED)
MORE_MODELS = (PRETRAINED, HOP)
TEXTS, FACTS_ALONE, BOTH = "right texts", "facts without texts", "right texts and facts"
PLANTED_MODELS = (TEXTS, FACTS_ALONE, BOTH)
RANKINGS = (NEW_AMONG_ALL, NEW_AMONG_NEW, ANY_AMONG_ALL, KNOWN_AMONG_KNOWN)
OTHER_EVENTS = 2_000  # of a fold, drawn at random


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsModel:
    """One model of a fold: its configuration, and the facts that it reads."""

    config: TrainConfig
    triples: Sequence[Triple]


def film_model(name: str, triples: Sequence[Triple], item_ids: Sequence[str]) -> FactsModel:
    """Return a model of the films by its name."""
    config = CONFIGS[FILMS]
    if name == NO_FACTS:
        return FactsModel(config=config, triples=())
    if name == SHUFFLED:
        triples = shuffle_items(triples, item_ids, seed=config.seed)
        name = FACTS
    facts = FactsConfig(model=name)  # type: ignore[arg-type]
    return FactsModel(config=replace(config, facts=facts), triples=triples)


def run_model(fold: Fold, model: FactsModel, folder: Path) -> dict[str, object]:
    """Train one model; return the users of the scored events and the gains, by ranking."""
    snapshot = folder / "snapshot"
    if not snapshot.exists():
        folder.mkdir(parents=True, exist_ok=True)
        roles = Roles(target_E=fold.train_E)
        write_snapshot(snapshot, fold.data, roles, mode="full", seed=model.config.seed)
        if model.triples:
            columns = zip(
                ("head", "relation", "tail"), zip(*model.triples, strict=True), strict=True
            )
            pq.write_table(pa.table(dict(columns)), snapshot / "facts.parquet")
    bundle, seconds = train_and_release(fold, snapshot, model.config, folder / "model")
    held_out = np.array(fold.data.item_ids)[fold.cold_N]
    new_N = np.isin([item.item_id for item in bundle.catalogue], held_out)
    panel_E, ranker = fold.panel_U[fold.data.users_E], Ranker(bundle)
    known_E = draw_events(panel_E & ~fold.cold_N[fold.data.items_E], OTHER_EVENTS)
    asked = {
        NEW_AMONG_ALL: (fold.scored_E, np.ones_like(new_N)),
        NEW_AMONG_NEW: (fold.scored_E, new_N),
        ANY_AMONG_ALL: (draw_events(panel_E, OTHER_EVENTS), np.ones_like(new_N)),
        KNOWN_AMONG_KNOWN: (known_E, ~new_N),
    }
    found: dict[str, object] = {"seconds": seconds}
    for ranking, (chosen_E, allowed_N) in asked.items():
        batches = list(event_batches(fold.data, chosen_E, bundle))
        found[ranking] = {
            "users": fold.data.users_E[chosen_E].tolist(),
            "gains": gains_of(batches, ranker, allowed_N).ndcg_X,
            RANDOM: random_gains(batches, allowed_N).ndcg_X,
        }
    return found


def run_films(models: Sequence[str], num_folds: int) -> list[BenchMetric]:
    """Train the models of the films, or take what is kept, and return the metrics."""
    data, triples = load_set(FILMS), read_triples()
    folds = []
    for number in range(num_folds):
        fold, results = fold_of(data, number), dict[str, object]()
        for name in models:
            model = film_model(name, triples, data.item_ids)
            results[name] = _kept_result(f"{FILMS}-{number}-{name}", fold, model)
        folds.append(results)
    return metrics_of(FILMS, folds, models, (NO_FACTS, SHUFFLED))


def run_planted(num_folds: int) -> list[BenchMetric]:
    """Train the models of the made-up shop and return the metrics."""
    data = planted_kinds()
    facts = facts_of_kinds(data)
    config = replace(CONFIGS[FILMS], full_epochs=20)
    reads_facts = replace(config, facts=FactsConfig(model="embeddings"))
    models = {
        TEXTS: (data, FactsModel(config=config, triples=())),
        FACTS_ALONE: (without_kinds(data), FactsModel(config=reads_facts, triples=facts)),
        BOTH: (data, FactsModel(config=reads_facts, triples=facts)),
    }
    folds = []
    for number in range(num_folds):
        results = dict[str, object]()
        for name, (items, model) in models.items():
            results[name] = _kept_result(f"planted-{number}-{name}", fold_of(items, number), model)
        folds.append(results)
    return metrics_of("planted", folds, PLANTED_MODELS, (TEXTS,))


def _kept_result(name: str, fold: Fold, model: FactsModel) -> object:
    """Return the kept result of a model, or train it."""
    code = code_digest("bench/ranking/modalities.py", "bench/ranking/cold*.py")
    decided_by = (code, data_digest(fold.data), model.config, len(model.triples), name)
    result = kept_part(f"modalities/{name}", decided_by, partial(run_model, fold, model))
    print(f"{name} is done", flush=True)
    return result


def metrics_of(
    set_name: str,
    folds: Sequence[Mapping[str, object]],
    models: Sequence[str],
    controls: Sequence[str],
) -> list[BenchMetric]:
    """Return means over users, random order, and the differences from the controls.

    Intervals are by bootstrap over users.
    """
    num_folds = f"{len(folds)} folds" if len(folds) > 1 else "1 fold"
    metrics = []
    for ranking in RANKINGS:
        parts = [_by_model(fold, ranking, models) for fold in folds]
        values = {name: user_means(parts, name, "NDCG@10") for name in (*models, RANDOM)}
        others = [model for model in models if model not in controls]
        for model, control in itertools.product(others, controls):
            values[f"{model} − {control}"] = values[model] - values[control]
        for name, value_U in values.items():
            place = ("NDCG@10", ranking, name, set_name)
            metrics.append(mean_of_users(value_U, place, (num_folds,)))
    return metrics


def _by_model(fold: Mapping[str, object], ranking: str, models: Sequence[str]) -> dict[str, object]:
    """Return the users of a fold's events and all gains, as `user_means` reads them."""
    users: object = None
    gains: dict[str, object] = {}
    for name in models:
        result = fold[name]
        assert isinstance(result, dict)
        users = result[ranking]["users"]
        gains[name] = {"NDCG@10": result[ranking]["gains"]}
        gains[RANDOM] = {"NDCG@10": result[ranking][RANDOM]}
    return {"users": users, "gains": gains}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Facts in the item tower.")
    parser.add_argument("--parts", default="planted,films", help="planted, films, or both")
    parser.add_argument("--folds", type=int, default=1, help="the number of folds; at most 10")
    parser.add_argument(
        "--models",
        default=",".join(FILM_MODELS),
        help=f"of the films; more are {', '.join(MORE_MODELS)}",
    )
    given = parser.parse_args(arguments)
    models = [name for name in (*FILM_MODELS, *MORE_MODELS) if name in given.models]
    if "planted" in given.parts:
        save("modalities", "planted", run_planted(given.folds), command=COMMAND)
    if "films" in given.parts:
        save("modalities", FILMS, run_films(models, given.folds), command=COMMAND)
