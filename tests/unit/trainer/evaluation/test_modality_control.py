"""Shuffled modalities: each alone is exchanged among the items that have it."""

from __future__ import annotations

from pathlib import Path

import torch

from recommender.config import FACTS
from recommender.network.model import TwoTowers
from tests.unit.trainer.data.test_slots import modalities, start
from trainer.evaluation.modality_control import shuffled_bundles


def test_each_modality_is_shuffled_alone(tmp_path: Path) -> None:
    bundle = start(tmp_path)
    model = bundle.model
    assert isinstance(model, TwoTowers)
    with torch.no_grad():
        model.table.normal_()
    found = dict(shuffled_bundles(bundle))
    assert list(found) == ["text", "picture", FACTS, "id"]
    links = bundle.facts.links
    assert links is not None
    for name, other in found.items():
        other_links = other.facts.links
        assert other_links is not None
        assert isinstance(other.model, TwoTowers)
        changed = {
            "text": not torch.equal(other.texts_NT, bundle.texts_NT),
            "picture": not torch.equal(modalities(other), modalities(bundle)),
            FACTS: not torch.equal(other_links.terms_L, links.terms_L),
            "id": not torch.equal(other.model.table, model.table),
        }
        assert [key for key, is_changed in changed.items() if is_changed] == [name]


def test_items_without_a_picture_get_none(tmp_path: Path) -> None:
    bundle = start(tmp_path)
    shuffled = dict(shuffled_bundles(bundle))["picture"]
    has_N = modalities(bundle).any(1)
    assert torch.equal(modalities(shuffled).any(1), has_N)
    before = {tuple(row) for row in modalities(bundle).tolist()}
    assert {tuple(row) for row in modalities(shuffled).tolist()} == before


def test_shuffled_ids_keep_the_biases_of_items(tmp_path: Path) -> None:
    bundle = start(tmp_path)
    assert isinstance(bundle.model, TwoTowers)
    with torch.no_grad():
        bundle.model.table.normal_()
    model = dict(shuffled_bundles(bundle))["id"].model
    assert isinstance(model, TwoTowers)
    assert torch.equal(model.table[:, -2:], bundle.model.table[:, -2:])
    assert torch.equal(bundle.counts_N == 0, (model.table == bundle.model.table).all(1)) or bool(
        (bundle.counts_N > 0).all()
    )
