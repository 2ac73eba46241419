"""One model of the bench of modalities: what it reads, its training and its gains."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from bench.data.sets import RatingsSet
from bench.data.snapshots import Flags, Roles, write_snapshot
from bench.ranking.cold import train_and_release
from bench.ranking.cold_folds import Fold, draw_events, event_batches
from bench.ranking.cold_gains import gains_of, random_gains
from bench.ranking.graph import Triple
from bench.report.kept import code_digest, data_digest, kept_part
from bench.report.labels import (
    ANY_AMONG_ALL,
    KNOWN_AMONG_KNOWN,
    NEW_AMONG_ALL,
    NEW_AMONG_NEW,
    RANDOM,
)
from recommender.bundle import Bundle
from recommender.ranking.ranker import Ranker
from trainer.config import TrainConfig
from trainer.data.pictures import FOLDER, TABLE

RANKINGS = (NEW_AMONG_ALL, NEW_AMONG_NEW, ANY_AMONG_ALL, KNOWN_AMONG_KNOWN)
OTHER_EVENTS = 2_000  # of a fold, drawn at random
OWN = "own"
CODE = ("bench/ranking/modalit*.py", "bench/ranking/planted_modalities.py", "bench/ranking/cold*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityModel:
    """The configuration of a model, the facts, and one thumbnail for each item of the set."""

    config: TrainConfig
    triples: Sequence[Triple] = ()
    thumbnails: Sequence[bytes] = ()


class ReleaseWithNew(NamedTuple):
    """A model that was trained without the held-out items, which it has by now."""

    bundle: Bundle
    new_N: Flags
    seconds: float  # the processor's, of training


def known_facts(fold: Fold, triples: Sequence[Triple]) -> list[Triple]:
    """Return the facts that do not name a held-out item: the others arrive with their items."""
    held_out = set(np.array(fold.data.item_ids)[fold.cold_N].tolist())
    return [one for one in triples if one[0] not in held_out and one[2] not in held_out]


def write_facts(snapshot: Path, triples: Sequence[Triple]) -> None:
    """Write the facts of a snapshot, if there are any."""
    if triples:
        columns = zip(("head", "relation", "tail"), zip(*triples, strict=True), strict=True)
        pq.write_table(pa.table(dict(columns)), snapshot / "facts.parquet")


def write_pictures(data: RatingsSet, thumbnails: Sequence[bytes], snapshot: Path) -> None:
    """Write the pictures of a snapshot, if there are any."""
    if not thumbnails:
        return
    digests = [hashlib.sha256(content).hexdigest() for content in thumbnails]
    (snapshot / FOLDER).mkdir()
    for digest, content in zip(digests, thumbnails, strict=True):
        (snapshot / FOLDER / f"{digest}.jpg").write_bytes(content)
    pq.write_table(pa.table({"item_id": data.item_ids, "thumbnail": digests}), snapshot / TABLE)


def release_of(fold: Fold, model: ModalityModel, folder: Path) -> ReleaseWithNew:
    """Train a model on the fold's events, and let the held-out items arrive with their facts."""
    snapshot = folder / "snapshot"
    add_pictures = partial(write_pictures, fold.data, model.thumbnails)

    def complete(arrival: Path) -> None:
        write_facts(arrival, model.triples)
        add_pictures(arrival)

    if not snapshot.exists():
        folder.mkdir(parents=True, exist_ok=True)
        roles = Roles(target_E=fold.train_E)
        write_snapshot(snapshot, fold.data, roles, mode="full", seed=model.config.seed)
        write_facts(snapshot, known_facts(fold, model.triples))
        add_pictures(snapshot)
    bundle, seconds = train_and_release(
        fold, snapshot, model.config, folder / "model", complete=complete
    )
    held_out = np.array(fold.data.item_ids)[fold.cold_N]
    new_N: Flags = np.isin([item.item_id for item in bundle.catalogue], held_out)
    return ReleaseWithNew(bundle=bundle, new_N=new_N, seconds=seconds)


def ranking_gains(
    fold: Fold, release: ReleaseWithNew, baselines: Mapping[str, Tensor] | None = None
) -> dict[str, object]:
    """Return, by ranking, the users of the scored events and the gains by model.

    The models are the release's own, a random order, and `baselines`: scores of all items.
    """
    bundle, new_N, _ = release
    panel_E, ranker = fold.panel_U[fold.data.users_E], Ranker(bundle)
    known_E = draw_events(panel_E & ~fold.cold_N[fold.data.items_E], OTHER_EVENTS)
    asked = {
        NEW_AMONG_ALL: (fold.scored_E, np.ones_like(new_N)),
        NEW_AMONG_NEW: (fold.scored_E, new_N),
        ANY_AMONG_ALL: (draw_events(panel_E, OTHER_EVENTS), np.ones_like(new_N)),
        KNOWN_AMONG_KNOWN: (known_E, ~new_N),
    }
    found: dict[str, object] = {"seconds": release.seconds}
    for ranking, (chosen_E, allowed_N) in asked.items():
        batches = list(event_batches(fold.data, chosen_E, bundle))
        gains = {
            OWN: gains_of(batches, ranker, allowed_N).ndcg_X,
            RANDOM: random_gains(batches, allowed_N).ndcg_X,
        }
        for name, score_N in (baselines or {}).items():
            gains[name] = gains_of(batches, ranker, allowed_N, score_N).ndcg_X
        found[ranking] = {"users": fold.data.users_E[chosen_E].tolist(), "gains": gains}
    return found


def run_model(fold: Fold, model: ModalityModel, folder: Path) -> dict[str, object]:
    """Train one model and return its gains."""
    return ranking_gains(fold, release_of(fold, model, folder))


def key_of(name: str, data: RatingsSet, model: ModalityModel) -> tuple[object, ...]:
    """Return what decides the result of a model."""
    read = (len(model.triples), len(model.thumbnails))
    return code_digest(*CODE), data_digest(data), model.config, read, name


def kept_gains(name: str, fold: Fold, model: ModalityModel) -> object:
    """Return the kept gains of a model of a fold, or train it."""
    decided_by = key_of(name, fold.data, model)
    result = kept_part(f"modalities/{name}", decided_by, partial(run_model, fold, model))
    print(f"{name} is done", flush=True)
    return result
