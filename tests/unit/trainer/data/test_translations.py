"""Vectors of entities from the facts alone: entities with the same facts are near."""

import torch

from recommender.arrays.text_column import TextColumn
from recommender.catalogue.knowledge_graph import KnowledgeGraph
from trainer.data.translations import pretrained_terms


def test_entities_of_the_same_kind_are_near() -> None:
    """Ten people made films of one kind, ten of another; no person shares a film with all."""
    facts = [
        (f"film{kind}{film}", "by", f"person{kind}{(film + offset) % 10}")
        for kind in "ab"
        for film in range(10)
        for offset in range(3)
    ]
    graph = KnowledgeGraph.of(facts)
    people = [f"=person{kind}{number}" for kind in "ab" for number in range(10)]
    names = TextColumn.of([">by", "<by", "=nobody", *people])
    terms_TW = pretrained_terms(graph, names, width=8, seed=0)
    assert terms_TW.isfinite().all()
    assert torch.equal(terms_TW[0], -terms_TW[1])
    assert not terms_TW[2].any()
    near = torch.cdist(terms_TW[3:], terms_TW[3:])
    assert near[:10, :10].mean() < near[:10, 10:].mean()
    again_TW = pretrained_terms(graph, names, width=8, seed=0)
    assert torch.equal(terms_TW, again_TW)
