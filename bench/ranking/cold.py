"""Items that nobody has met: ranked from their text alone, beside what a shop could do without a model.

    .venv/bin/python -m bench cold [--sets ml-100k,ml-1m,beauty] [--folds 5] [--sample 1.0]

In each fold a tenth of the items and a fifth of the users (both by hash, other ones in each fold)
are held out entirely: no event of such a user, no event and no record of such an item is trained
on. Then the items arrive as they do in the product, by a release without gradients (mode `items`:
texts encoded, rows appended), and every event of a held-out user on a held-out item is ranked from
everything that the user did before it: among all items, and among the new ones alone; seen ones
filtered. Users are held out as the panel is, since a model that has learned a user's other events
ranks those first. Whoever puts new items first wins the first of these rankings, so the same users'
events on any item, and on known ones with the new ones among them and without, stand beside it.
Baselines: random (its expectation), popularity among neighbours by text, the cosine of texts with
the history, and the project's first sketch, trained on the same events. Finished folds are kept in
var/bench by what decides them.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.contestants.configs import CONFIGS, SKETCH, sketch_config
from bench.contestants.offline import figure, train_bundle
from bench.data.sets import RatingsSet, load_set
from bench.data.snapshots import Flags, Roles, write_snapshot
from bench.report.kept import WORK, code_digest, data_digest, kept_part
from bench.report.rows import Measure, save
from recommender.bundle import Bundle
from recommender.ranker import HistoryElement, Ranker
from trainer.config import TrainConfig
from trainer.evaluate import baseline_of
from trainer.metrics import TOP, ndcg

COMMAND = "python -m bench cold"
SETS = ("ml-100k", "ml-1m", "beauty")
ITEM_FOLDS, USER_FOLDS = 10, 5
NEIGHBOURS = (1, 3, 10, 30, 100)
TUNING_EVENTS = 2_000
OTHER_EVENTS = 4_000  # of a fold, drawn at random
EVENTS_AT_ONCE = 256
OURS, RANDOM, POPULAR, SIMILAR = (
    "Freshet, text alone",
    "random",
    "popularity among neighbours by text",
    "cosine of texts with the history",
)
OTHERS = (POPULAR, SIMILAR, SKETCH, RANDOM)
ALL, NEW = "new items among all", "new items among new ones"
KNOWN, ALONE = "known items among all", "known items among known ones"
ANY = "any item among all"
RANKINGS = (ALL, NEW, ANY, KNOWN, ALONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Which items and users of a set are held out; `tuned_N` are known items on which the neighbour baseline is tuned."""

    data: RatingsSet
    cold_N: Flags
    tuned_N: Flags
    panel_U: Flags

    @property
    def train_E(self) -> Flags:
        """Events of known users on known items."""
        return ~self.cold_N[self.data.items_E] & ~self.panel_U[self.data.users_E]

    @property
    def scored_E(self) -> Flags:
        """Events of held-out users on held-out items."""
        return self.cold_N[self.data.items_E] & self.panel_U[self.data.users_E]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some scored events: what their users did before them, which rows those were, and the row that came."""

    histories: list[list[HistoryElement]]
    seen: list[list[int]]
    targets: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gains:
    """What each scored event brought a model: NDCG@10, and 1 when the item was among the ten."""

    ndcg_X: list[float]
    hit_X: list[float]


def fold_of(data: RatingsSet, number: int) -> Fold:
    """Return one fold. An item without a text can't be held out: nothing would be known about it."""
    items_N = np.array([_bucket(f"item {item_id}", ITEM_FOLDS) for item_id in data.item_ids])
    users_U = np.array([_bucket(f"user {user}", USER_FOLDS) for user in range(data.num_users)])
    told_N = np.array([record is not None for record in data.items])
    return Fold(
        data=data,
        cold_N=(items_N == number % ITEM_FOLDS) & told_N,
        tuned_N=(items_N == (number + 1) % ITEM_FOLDS) & told_N,
        panel_U=users_U == number % USER_FOLDS,
    )


def _bucket(name: str, buckets: int) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % buckets


def sampled(data: RatingsSet, share: float) -> RatingsSet:
    """Return the set with a share of its users only, by hash; items keep their numbers."""
    limit = round(share * 1000)
    kept_U = np.array([_bucket(f"sample {user}", 1000) < limit for user in range(data.num_users)])
    kept_E = kept_U[data.users_E]
    columns = {
        name: getattr(data, name)[kept_E] for name in ("users_E", "items_E", "ratings_E", "at_s_E")
    }
    return replace(data, **columns)


def released(fold: Fold, snapshot: Path, config: TrainConfig, folder: Path) -> tuple[Bundle, float]:
    """Train on the fold's snapshot, then bring the held-out items in by a release without gradients; return bundle and seconds.

    The rows of items don't depend on the configuration.
    """
    torch.set_num_threads(config.num_threads)
    folder.mkdir(exist_ok=True)
    _, seconds = train_bundle(snapshot, config, folder / "candidate", text_cache=WORK / "texts")
    roles = Roles(target_E=np.zeros_like(fold.train_E), more_items=np.flatnonzero(fold.cold_N))
    for name in ("arrival", "release"):
        shutil.rmtree(folder / name, ignore_errors=True)
    arrival = write_snapshot(folder / "arrival", fold.data, roles, mode="items", seed=config.seed)
    for name, source in (("live", "bundle"), ("state", "state")):
        shutil.copytree(folder / "candidate" / source, arrival / name)
    bundle, _ = train_bundle(arrival, config, folder / "release", text_cache=WORK / "texts")
    for done in ("arrival", "candidate"):
        shutil.rmtree(folder / done)
    return bundle, seconds


def parts_of(data: RatingsSet, chosen_E: Flags, bundle: Bundle) -> Iterator[Part]:
    """Yield the chosen events in order, each with all that its user did before it, also with items that were new then."""
    row_of_id = {item.item_id: row for row, item in enumerate(bundle.catalogue.items)}
    row_N = np.array([row_of_id.get(item_id, -1) for item_id in data.item_ids])
    rows_E = row_N[data.items_E]
    places_of_user = np.split(
        np.argsort(data.users_E, kind="stable"), np.cumsum(np.bincount(data.users_E))[:-1]
    )
    chosen = np.flatnonzero(chosen_E)
    for start in range(0, len(chosen), EVENTS_AT_ONCE):
        part = Part(histories=[], seen=[], targets=[])
        for place in chosen[start : start + EVENTS_AT_ONCE]:
            own = places_of_user[data.users_E[place]]
            before = [int(one) for one in own[: np.searchsorted(own, place)] if rows_E[one] >= 0]
            part.histories.append(
                [
                    _element(data, one, int(rows_E[one]))
                    for one in before[-bundle.manifest.model.max_history :]
                ]
            )
            part.seen.append(list({int(rows_E[one]) for one in before} - {int(rows_E[place])}))
            part.targets.append(int(rows_E[place]))
        yield part


def _element(data: RatingsSet, place: int, row: int) -> HistoryElement:
    rating = float(data.ratings_E[place])
    rated = not math.isnan(rating)
    return HistoryElement(
        row=row,
        type="rating" if rated else "view",
        rating=rating if rated else None,
        at_s=float(data.at_s_E[place]),
    )


def gains_of(
    parts: Sequence[Part], ranker: Ranker, allowed_N: Flags, score_N: Tensor | None = None
) -> Gains:
    """Rank the allowed items for every event by the ranker's own scores, or by one `score_N` for everybody."""
    found = Gains(ndcg_X=[], hit_X=[])
    for part in parts:
        num = len(part.targets)
        scores_BN = (
            ranker.scores(ranker.user_states(part.histories))
            if score_N is None
            else score_N.expand(num, -1)
        )
        tops = ranker.top_k(scores_BN, [TOP] * num, [allowed_N] * num, part.seen)
        found.ndcg_X.extend(
            ndcg(rows, target) for (rows, _), target in zip(tops, part.targets, strict=True)
        )
        found.hit_X.extend(
            float(target in rows) for (rows, _), target in zip(tops, part.targets, strict=True)
        )
    return found


def random_gains(parts: Sequence[Part], allowed_N: Flags) -> Gains:
    """Return the expectation of an order drawn at random: each of the n open items has every place with probability 1 / n."""
    found = Gains(ndcg_X=[], hit_X=[])
    for part in parts:
        for seen in part.seen:
            num_open = int(allowed_N.sum()) - int(allowed_N[seen].sum())
            found.ndcg_X.append(
                sum(1.0 / math.log2(place + 1) for place in range(1, min(TOP, num_open) + 1))
                / num_open
            )
            found.hit_X.append(min(1.0, TOP / num_open))
    return found


def neighbour_popularity(bundle: Bundle, new_N: Flags, num_neighbours: int) -> Tensor:
    """Return log(1 + count) of known items, and for new ones its mean over their nearest known neighbours by cosine of whitened texts."""
    popularity_N = torch.log1p(bundle.counts_N)
    new_rows, known_rows = (
        np.flatnonzero(new_N),
        np.flatnonzero(~new_N & bundle.facts.has_text_N.numpy() & (bundle.counts_N.numpy() > 0)),
    )
    cosine_CK = bundle.facts.texts_NT[new_rows] @ bundle.facts.texts_NT[known_rows].T
    nearest_CK = cosine_CK.topk(min(num_neighbours, len(known_rows)), dim=1).indices
    popularity_N[new_rows] = popularity_N[known_rows][nearest_CK].mean(1)
    return popularity_N


def drawn(chosen_E: Flags, most: int) -> Flags:
    """Return at most so many of the chosen events, drawn at random."""
    places = np.flatnonzero(chosen_E)
    kept_E = np.zeros_like(chosen_E)
    kept_E[np.random.default_rng(0).choice(places, size=min(most, len(places)), replace=False)] = (
        True
    )
    return kept_E


def tuned_neighbours(fold: Fold, bundle: Bundle, flags_of: Mapping[str, Flags]) -> dict[str, int]:
    """Choose the number of neighbours for either ranking: on known items, taken for new ones, and events of users that were trained on."""
    tuned_E = fold.tuned_N[fold.data.items_E] & ~fold.panel_U[fold.data.users_E]
    parts, ranker = list(parts_of(fold.data, drawn(tuned_E, TUNING_EVENTS), bundle)), Ranker(bundle)
    allowed = {ALL: ~flags_of["new"], NEW: flags_of["tuned"]}
    chosen = {}
    for among, allowed_N in allowed.items():
        scores = {
            number: gains_of(
                parts,
                ranker,
                allowed_N,
                neighbour_popularity(bundle, flags_of["tuned"] | flags_of["new"], number),
            )
            for number in NEIGHBOURS
        }
        chosen[among] = max(NEIGHBOURS, key=lambda number: float(np.mean(scores[number].ndcg_X)))
    return chosen


def run_fold(fold: Fold, config: TrainConfig, folder: Path) -> dict[str, object]:
    """Return by ranking the user of each event and the gains by model; the chosen neighbours; the seconds of training."""
    snapshot = folder / "snapshot"
    if not snapshot.exists():
        write_snapshot(
            snapshot, fold.data, Roles(target_E=fold.train_E), mode="full", seed=config.seed
        )
    bundle, seconds = released(fold, snapshot, config, folder)
    sketch, _ = released(fold, snapshot, sketch_config(config), folder / "sketch")
    flags_of = {
        name: np.isin(
            [item.item_id for item in bundle.catalogue.items], np.array(fold.data.item_ids)[held_N]
        )
        for name, held_N in (("new", fold.cold_N), ("tuned", fold.tuned_N))
    }
    neighbours = tuned_neighbours(fold, bundle, flags_of)
    level = replace(bundle, facts=replace(bundle.facts, counts_N=torch.zeros_like(bundle.counts_N)))
    rankers = {OURS: Ranker(bundle), SKETCH: Ranker(sketch), SIMILAR: Ranker(baseline_of(level))}
    panel_E = fold.panel_U[fold.data.users_E]
    any_E, known_E = (
        drawn(panel_E, OTHER_EVENTS),
        drawn(panel_E & ~fold.cold_N[fold.data.items_E], OTHER_EVENTS),
    )
    every_N, new_N = np.ones(len(bundle.catalogue), np.bool_), flags_of["new"]
    rankings = {
        ALL: (fold.scored_E, every_N),
        NEW: (fold.scored_E, new_N),
        ANY: (any_E, every_N),
        KNOWN: (known_E, every_N),
        ALONE: (known_E, ~new_N),
    }
    found: dict[str, object] = {"neighbours": neighbours, "seconds": seconds}
    for name, (chosen_E, allowed_N) in rankings.items():
        parts = list(parts_of(fold.data, chosen_E, bundle))
        popularity_N = neighbour_popularity(bundle, new_N, neighbours[NEW if name == NEW else ALL])
        gains = {model: gains_of(parts, ranker, allowed_N) for model, ranker in rankers.items()}
        gains[POPULAR] = gains_of(parts, rankers[OURS], allowed_N, popularity_N)
        gains[RANDOM] = random_gains(parts, allowed_N)
        shown = {model: {"NDCG@10": one.ndcg_X, "HR@10": one.hit_X} for model, one in gains.items()}
        found[name] = {"users": fold.data.users_E[chosen_E].tolist(), "gains": shown}
    return found


def run(name: str, num_folds: int, share: float) -> list[Measure]:
    """Run all folds of one set, or take what is kept, and return the figures."""
    data = sampled(load_set(name), share) if share < 1 else load_set(name)
    config = CONFIGS[name]
    folds = []
    for number in range(num_folds):
        decided_by = (code_digest("bench/ranking/cold.py"), data_digest(data), config, number)
        found = kept_part(
            f"cold/{name}-{number}", decided_by, partial(run_fold, fold_of(data, number), config)
        )
        assert isinstance(found, dict)
        folds.append(found)
        print(
            f"{name}, fold {number}: neighbours {found['neighbours']}, {found['seconds']:.0f} s of training",
            flush=True,
        )
    return measures_of(name, folds, note="" if share == 1 else f"{share:.0%} of the users")


def measures_of(name: str, folds: Sequence[Mapping[str, object]], *, note: str) -> list[Measure]:
    """Return means over users with intervals by bootstrap over users, and our differences from each baseline, user by user."""
    seconds = float(np.mean([float(str(fold["seconds"])) for fold in folds]))
    measures = []
    for ranking in RANKINGS:
        parts = [fold[ranking] for fold in folds]
        for metric in ("NDCG@10", "HR@10"):
            values = {model: user_means(parts, model, metric) for model in (OURS, *OTHERS)}
            values |= {f"{OURS} − {model}": values[OURS] - values[model] for model in OTHERS}
            for model, value_U in values.items():
                shown = figure(value_U)
                measure = Measure(
                    metric=metric,
                    value=shown.value,
                    low=shown.low,
                    high=shown.high,
                    unit="1",
                    protocol=ranking,
                    model=model,
                    set=name,
                    seeds=1,  # folds differ in items and users; their trainings have one seed
                    seconds=seconds if model == OURS else None,
                    note=", ".join(
                        filter(
                            None,
                            (
                                f"{len(value_U):,} users",
                                f"{len(folds)} folds" if len(folds) > 1 else "1 fold",
                                note,
                            ),
                        )
                    ),
                )
                measures.append(measure)
                print(
                    f"{name:8} {ranking:28} {metric:8} {shown.value:+.4f} [{shown.low:+.4f}, {shown.high:+.4f}] {model}",
                    flush=True,
                )
    return measures


def user_means(parts: Sequence[object], model: str, metric: str) -> NDArray[np.float64]:
    """Return each user's mean over their events in all folds; users in order of their number."""
    users: list[int] = []
    gains: list[float] = []
    for part in parts:
        assert isinstance(part, dict)
        users += part["users"]
        gains += part["gains"][model][metric]
    places = np.unique(users, return_inverse=True)[1]
    means: NDArray[np.float64] = np.bincount(places, weights=gains) / np.bincount(places)
    return means


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Items that were held out entirely, ranked from their text alone."
    )
    parser.add_argument("--sets", default=",".join(SETS), help=f"which sets, of {', '.join(SETS)}")
    parser.add_argument(
        "--folds",
        type=int,
        default=USER_FOLDS,
        help="how many folds, each with other items and users; at most 10",
    )
    parser.add_argument(
        "--sample",
        type=float,
        default=1.0,
        help="the share of users that is used at all; the rows say so",
    )
    given = parser.parse_args(arguments)
    measures = [
        one for name in given.sets.split(",") for one in run(name, given.folds, given.sample)
    ]
    save("cold", given.sets.replace(",", ", "), measures, command=COMMAND)
