"""What slots cost: a training step, its memory, and the files of a release.

The catalogues are those of `python -m bench scale`: made-up histories, random vectors, five facts
an item. Each measurement is a process of its own with one thread.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from bench.report.rows import BenchMetric, is_quick
from bench.scale.costs import Cost, Size, in_own_process, metrics_of, peak_gib
from bench.scale.facts import made_up_facts_of
from bench.scale.lists import made_up_bundle
from bench.scale.steps import made_up_facts, made_up_items, timed_steps
from recommender.bundle import Bundle, save_bundle
from recommender.catalogue.knowledge_graph import KnowledgeGraph
from recommender.config import FACTS, Slot
from recommender.network.model import TwoTowers
from recommender.retrieval.picture_vectors import no_vectors
from trainer.config import FactsConfig, FusionConfig
from trainer.data.fact_terms import read_terms

SIZES = (Size(num_items=2_000), Size(num_items=100_000))
QUICK_SIZES = (Size(num_items=2_000),)
RAW_WIDTH = 512  # of CLIP ViT-B/32's vectors
PICTURE = Slot(name="picture", width=FusionConfig().width)
OF_FACTS = Slot(name=FACTS, width=FactsConfig().width, scales=True)
SLOTS: Mapping[str, Sequence[Slot]] = {
    "texts and ids": (),
    "with pictures": (PICTURE,),
    "with facts": (OF_FACTS,),
    "with one hop of facts": (replace(OF_FACTS, hops=1),),
    "with pictures and facts": (PICTURE, OF_FACTS),
}


def slot_costs() -> list[BenchMetric]:
    """Measure all kinds of slots at each size."""
    costs: list[Cost] = []
    for size in QUICK_SIZES if is_quick() else SIZES:
        for name in SLOTS:
            costs += in_own_process(partial(measure_slots, name), size)
    return metrics_of(costs)


def measure_slots(name: str, size: Size) -> list[Cost]:
    """Measure training steps and a release with some slots."""
    torch.set_num_threads(1)
    slots, items_E = SLOTS[name], made_up_items(size.num_items)
    bundle = _made_up_bundle(size.num_items, slots)
    assert isinstance(bundle.model, TwoTowers)
    _, seconds = timed_steps(bundle.model, bundle.facts, items_E)
    peak = peak_gib()
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "bundle"
        save_bundle(bundle, saved)
        size_bytes = sum(one.stat().st_size for one in saved.rglob("*") if one.is_file())
    step_ms = 1000 * float(np.median(seconds))
    return [
        Cost(size=size, what=f"a training step, {name}", value=step_ms, unit="ms", peak_gib=peak),
        Cost(size=size, what=f"a release, {name}", value=size_bytes / 1e6, unit="MB"),
    ]


def _made_up_bundle(num_items: int, slots: Sequence[Slot]) -> Bundle:
    facts, names = made_up_facts(num_items, made_up_items(num_items)), None
    bundle, slot_names = made_up_bundle(num_items, facts), {slot.name for slot in slots}
    if PICTURE.name in slot_names:
        generator = torch.Generator().manual_seed(3)
        own_NV = torch.randn(num_items, PICTURE.width, generator=generator)
        unit_NV = torch.nn.functional.normalize(own_NV, dim=1)
        facts = replace(facts, modalities_NV=unit_NV)
        raw = no_vectors(num_items, RAW_WIDTH)
        raw.vectors_NP.copy_(torch.randn(raw.vectors_NP.shape, generator=generator))
        raw.has_N.fill_(True)
        bundle = replace(bundle, pictures=raw)
    if FACTS in slot_names:
        graph = KnowledgeGraph.of(made_up_facts_of(num_items))
        bundle = replace(bundle, catalogue=bundle.catalogue.with_graph(graph))
        terms = read_terms(bundle.catalogue, (), None, hops=slots[-1].hops)
        assert terms is not None
        names = terms.names
        facts = replace(facts, links=terms.links, neighbours=terms.neighbours)
    num_terms = len(names) if names is not None else 0
    model = TwoTowers(bundle.manifest.model, num_items, slots, num_terms=num_terms)
    torch.nn.init.normal_(model.table, std=0.1)
    if model.terms is not None:
        torch.nn.init.normal_(model.terms)
    model.rating_mean.fill_(3.0)
    manifest = replace(bundle.manifest, slots=tuple(slots), num_terms=num_terms)
    return replace(bundle, facts=facts, model=model, manifest=manifest, term_names=names)
