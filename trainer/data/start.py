"""The bundle that training starts from: new, or the live one plus what the snapshot adds.

Only target events are counted here, so that each event is counted once along a lineage.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recommender.bundle import Bundle, BundleManifest
from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.catalogue.knowledge_graph import KnowledgeGraph
from recommender.config import ModelConfig
from recommender.item_arrays import Whitening
from recommender.network.model import Baseline, ItemFacts, Recommender, TwoTowers, new_model
from trainer.config import Mode, TrainConfig
from trainer.data.dataset import Floats, Ints, read_changed_facts, read_facts, read_items
from trainer.data.event_counts import StartCounts
from trainer.data.graph_changes import HeadFacts, graph_with
from trainer.data.neighbour_names import encoder_text, encoder_texts
from trainer.data.texts import TextVectors, fit_whitening

CHANGED_FACTS = "changed_facts.parquet"
DOUBTFUL_SHARE = 0.001  # share of the ratings at either end that is clipped to the others' range
MIN_DOUBTING = 50  # with fewer ratings, none is clipped

# The whitening of a million texts would take a gigabyte, and that of so many is the same.
MOST_FITTED = 200_000

OwnTexts = Sequence[tuple[int, str]]  # rows with their texts


class CannotStart(ValueError):
    """Snapshot, configuration and parent do not fit together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """The items that a snapshot adds, and the counts of its events.

    `facts` are all of them, `changed_facts` those of heads for which they may differ from the
    parent's. Without both the parent's still hold.
    """

    items: Iterable[CatalogueItem]  # read once
    counts: StartCounts
    facts: KnowledgeGraph | None = None
    changed_facts: HeadFacts | None = None

    @classmethod
    def in_snapshot(cls, snapshot: Path, counts: StartCounts) -> Added:
        """Return what a snapshot adds beside its events; raise SnapshotError."""
        return cls(
            items=read_items(snapshot / "items.parquet"),
            counts=counts,
            facts=read_facts(snapshot / "facts.parquet"),
            changed_facts=read_changed_facts(snapshot / CHANGED_FACTS),
        )

    def graph(self, before: KnowledgeGraph | None) -> KnowledgeGraph | None:
        """Return the facts as of now; `before` are those of the parent."""
        if self.facts is not None:
            return self.facts
        if self.changed_facts is None:
            return before
        return graph_with(before or KnowledgeGraph.of(()), self.changed_facts)


def new_bundle(added: Added, config: TrainConfig, texts: TextVectors, *, mode: Mode) -> Bundle:
    """Return an untrained bundle: catalogue, whitened texts, counts and weights.

    The weights are initialised from the configuration's seed.
    """
    model_config = replace(config.model, tower="baseline") if mode == "baseline" else config.model
    catalogue = Catalogue(_every_item(added)).with_graph(added.facts)
    own_texts = [*encoder_texts(catalogue, with_names=config.neighbour_names)]
    no_whitening = Whitening(
        mean_R=torch.zeros(1), components_RT=torch.zeros(1, model_config.text_dim)
    )
    empty = Bundle(
        manifest=BundleManifest(
            model=model_config,
            encoder=config.encoder,
            encoder_digest=texts.digest if own_texts else None,
            rating_scale=None,
            num_items=0,
            files={},
            signals=config.signals,
            relations=config.relations or (),
        ),
        catalogue=Catalogue(),
        model=_fresh_model(model_config, 0, config.seed),
        facts=_no_facts(0, model_config.text_dim, dtype=_texts_type(catalogue, config)),
        whitening=_whitening(own_texts, texts, model_config) if own_texts else no_whitening,
    )
    whole = _with_texts(_with_items(empty, catalogue, seed=config.seed), own_texts, texts)
    bundle = _count_events(replace(whole, encoder=texts.loaded_encoder), added.counts)
    if isinstance(bundle.model, TwoTowers):
        bundle.model.expect(bundle.facts)
    return bundle


def grown_bundle(
    live: Bundle, added: Added, config: TrainConfig, texts: TextVectors, *, mode: Mode
) -> Bundle:
    """Return the live bundle with new and changed items; raise CannotStart.

    For an update, the target events are counted too. If the live bundle was made without any text,
    it has no whitening, and texts are not used before the next full retrain.
    """
    _check_parent(live, config, mode)
    named, changed = live.catalogue.with_items(added.items)
    catalogue, anonymous = named.with_items(added.counts.by_appearance())
    if (graph := added.graph(live.catalogue.graph)) is not live.catalogue.graph:
        catalogue = catalogue.with_graph(graph)
    grown = _with_items(live, catalogue, seed=config.seed)
    rows = sorted({*changed, *anonymous})
    grown.texts_NT[rows] = 0.0
    grown.facts.has_text_N[rows] = False
    if grown.manifest.encoder_digest is not None:
        read = partial(encoder_text, catalogue, with_names=config.neighbour_names)
        own = [(row, text) for row in rows if (text := read(row)) is not None]
        grown = _with_texts(grown, own, texts)
    manifest = replace(grown.manifest, signals=config.signals, relations=config.relations or ())
    grown = replace(grown, manifest=manifest)
    return _count_events(grown, added.counts) if mode == "update" else grown


def _check_parent(live: Bundle, config: TrainConfig, mode: Mode) -> None:
    manifest = live.manifest
    if mode == "update" and manifest.model != config.model:
        raise CannotStart(
            f"the configuration asks for {config.model}, but the live bundle has {manifest.model}; "
            "train with mode full"
        )
    if manifest.encoder != config.encoder:
        raise CannotStart(
            f"the configuration asks for {config.encoder}, but the live bundle has "
            f"{manifest.encoder}; train with mode full"
        )


def _every_item(added: Added) -> Iterator[CatalogueItem]:
    """Yield the items, then those that only events name."""
    known = set()
    for item in added.items:
        known.add(item.item_id)
        yield item
    yield from (item for item in added.counts.by_appearance() if item.item_id not in known)


def _texts_type(catalogue: Catalogue, config: TrainConfig) -> torch.dtype:
    """Return half precision for text vectors that a bundle would map, and full for fewer."""
    size_bytes = len(catalogue) * config.model.text_dim * torch.half.itemsize
    return torch.half if size_bytes >= config.whole_bytes else torch.float


def _whitening(own_texts: OwnTexts, texts: TextVectors, config: ModelConfig) -> Whitening:
    """Fit the whitening to the different texts, or to some of very many."""
    different = sorted({text for _, text in own_texts})
    some = different[:: -(-len(different) // MOST_FITTED)]
    return fit_whitening(texts.encode(some), config.text_dim)


def _with_items(bundle: Bundle, catalogue: Catalogue, *, seed: int) -> Bundle:
    """Return a copy for a longer catalogue; the new items have neither texts nor counts."""
    return replace(
        bundle,
        manifest=replace(bundle.manifest, num_items=len(catalogue)),
        catalogue=catalogue,
        model=_grown_model(bundle, len(catalogue), seed),
        facts=bundle.facts.with_more_items(len(catalogue) - len(bundle.catalogue)),
    )


def _with_texts(bundle: Bundle, own_texts: OwnTexts, texts: TextVectors) -> Bundle:
    """Set the text vectors of some rows in place.

    They are rounded as they will be stored, so that training, evaluation and serving use the same.
    """
    vectors_NT = bundle.texts_NT
    first = 0
    for raw_MR in texts.batches([text for _, text in own_texts]):
        rows = [row for row, _ in own_texts[first : first + len(raw_MR)]]
        vectors_NT[rows] = bundle.whitening.apply(raw_MR).half().to(vectors_NT.dtype)
        first += len(rows)
    bundle.facts.has_text_N[[row for row, _ in own_texts]] = True
    return bundle


def _count_events(bundle: Bundle, counts: StartCounts) -> Bundle:
    """Count the target events.

    The first ratings fix mean and standard deviation until the next full retrain. A user counts
    once for an item, and once among its ratings, no matter how many events they have with it.
    """
    row_I = counts.rows(bundle.catalogue)
    row_P, rating_P, count_P = row_I[counts.item_P], counts.rating_P, counts.count_P
    model, known = bundle.model, bundle.manifest.rating_scale
    scale = _scale(rating_P, count_P, known, float(bundle.facts.rating_count_N.sum()))
    if scale is not None:
        rating_P = rating_P.clip(*scale)
        if known is None:
            mean = float(np.average(rating_P, weights=count_P))
            variance = float(np.average((rating_P - mean) ** 2, weights=count_P))
            model.rating_mean.fill_(mean)
            model.rating_std.fill_(math.sqrt(variance) or 1.0)
    num_items = len(bundle.catalogue)
    above_P = (rating_P - float(model.rating_mean)) * count_P
    facts = replace(
        bundle.facts,
        counts_N=bundle.facts.counts_N + _sums(row_I, counts.met_I, num_items),
        rating_sum_N=bundle.facts.rating_sum_N + _sums(row_P, above_P, num_items),
        rating_count_N=bundle.facts.rating_count_N + _sums(row_P, count_P, num_items),
    )
    return replace(bundle, facts=facts, manifest=replace(bundle.manifest, rating_scale=scale))


def _scale(
    rating_P: Floats, count_P: Ints, known: tuple[float, float] | None, num_known: float
) -> tuple[float, float] | None:
    """Return the range of the new ratings and of those known before.

    The most extreme ratings at either end are left out, so that one mistake cannot stretch the
    scale for everybody.
    """
    num_new = int(count_P.sum())
    num = num_known + num_new
    doubtful = math.ceil(DOUBTFUL_SHARE * num) if num >= MIN_DOUBTING else 0
    if num_new <= 2 * doubtful:
        return known
    order = np.argsort(rating_P, kind="stable")
    ends_P = np.cumsum(count_P[order])  # ratings up to each pair, ascending
    low_place, high_place = np.searchsorted(ends_P, [doubtful, num_new - doubtful - 1], "right")
    low, high = _shortest(rating_P[order[low_place]]), _shortest(rating_P[order[high_place]])
    return (low, high) if known is None else (min(known[0], low), max(known[1], high))


def _shortest(rating: np.float64) -> float:
    """Return a rating that was read in single precision as the shortest decimal: .7, not .69999."""
    return float(str(np.float32(rating)))


def _sums(rows: Ints, values: Ints | Floats, num_items: int) -> Tensor:
    return torch.from_numpy(np.bincount(rows, weights=values, minlength=num_items)).float()


def _no_facts(num_items: int, text_dim: int, *, dtype: torch.dtype = torch.float) -> ItemFacts:
    return ItemFacts(
        texts_NT=torch.zeros(num_items, text_dim, dtype=dtype),
        has_text_N=torch.zeros(num_items, dtype=torch.bool),
        counts_N=torch.zeros(num_items),
        rating_sum_N=torch.zeros(num_items),
        rating_count_N=torch.zeros(num_items),
    )


def _fresh_model(config: ModelConfig, num_items: int, seed: int) -> Recommender:
    torch.manual_seed(seed)
    return new_model(config, num_items)


def _grown_model(bundle: Bundle, num_items: int, seed: int) -> Recommender:
    """Return a copy of the model with untrained rows appended to the item table.

    The towers initialise them to zero, so the vector of a new item is that of its text.
    """
    manifest = bundle.manifest
    torch.manual_seed(seed)
    grown = new_model(bundle.model.config, num_items, manifest.slots, num_terms=manifest.num_terms)
    weights = dict(bundle.model.state_dict())
    if not isinstance(grown, Baseline):
        known = weights["table"]
        grown.table.detach()[: len(known)] = known
        weights["table"] = grown.table
    grown.load_state_dict(weights)
    return grown
