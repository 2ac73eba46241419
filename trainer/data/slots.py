"""The slots of a bundle's network: what the item tower reads beside the texts.

A full retrain decides which slots there are: the modalities of the settings that some item has,
those of which another system made the vectors (`trainer.data.vector_files`), and
the facts. Updates and runs for new items keep them, and read new and changed vectors and facts.

A modality with an encoder of its own is a row of `_MODALITIES`: a function from a bundle to its raw
vectors.

N  items      R  raw vector      V  whitened vectors side by side      X  some items
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from recommender.arrays.text_column import TextColumn
from recommender.bundle import Bundle
from recommender.config import FACTS, Slot
from recommender.item_arrays import Whitening
from recommender.network.model import TwoTowers, new_model
from trainer.config import TrainConfig
from trainer.data.fact_term_changes import KnownTerms, changed_terms
from trainer.data.fact_terms import Terms, read_terms
from trainer.data.principal_terms import principal_terms
from trainer.data.start import MOST_FITTED, CannotStart
from trainer.data.texts import fit_whitening
from trainer.data.translations import pretrained_terms
from trainer.data.vector_files import RawVectors, read_vectors

_ROWS_AT_ONCE = 65_536
_ROUNDING = 2e-3  # of numbers of unit vectors in half precision, computed twice


def _pictures(bundle: Bundle) -> RawVectors | None:
    pictures = bundle.pictures
    return None if pictures is None else RawVectors(pictures.vectors_NP, pictures.has_N)


_MODALITIES: Mapping[str, Callable[[Bundle], RawVectors | None]] = {"picture": _pictures}


def with_slots(
    bundle: Bundle,
    live: Bundle | None,
    config: TrainConfig,
    *,
    changed_heads: frozenset[str] | None = None,
) -> Bundle:
    """Return the bundle with new slots, or with its own slots' vectors and facts as of now.

    `live` is the parent of a bundle that is not new. If the graph is another than the parent's, it
    may differ in the facts of `changed_heads`; in any if they are None. Raise CannotStart for an
    unknown modality.
    """
    if not isinstance(bundle.model, TwoTowers):
        return bundle
    if bundle.folder is None:
        slotted = _new_slots(bundle, config)
        return _with_facts(slotted, _all_terms(slotted), config)
    assert live is not None
    changed = _with_changed_vectors(bundle, live, config)
    if _has_same_facts(bundle, live):
        return changed
    if bundle.catalogue.graph is live.catalogue.graph:
        changed_heads = frozenset()
    return _with_facts(changed, _terms_since(bundle, live, changed_heads), config)


def _has_same_facts(bundle: Bundle, live: Bundle) -> bool:
    """Return whether all items have the facts that they had, so that nothing is to be read.

    A new item may have facts, and so may a changed one if attributes count.
    """
    if bundle.catalogue.graph is not live.catalogue.graph:
        return False
    if bundle.manifest.relations != live.manifest.relations:
        return False
    if not bundle.manifest.relations:
        return len(bundle.catalogue) == len(live.catalogue)
    return bundle.catalogue.changed_rows(live.catalogue) == []


def _terms_since(bundle: Bundle, live: Bundle, heads: frozenset[str] | None) -> Terms | None:
    """Return the terms of a bundle, of which what changed since its parent is read if known."""
    names, links, relations = live.term_names, live.facts.links, bundle.manifest.relations
    slot = next((slot for slot in bundle.manifest.slots if slot.name == FACTS), None)
    is_known = heads is not None and names is not None and links is not None
    if slot is None or not is_known or relations != live.manifest.relations:
        return _all_terms(bundle)
    assert heads is not None
    assert names is not None
    assert links is not None
    terms = Terms(names=names, links=links, neighbours=live.facts.neighbours)
    if (terms.neighbours is None) == bool(slot.hops):
        return _all_terms(bundle)
    known = KnownTerms(catalogue=live.catalogue, terms=terms, heads=heads)
    return changed_terms(bundle.catalogue, relations, known) or _all_terms(bundle)


def _all_terms(bundle: Bundle) -> Terms | None:
    """Return the terms of all facts; None without a slot for them, or without any."""
    for slot in bundle.manifest.slots:
        if slot.name == FACTS:
            relations, names = bundle.manifest.relations, bundle.term_names
            return read_terms(bundle.catalogue, relations, names, hops=slot.hops)
    return None


def _new_slots(bundle: Bundle, config: TrainConfig) -> Bundle:
    """Fit the whitening of each modality, and make the slots."""
    found: dict[str, RawVectors] = {}
    for name in (*config.fusion.modalities, *sorted(config.fusion.vectors)):
        raw = _raw_vectors(name, bundle, config)
        if raw is not None and raw.has_N.any():
            found[name] = raw
    whitenings, vectors = dict[str, Whitening](), list[Tensor]()
    for name, raw in found.items():
        rows_X = raw.has_N.nonzero().squeeze(1)
        some_XR = raw.vectors_NR[rows_X[:: -(-len(rows_X) // MOST_FITTED)]].float()
        width = min(config.fusion.width, raw.vectors_NR.shape[1])
        whitenings[name] = fit_whitening(some_XR, width)
        whitened_NV = torch.zeros(len(raw.has_N), width, dtype=bundle.texts_NT.dtype)
        vectors.append(_whiten(whitened_NV, raw, rows_X, whitenings[name]))
    slots = [Slot(name=name, width=one.shape[1]) for name, one in zip(found, vectors, strict=True)]
    slots += _facts_slot(bundle, config)
    if not slots:
        return bundle
    facts = bundle.facts
    if vectors:
        facts = replace(facts, modalities_NV=torch.cat(vectors, dim=1))
    return replace(
        bundle,
        facts=facts,
        manifest=replace(bundle.manifest, slots=tuple(slots)),
        modality_whitenings=whitenings,
    )


def _raw_vectors(name: str, bundle: Bundle, config: TrainConfig) -> RawVectors | None:
    """Return the vectors of a modality as its encoder or another system made them."""
    if (file := config.fusion.vectors.get(name)) is not None:
        return read_vectors(Path(file).expanduser(), bundle.catalogue)
    if name not in _MODALITIES:
        known = ", ".join(_MODALITIES)
        raise CannotStart(f"train.fusion.modalities: {name!r} is unknown; there is {known}")
    return _MODALITIES[name](bundle)


def _facts_slot(bundle: Bundle, config: TrainConfig) -> list[Slot]:
    """Return the slot of facts, if they are read and there are any."""
    kind = config.facts.model
    has_facts = bundle.catalogue.graph is not None or bool(bundle.manifest.relations)
    if kind == "off" or not has_facts:
        return []
    return [
        Slot(
            name=FACTS,
            width=config.facts.width,
            scales=True,
            hops=int(kind == "hop"),
        )
    ]


def _with_changed_vectors(bundle: Bundle, live: Bundle, config: TrainConfig) -> Bundle:
    """Set the vectors of the items whose raw vectors are not the parent's, in place."""
    column, whole_NV = 0, bundle.facts.modalities_NV
    for slot in bundle.manifest.slots:
        if whole_NV is None or slot.name == FACTS:
            continue
        own_NV = whole_NV[:, column : column + slot.width]
        column += slot.width
        if slot.name in config.fusion.vectors:
            raw = _raw_vectors(slot.name, bundle, config)
            assert raw is not None
            _set_vectors_of_file(own_NV, raw, bundle.modality_whitenings[slot.name], slot.name)
        elif slot.name in _MODALITIES:
            _set_changed_vectors(own_NV, slot.name, bundle, live)
    return bundle


def _set_changed_vectors(own_NV: Tensor, name: str, bundle: Bundle, live: Bundle) -> None:
    """Set the vectors of a modality that the bundles have as its encoder made them."""
    raw, before = _MODALITIES[name](bundle), _MODALITIES[name](live)
    if raw is None:
        return
    changed_N = torch.ones_like(raw.has_N)
    if before is not None:
        num_before = len(before.has_N)
        same_NR = raw.vectors_NR[:num_before] == before.vectors_NR
        changed_N[:num_before] = ~same_NR.all(1)
    rows_X = changed_N.nonzero().squeeze(1)
    _whiten(own_NV, raw, rows_X, bundle.modality_whitenings[name])


def _set_vectors_of_file(own_NV: Tensor, raw: RawVectors, whitening: Whitening, name: str) -> None:
    """Set the vectors that differ from the parent's by more than rounding, in place."""
    if raw.vectors_NR.shape[1] != len(whitening.mean_R):
        raise CannotStart(
            f"train.fusion.vectors.{name}: the file has vectors of {raw.vectors_NR.shape[1]}"
            f" numbers, and the live bundle was made with {len(whitening.mean_R)}; train with mode"
            " full"
        )
    every_N = torch.arange(len(raw.has_N))
    now_NV = _whiten(torch.zeros_like(own_NV), raw, every_N, whitening)
    rows_X = ((now_NV - own_NV).abs().amax(1) > _ROUNDING).nonzero().squeeze(1)
    own_NV[rows_X] = now_NV[rows_X]


def _whiten(own_NV: Tensor, raw: RawVectors, rows_X: Tensor, whitening: Whitening) -> Tensor:
    """Set some rows in place, rounded as they are stored; zeros where there is no vector."""
    for part_X in torch.split(rows_X, _ROWS_AT_ONCE):
        whitened_XV = whitening.apply(raw.vectors_NR[part_X].float())
        whitened_XV = whitened_XV * raw.has_N[part_X].unsqueeze(1)
        own_NV[part_X] = whitened_XV.half().to(own_NV.dtype)
    return own_NV


def _with_facts(bundle: Bundle, terms: Terms | None, config: TrainConfig) -> Bundle:
    """Return the bundle with terms of its facts, and a network that has rows for them."""
    if not bundle.manifest.slots:
        return bundle
    facts, names = bundle.facts, bundle.term_names
    if terms is not None:
        facts = replace(facts, links=terms.links, neighbours=terms.neighbours)
        names = terms.names
    num_terms = len(names) if names is not None else 0
    manifest = replace(bundle.manifest, num_terms=num_terms)
    is_new = bundle.folder is None
    bundle = replace(bundle, facts=facts, manifest=manifest, term_names=names)
    model = _with_slots_and_terms(bundle, config.seed)
    if is_new and model.terms is not None and names is not None:
        model.terms.data = _first_terms(bundle, names, config)
    return replace(bundle, model=model)


def _first_terms(bundle: Bundle, names: TextColumn, config: TrainConfig) -> Tensor:
    """Return the terms that a full retrain begins with."""
    width, graph, links = config.facts.width, bundle.catalogue.graph, bundle.facts.links
    if config.facts.model == "pretrained" and graph is not None:
        return pretrained_terms(graph, names, width=width, seed=config.seed)
    assert links is not None
    return principal_terms(links, names, width=width, seed=config.seed)


def _with_slots_and_terms(bundle: Bundle, seed: int) -> TwoTowers:
    """Return a network with the bundle's slots and terms; new terms are zero.

    All weights that the bundle's network has stay as they are.
    """
    manifest, weights = bundle.manifest, dict(bundle.model.state_dict())
    torch.manual_seed(seed)
    model = new_model(
        manifest.model, manifest.num_items, manifest.slots, num_terms=manifest.num_terms
    )
    assert isinstance(model, TwoTowers)
    known_YW = weights.pop("terms", None)
    model.load_state_dict(weights, strict=False)
    if known_YW is not None and model.terms is not None:
        model.terms.detach()[: len(known_YW)] = known_YW
    return model
