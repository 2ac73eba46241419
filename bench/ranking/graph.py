"""What the names of a knowledge graph are worth as text, for new and for known films.

    .venv/bin/python -m bench graph [--folds 5]

MovieLens 100K with the demo's facts from Freebase. In each fold (as in the bench `cold`) a tenth of
the items and a fifth of the users are held out. Three models are trained: without facts, with the
names of what facts relate an item to after its text (`train.neighbour_names`), and with the same
facts shuffled among the films, which is the control: a gain that stays then is none of the graph's.
The entities of this graph have no names, so the encoder reads their ids.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.contestants.configs import CONFIGS
from bench.data.sets import load_set
from bench.data.snapshots import Roles, write_snapshot
from bench.ranking.cold import mean_of_users, train_and_release, user_means
from bench.ranking.cold_folds import USER_FOLDS, Fold, draw_events, event_batches, fold_of
from bench.ranking.cold_gains import gains_of
from bench.report.kept import code_digest, data_digest, kept_part
from bench.report.labels import KNOWN_AMONG_KNOWN, NEW_AMONG_ALL, NEW_AMONG_NEW
from bench.report.rows import BenchMetric, save
from cron.project_root import PROJECT_ROOT
from deploy.machine.demo_graph import KG, demo_graph
from recommender.ranking.ranker import Ranker
from sources.formats import open_source
from trainer.config import FactsConfig, TrainConfig

COMMAND = "python -m bench graph"
SET = "ml-100k"
NO_FACTS, FACTS, SHUFFLED = "without facts", "names of facts as text", "shuffled facts as text"
MODELS = (NO_FACTS, FACTS, SHUFFLED)
RANKINGS = (NEW_AMONG_ALL, NEW_AMONG_NEW, KNOWN_AMONG_KNOWN)
KNOWN_EVENTS = 2_000  # of a fold, drawn at random

Triple = tuple[str, str, str]


def read_triples() -> list[Triple]:
    """Return the demo's facts, with films under the ids of MovieLens 100K."""
    source = open_source(demo_graph(PROJECT_ROOT / "var") / KG)
    return [(str(one["head"]), str(one["relation"]), str(one["tail"])) for one in source.facts]


def shuffle_items(triples: Sequence[Triple], item_ids: Sequence[str], *, seed: int) -> list[Triple]:
    """Return the facts with the items that they name exchanged at random."""
    named = {end for head, _, tail in triples for end in (head, tail)}
    items = sorted(set(item_ids) & named)
    other = dict(zip(items, np.random.default_rng(seed).permutation(items).tolist(), strict=True))
    return [(other.get(head, head), name, other.get(tail, tail)) for head, name, tail in triples]


def run_fold(
    fold: Fold, config: TrainConfig, triples: Sequence[Triple], folder: Path
) -> dict[str, object]:
    """Return, by ranking, the user of each event and the gains by model."""
    facts = {
        NO_FACTS: [],
        FACTS: list(triples),
        SHUFFLED: shuffle_items(triples, fold.data.item_ids, seed=config.seed),
    }
    result: dict[str, dict[str, object]] = {}
    for model in MODELS:
        for ranking, (users, gains) in _gains(fold, config, facts[model], folder / model).items():
            part = result.setdefault(ranking, {"users": users, "gains": {}})
            shown = part["gains"]
            assert isinstance(shown, dict)
            shown[model] = gains
    return {**result}


def _gains(
    fold: Fold, config: TrainConfig, triples: Sequence[Triple], folder: Path
) -> Mapping[str, tuple[list[int], dict[str, list[float]]]]:
    """Train one model; return the users of the scored events and the gains, by ranking."""
    snapshot = folder / "snapshot"
    if not snapshot.exists():
        folder.mkdir(parents=True, exist_ok=True)
        roles = Roles(target_E=fold.train_E)
        write_snapshot(snapshot, fold.data, roles, mode="full", seed=config.seed)
        if triples:
            columns = dict(
                zip(("head", "relation", "tail"), zip(*triples, strict=True), strict=True)
            )
            pq.write_table(pa.table(columns), snapshot / "facts.parquet")
    reads_names = replace(config, neighbour_names=bool(triples))
    bundle, _ = train_and_release(fold, snapshot, reads_names, folder / "model")
    new_N = np.isin(
        [item.item_id for item in bundle.catalogue], np.array(fold.data.item_ids)[fold.cold_N]
    )
    panel_E, ranker = fold.panel_U[fold.data.users_E], Ranker(bundle)
    known_E = draw_events(panel_E & ~fold.cold_N[fold.data.items_E], KNOWN_EVENTS)
    asked = {
        NEW_AMONG_ALL: (fold.scored_E, np.ones_like(new_N)),
        NEW_AMONG_NEW: (fold.scored_E, new_N),
        KNOWN_AMONG_KNOWN: (known_E, ~new_N),
    }
    found = {}
    for ranking, (chosen_E, allowed_N) in asked.items():
        gains = gains_of(list(event_batches(fold.data, chosen_E, bundle)), ranker, allowed_N)
        users = fold.data.users_E[chosen_E].tolist()
        found[ranking] = (users, {"NDCG@10": gains.ndcg_X, "HR@10": gains.hit_X})
    return found


def metrics_of(folds: Sequence[Mapping[str, object]]) -> list[BenchMetric]:
    """Return means over users, and the differences of the graph from its two controls.

    Intervals are by bootstrap over users.
    """
    num_folds = f"{len(folds)} folds" if len(folds) > 1 else "1 fold"
    metrics = []
    for ranking in RANKINGS:
        for metric in ("NDCG@10", "HR@10"):
            values = {
                model: user_means([fold[ranking] for fold in folds], model, metric)
                for model in MODELS
            }
            for control in (NO_FACTS, SHUFFLED):
                values[f"{FACTS} − {control}"] = values[FACTS] - values[control]
            for model, value_U in values.items():
                metrics.append(mean_of_users(value_U, (metric, ranking, model, SET), (num_folds,)))
    return metrics


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="The names of facts as text.")
    parser.add_argument(
        "--folds", type=int, default=USER_FOLDS, help="the number of folds; at most 10"
    )
    given = parser.parse_args(arguments)
    data, triples = load_set(SET), read_triples()
    config = replace(CONFIGS[SET], facts=FactsConfig(model="off"))  # facts are read as text alone
    folds = []
    for number in range(given.folds):
        decided_by = (code_digest("bench/ranking/*.py"), data_digest(data), config, number)
        make = partial(run_fold, fold_of(data, number), config, triples)
        result = kept_part(f"graph/{SET}-{number}", decided_by, make)
        assert isinstance(result, dict)
        folds.append(result)
        print(f"fold {number} is done", flush=True)
    save("graph", SET, metrics_of(folds), command=COMMAND)
