"""The made-up shop of the bench of modalities: new items and similar ones by each modality.

Texts name the kind of an item, facts or pictures tell it, or all do. New items come with what the
model reads and without events. What a model of all modalities loses when the items exchange what
one of them says is what it gets from that one. *Popularity among neighbours* ranks new items by the
mean popularity of the known items that are most like them by the modality.

N  items
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.contestants.configs import CONFIGS
from bench.data.planted_kinds import (
    facts_of_kinds,
    kind_of,
    planted_kinds,
    thumbnails_of_kinds,
    with_kinds_alone,
    without_kinds,
)
from bench.data.sets import RatingsSet
from bench.data.snapshots import Flags
from bench.data.vision_weights import write_efficientnet
from bench.ranking.cold_folds import fold_of
from bench.ranking.modality_runs import (
    ModalityModel,
    ReleaseWithNew,
    key_of,
    ranking_gains,
    release_of,
)
from bench.report.kept import kept_part, work_folder
from recommender.config import FACTS, PictureEncoderConfig
from recommender.lists.fact_paths import FactPaths
from recommender.lists.fact_similarity import fact_shares
from recommender.ranking.cosines import text_cosines
from recommender.ranking.ranker import Ranker
from recommender.retrieval.picture_vectors import picture_cosines
from trainer.config import FusionConfig
from trainer.evaluation.modality_control import ID, TEXT, shuffled_bundles

TEXTS, KIND_ALONE = "right texts", "texts of the kind alone"
FACTS_ALONE, PICTURES_ALONE = "facts without texts", "pictures without texts"
ALL = "texts, facts and pictures"
BY_TEXT, BY_FACTS, BY_PICTURE, BY_TASTE = "by text", "by facts", "by picture", "by taste"
NEIGHBOURS = "popularity among neighbours"
NUM_NEIGHBOURS = 10  # not tuned: popularity says nothing of a kind here
NEAREST = 10
# the same model, whose items exchange what one modality says of them
SHUFFLED = {f"{ALL}, {name} shuffled": name for name in (TEXT, "picture", FACTS, ID)}
PAIRS = (
    (FACTS_ALONE, TEXTS),
    (FACTS_ALONE, KIND_ALONE),
    (PICTURES_ALONE, TEXTS),
    (PICTURES_ALONE, KIND_ALONE),
    (ALL, TEXTS),
    *((ALL, name) for name in SHUFFLED),
)
MODALITY_OF = {
    TEXTS: BY_TEXT,
    KIND_ALONE: BY_TEXT,
    FACTS_ALONE: BY_FACTS,
    PICTURES_ALONE: BY_PICTURE,
    ALL: BY_TEXT,
}


class PlantedModel(NamedTuple):
    """A model, and the shop that it reads."""

    data: RatingsSet
    model: ModalityModel


def find_timm(folder: Path | None) -> bool:
    """Return whether timm is there, which a folder may have; pictures are encoded by it."""
    if folder is not None:
        sys.path.append(str(folder.resolve()))
    return find_spec("timm") is not None


def planted_models(*, with_pictures: bool) -> dict[str, PlantedModel]:
    """Return the models by name, without those that read pictures if these can't be encoded."""
    data = planted_kinds()
    facts = facts_of_kinds(data)
    config = replace(CONFIGS["ml-100k"], full_epochs=20)
    by_facts = ModalityModel(config=config, triples=facts)
    models = {
        TEXTS: PlantedModel(data, ModalityModel(config=config)),
        KIND_ALONE: PlantedModel(with_kinds_alone(data), ModalityModel(config=config)),
        FACTS_ALONE: PlantedModel(without_kinds(data), by_facts),
    }
    if not with_pictures:
        return models
    encoder = PictureEncoderConfig(model=str(_encoder_folder()), pack=False)
    fusion = FusionConfig(modalities=("picture",))
    thumbnails = thumbnails_of_kinds(data)
    reads_pictures = replace(config, pictures=encoder, fusion=fusion)
    by_pictures = ModalityModel(config=reads_pictures, thumbnails=thumbnails)
    reads_all = replace(config, pictures=encoder, fusion=fusion)
    by_all = ModalityModel(config=reads_all, triples=facts, thumbnails=thumbnails)
    return models | {
        PICTURES_ALONE: PlantedModel(without_kinds(data), by_pictures),
        ALL: PlantedModel(data, by_all),
    }


def _encoder_folder() -> Path:
    """Return the folder of EfficientNet with its trained weights, written once."""
    folder = work_folder() / "efficientnet-lite0"
    return folder if folder.exists() else write_efficientnet(folder, is_trained=True)


def planted_results(num_folds: int, *, with_pictures: bool) -> list[dict[str, object]]:
    """Train the models of each fold, or take what is kept, and return the results by model."""
    models = planted_models(with_pictures=with_pictures)
    folds = []
    for number in range(num_folds):
        results = dict[str, object]()
        for name, planted in models.items():
            key = f"planted-{number}-{name}"
            run = partial(_run, planted, name, number)
            decided_by = key_of(key, planted.data, planted.model)
            results[name] = kept_part(f"modalities/{key}", decided_by, run)
            print(f"{key} is done", flush=True)
        results |= _without_one(results.get(ALL))
        folds.append(results)
    return folds


def _without_one(result: object) -> dict[str, object]:
    """Return the results of the model of all modalities with one of them shuffled."""
    if not isinstance(result, dict):
        return {}
    return {name: result[modality] for name, modality in SHUFFLED.items() if modality in result}


def _run(planted: PlantedModel, name: str, number: int, folder: Path) -> dict[str, object]:
    """Train a model on one fold; return its gains and how alike its similar items are."""
    fold = fold_of(planted.data, number)
    release = release_of(fold, planted.model, folder)
    popularity_N = _popularity_among_neighbours(release, MODALITY_OF[name])
    found = ranking_gains(fold, release, {NEIGHBOURS: popularity_N})
    if name == ALL:
        for shuffled, bundle in shuffled_bundles(release.bundle):
            found[shuffled] = ranking_gains(fold, release._replace(bundle=bundle))
    return found | {"similar": similar_shares(release)}


def nearness(release: ReleaseWithNew, by: str, row: int) -> Tensor:
    """Return how near all items are to one by a modality, NaN for those without it."""
    bundle = release.bundle
    if by == BY_TEXT:
        return text_cosines(bundle.facts, row=row)
    if by == BY_FACTS:
        paths = FactPaths(bundle.catalogue, bundle.manifest.relations)
        return fact_shares(bundle.catalogue, paths, row)
    assert bundle.pictures is not None
    return picture_cosines(bundle.pictures, bundle.pictures.vectors_NP[row].float())


def similar_shares(release: ReleaseWithNew) -> dict[str, list[float]]:
    """Return, by modality, of each new item the share of its kind among the ten nearest items."""
    bundle, ranker = release.bundle, Ranker(release.bundle)
    kinds_N = np.array([kind_of(int(item.item_id[1:])) for item in bundle.catalogue])
    modalities = [BY_TEXT]
    if bundle.catalogue.graph is not None:
        modalities.append(BY_FACTS)
    if bundle.pictures is not None:
        modalities.append(BY_PICTURE)
    shares: dict[str, list[float]] = {name: [] for name in (*modalities, BY_TASTE)}
    for row in np.flatnonzero(release.new_N).tolist():
        nearest = {name: _nearest(nearness(release, name, row), row) for name in modalities}
        nearest[BY_TASTE] = ranker.similar(row=row, k=NEAREST)[0]
        for name, rows in nearest.items():
            shares[name].append(float((kinds_N[rows] == kinds_N[row]).sum()) / NEAREST)
    return shares


def _nearest(near_N: Tensor, row: int) -> NDArray[np.int64]:
    """Return the rows of the nearest items; those without a nearness are not listed."""
    near = near_N.numpy().copy()
    near[row] = np.nan
    order = np.argsort(-near, kind="stable")[:NEAREST]  # NaN comes last
    found: NDArray[np.int64] = order[~np.isnan(near[order])]
    return found


def _popularity_among_neighbours(release: ReleaseWithNew, by: str) -> Tensor:
    """Return log(1 + count) of known items, and its mean over the nearest known ones for new."""
    popularity_N = torch.log1p(release.bundle.counts_N)
    known_N: Flags = ~release.new_N
    for row in np.flatnonzero(release.new_N).tolist():
        near_N = nearness(release, by, row).nan_to_num(nan=-torch.inf)
        near_N[torch.from_numpy(~known_N)] = -torch.inf
        rows_X = near_N.topk(NUM_NEIGHBOURS).indices
        rows_X = rows_X[near_N[rows_X] > -torch.inf]
        popularity_N[row] = popularity_N[rows_X].mean().nan_to_num(0.0)
    return popularity_N


def pooled_shares(folds: Sequence[Mapping[str, object]], model: str) -> dict[str, list[float]]:
    """Return the shares of all folds by modality."""
    pooled: dict[str, list[float]] = {}
    for fold in folds:
        result = fold[model]
        assert isinstance(result, dict)
        for name, shares in result.get("similar", {}).items():
            pooled.setdefault(name, []).extend(shares)
    return pooled
