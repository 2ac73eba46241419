"""What pictures and facts in the item tower are worth, for new, known and similar items.

    .venv/bin/python -m bench modalities [--parts planted,films,last,updates,costs] [--folds 5]
                                         [--models ...] [--timm FOLDER]

*Planted*: a made-up shop of eight kinds of items. Texts name the kind, or facts tell it (each maker
makes items of one kind), or rendered pictures show it (shape, colour and letter), or all do. A
tenth of the items and a fifth of the users are held out, as in the bench `cold`. The right text is
what the other modalities have to come near to. Pictures are encoded by EfficientNet-Lite0, which
needs timm and torchvision: `pip install --no-deps --target FOLDER timm torchvision`.

*Films*: MovieLens 100K with the demo's facts from Freebase, linked by title. Models without facts,
with one hop, and with one hop of the same facts shuffled among the films; `--models` adds those
without the hop (`train.facts.model = "embeddings"`) and vectors from TransE. A gain that stays with
shuffled facts is none of the graph's. *Last* is leave-one-out, *updates* follow the timeline.

*Costs*: a training step, its memory and a release with each slot and without.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data.planted_kinds import NUM_ITEMS, NUM_KINDS
from bench.ranking.cold import mean_of_users, user_means
from bench.ranking.film_facts import (
    ALL_EVENTS,
    ARRIVING,
    FACTS,
    FILM_MODELS,
    FILMS,
    HOP,
    MORE_MODELS,
    NEW_EVENTS,
    NO_FACTS,
    PRETRAINED,
    SHUFFLED,
    SHUFFLED_HOP,
    fold_results,
    gains_by_place,
    last_event_gains,
    update_gains,
)
from bench.ranking.modality_costs import slot_costs
from bench.ranking.modality_runs import OWN, RANKINGS
from bench.ranking.pictures import interval_of
from bench.ranking.planted_modalities import (
    BY_TASTE,
    NEIGHBOURS,
    PAIRS,
    find_timm,
    planted_results,
    pooled_shares,
)
from bench.report.labels import LEAVE_ONE_OUT, RANDOM
from bench.report.rows import BenchMetric, save

COMMAND = "python -m bench modalities"
PLANTED = "planted"
PARTS = (PLANTED, "films", "last", "updates", "costs")
SIMILAR, OWN_KIND = "items similar to new ones", "own kind among the ten nearest"
Values = NDArray[np.float64]
Pair = tuple[str, str]  # a model and what it is compared with
FILM_PAIRS = (
    *((model, NO_FACTS) for model in (HOP, SHUFFLED_HOP, *MORE_MODELS)),
    (HOP, SHUFFLED_HOP),
    *((model, SHUFFLED) for model in (FACTS, PRETRAINED)),
    *((model, FACTS) for model in (HOP, PRETRAINED)),
)


def metrics_of(
    set_name: str,
    folds: Sequence[Mapping[str, object]],
    pairs: Sequence[Pair],
    baselines: Sequence[str] = (),
) -> list[BenchMetric]:
    """Return means over users, random order, and the differences of some pairs of models.

    `baselines` are shown for each model that has them. Intervals are by bootstrap over users.
    """
    num_folds = f"{len(folds)} folds" if len(folds) > 1 else "1 fold"
    models, metrics = list(folds[0]), list[BenchMetric]()
    for ranking in RANKINGS:
        values = {}
        for model in models:
            parts = [_by_name(fold[model], ranking) for fold in folds]
            values[model] = user_means(parts, OWN, "NDCG@10")
            values[RANDOM] = user_means(parts, RANDOM, "NDCG@10")
            for name in (one for one in baselines if _has_gains(parts[0], one)):
                values[f"{model}: {name}"] = user_means(parts, name, "NDCG@10")
        metrics += _rows((ranking, set_name), values | _differences(values, pairs), num_folds)
    return metrics


def _by_name(result: object, ranking: str) -> dict[str, object]:
    """Return the users of a fold's events and all gains, as `user_means` reads them."""
    assert isinstance(result, dict)
    gains = {name: {"NDCG@10": one} for name, one in result[ranking]["gains"].items()}
    return {"users": result[ranking]["users"], "gains": gains}


def _has_gains(part: Mapping[str, object], name: str) -> bool:
    gains = part["gains"]
    return isinstance(gains, dict) and name in gains


def _differences(values: Mapping[str, Values], pairs: Sequence[Pair]) -> dict[str, Values]:
    """Return the differences of those pairs of which both were measured."""
    return {
        f"{model} − {control}": values[model] - values[control]
        for model, control in pairs
        if model in values and control in values
    }


def _rows(place: tuple[str, str], values: Mapping[str, Values], note: str) -> list[BenchMetric]:
    protocol, set_name = place
    return [
        mean_of_users(value_U, ("NDCG@10", protocol, name, set_name), (note,))
        for name, value_U in values.items()
    ]


def rows_of_users(
    protocol: str, gains: Mapping[str, Sequence[float]], note: str = ""
) -> list[BenchMetric]:
    """Return the means over users of films' models, and their differences from the controls."""
    values = {name: np.array(one) for name, one in gains.items()}
    return _rows((protocol, FILMS), values | _differences(values, FILM_PAIRS), note)


def run_planted(num_folds: int, *, with_pictures: bool) -> list[BenchMetric]:
    """Return what the made-up shop says of new items and of similar ones."""
    folds = planted_results(num_folds, with_pictures=with_pictures)
    metrics = metrics_of(PLANTED, folds, PAIRS, (NEIGHBOURS,))
    for model in folds[0]:
        for by, shares in pooled_shares(folds, model).items():
            name = f"{by}, {model}" if by == BY_TASTE else by
            metrics.append(_similar_row(name, np.array(shares)))
    others = NUM_ITEMS // NUM_KINDS - 1
    metrics.append(_similar_row(RANDOM, np.full(1, others / (NUM_ITEMS - 1))))
    # a modality is the same in all models that read it; the last one's row is kept
    return list({(one.protocol, one.model): one for one in metrics}.values())


def _similar_row(name: str, shares: Values) -> BenchMetric:
    mean, low, high = interval_of(shares)
    print(f"{PLANTED:8} {SIMILAR:28} {mean:.3f} [{low:.3f}, {high:.3f}] {name}", flush=True)
    return BenchMetric(
        metric=OWN_KIND,
        value=mean,
        low=low,
        high=high,
        unit="1",
        protocol=SIMILAR,
        model=name,
        set=PLANTED,
        note=f"{len(shares):,} new items" if len(shares) > 1 else "its expectation",
    )


def run_updates(models: Sequence[str]) -> list[BenchMetric]:
    """Return what the models of the films rank on the timeline, updated after each window."""
    found = update_gains(models)
    note = "of each window's users"
    return [
        row
        for ranking in (ALL_EVENTS, NEW_EVENTS)
        for row in rows_of_users(f"updates, {ranking}", gains_by_place(found, ranking), note)
    ]


def run_last_events(models: Sequence[str]) -> list[BenchMetric]:
    """Return what the models of the films rank on the last event of each user."""
    return rows_of_users(LEAVE_ONE_OUT, last_event_gains(models))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Pictures and facts in the ranking.")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--folds", type=int, default=5, help="the number of folds; at most 10")
    parser.add_argument(
        "--models",
        default=";".join(FILM_MODELS),
        help=f"of the films, with semicolons between them; more are {', '.join(MORE_MODELS)}",
    )
    parser.add_argument("--timm", type=Path, help="a folder with timm and torchvision")
    given = parser.parse_args(arguments)
    parts = given.parts.split(",")
    if unknown := [name for name in parts if name not in PARTS]:
        parser.error(f"--parts {unknown[0]}: no such part; there are {', '.join(PARTS)}")
    models = [name for name in (*FILM_MODELS, *MORE_MODELS) if name in given.models.split(";")]
    if PLANTED in parts:
        with_pictures = find_timm(given.timm)
        if not with_pictures:
            print("there is no timm, so pictures are left out")
        rows = run_planted(given.folds, with_pictures=with_pictures)
        save("modalities", PLANTED, rows, command=COMMAND)
    if "films" in parts:
        rows = metrics_of(ARRIVING, fold_results(models, given.folds), FILM_PAIRS)
        save("modalities", ARRIVING, rows, command=COMMAND)
    if "last" in parts:
        save("modalities", FILMS, run_last_events(models), command=COMMAND)
    if "updates" in parts:
        save("modalities", FILMS, run_updates(models), command=COMMAND)
    if "costs" in parts:
        save("modality-costs", "made-up catalogues", slot_costs(), command=COMMAND)
