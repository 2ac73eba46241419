"""Slots of a bundle: made by a full retrain, kept and filled by updates."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

from recommender.bundle import Bundle, load_bundle, read_manifest, save_bundle
from recommender.catalogue.item_columns import CatalogueItem
from recommender.catalogue.knowledge_graph import KnowledgeGraph
from recommender.config import FACTS, EncoderConfig, ModelConfig, PictureEncoderConfig, Signals
from recommender.network.model import TwoTowers
from recommender.retrieval.picture_vectors import vectors_of_pictures
from tests.planted import planted_items, write_planted_snapshot
from trainer.config import FactsConfig, FusionConfig, TrainConfig
from trainer.data.dataset import read_events
from trainer.data.event_counts import StartCounts
from trainer.data.graph_changes import HeadFacts, graph_with
from trainer.data.slots import with_slots
from trainer.data.start import Added, CannotStart, grown_bundle, new_bundle
from trainer.data.texts import TextVectors

WORDS = EncoderConfig(model="words")
CONFIG = TrainConfig(
    encoder=WORDS,
    model=ModelConfig(text_dim=8, dim=8, num_layers=1),
    fusion=FusionConfig(modalities=("picture",), width=4),
    facts=FactsConfig(model="embeddings", width=4),
    whole_array_mb=1e-4,
)
FACTS_BEFORE = [(f"i{number}", "by", f"x{number % 3}") for number in range(12)]


def snapshot_of(tmp_path: Path) -> Path:
    folder = tmp_path / "snapshot"
    return folder if folder.exists() else write_planted_snapshot(folder)


def snapshot_parts(
    tmp_path: Path, facts: list[tuple[str, str, str]] | None, items: list[CatalogueItem]
) -> Added:
    events = read_events(snapshot_of(tmp_path) / "events.parquet")
    graph = KnowledgeGraph.of(facts) if facts is not None else None
    return Added(items=items, counts=StartCounts.of(events, Signals()), facts=graph)


def texts(tmp_path: Path) -> TextVectors:
    return TextVectors(WORDS, cache=tmp_path)


def with_pictures(bundle: Bundle, *, seed: int = 0) -> Bundle:
    """Give each second item a picture of the same raw width."""
    num_items = len(bundle.catalogue)
    vectors_NP = torch.nn.functional.normalize(
        torch.randn(num_items, 6, generator=torch.Generator().manual_seed(seed)), dim=1
    )
    has_N = torch.arange(num_items) % 2 == 0
    pictures = vectors_of_pictures((vectors_NP * has_N.unsqueeze(1)).half(), has_N)
    manifest = replace(bundle.manifest, picture_encoder=PictureEncoderConfig(pack=False))
    return replace(bundle, pictures=pictures, manifest=manifest)


def start(tmp_path: Path, config: TrainConfig = CONFIG) -> Bundle:
    """Return a new bundle with slots, saved and loaded."""
    items = planted_items()
    facts = [(items[int(head[1:])].item_id, name, tail) for head, name, tail in FACTS_BEFORE]
    made = new_bundle(snapshot_parts(tmp_path, facts, items), config, texts(tmp_path), mode="full")
    slotted = with_slots(with_pictures(made), None, config)
    save_bundle(slotted, tmp_path / "live", whole_bytes=config.whole_bytes)
    return load_bundle(tmp_path / "live")


def towers(bundle: Bundle) -> TwoTowers:
    assert isinstance(bundle.model, TwoTowers)
    return bundle.model


def modalities(bundle: Bundle) -> Tensor:
    assert bundle.facts.modalities_NV is not None
    return bundle.facts.modalities_NV.float()


def test_a_full_retrain_makes_slots_of_what_there_is(tmp_path: Path) -> None:
    bundle = start(tmp_path)
    assert [slot.name for slot in bundle.manifest.slots] == ["picture", FACTS]
    gates = [towers(bundle).get_parameter(f"slots.{name}.gate") for name in ("picture", FACTS)]
    assert [float(gate.detach()) for gate in gates] == [0.0, 0.0]
    has_N = torch.arange(len(bundle.catalogue)) % 2 == 0
    assert torch.equal(modalities(bundle).any(1), has_N)
    lengths = modalities(bundle)[has_N].norm(dim=1)
    assert torch.allclose(lengths, torch.ones_like(lengths), atol=1e-2)
    assert bundle.manifest.num_terms == len(bundle.term_names or ()) == towers(bundle).num_terms


def test_no_slots_are_made_of_nothing(tmp_path: Path) -> None:
    items = planted_items()
    made = new_bundle(snapshot_parts(tmp_path, None, items), CONFIG, texts(tmp_path), mode="full")
    assert with_slots(made, None, CONFIG).manifest.slots == ()


def test_manifests_of_gates_that_started_open_are_read(tmp_path: Path) -> None:
    """Bundles had one more key in each slot until gates started at zero."""
    slots = start(tmp_path).manifest.slots
    path = tmp_path / "live" / "manifest.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    for slot in raw["slots"]:
        slot["starts_open"] = True
    path.write_text(json.dumps(raw), encoding="utf-8")
    assert read_manifest(tmp_path / "live").slots == slots


def test_slots_do_not_change_the_other_first_weights(tmp_path: Path) -> None:
    plain = start(
        tmp_path / "plain", replace(CONFIG, fusion=FusionConfig(), facts=FactsConfig(model="off"))
    )
    slotted = start(tmp_path / "slotted")
    assert plain.manifest.slots == ()
    for name, weight in plain.model.state_dict().items():
        assert torch.equal(weight, slotted.model.state_dict()[name]), name


def test_an_update_keeps_terms_and_adds_new_ones_as_zeros(tmp_path: Path) -> None:
    live = start(tmp_path)
    terms = towers(live).terms
    assert terms is not None
    with torch.no_grad():
        terms.fill_(1.0)
    known = planted_items()
    facts = [(known[number].item_id, "in", f"{number % 2}") for number in range(4)]
    facts += [("new", "by", "x0"), (known[0].item_id, "by", "x0")]
    more = snapshot_parts(tmp_path, facts, [CatalogueItem(item_id="new")])
    grown = grown_bundle(live, more, CONFIG, texts(tmp_path), mode="update")
    slotted = with_slots(grown, live, CONFIG)
    grown_terms = towers(slotted).terms
    assert grown_terms is not None
    num_known = live.manifest.num_terms
    assert slotted.manifest.num_terms > num_known
    assert bool((grown_terms[:num_known] == 1.0).all())
    assert not grown_terms[num_known:].any()
    row = slotted.catalogue.row("new")
    assert row is not None
    links = slotted.facts.links
    assert links is not None
    assert links.starts_X1[row + 1] - links.starts_X1[row] == 2
    assert not modalities(slotted)[row].any()


def test_an_update_reads_changed_pictures_alone(tmp_path: Path) -> None:
    """The vectors of other pictures stay as they are, to the bit."""
    live = start(tmp_path)
    grown = grown_bundle(
        live, snapshot_parts(tmp_path, None, []), CONFIG, texts(tmp_path), mode="items"
    )
    assert live.pictures is not None
    vectors_NP = live.pictures.vectors_NP.clone()
    vectors_NP[0] = -vectors_NP[0]
    has_N = live.pictures.has_N.clone()
    vectors_NP[2], has_N[2] = 0.0, False
    changed = replace(live.pictures, vectors_NP=vectors_NP, has_N=has_N)
    before_NV = modalities(live).clone()
    after_NV = modalities(with_slots(replace(grown, pictures=changed), live, CONFIG))
    assert (after_NV != before_NV).any(1).nonzero().squeeze(1).tolist() == [0, 2]
    assert not after_NV[2].any()


def test_an_update_of_events_alone_reads_no_facts_again(tmp_path: Path) -> None:
    """With a million items that would cost more than the events do."""
    live = start(tmp_path)
    none = replace(snapshot_parts(tmp_path, None, []), facts=None)
    grown = grown_bundle(live, none, CONFIG, texts(tmp_path), mode="update")
    slotted = with_slots(grown, live, CONFIG)
    assert slotted.facts.links is grown.facts.links
    assert slotted.manifest.num_terms == live.manifest.num_terms
    assert towers(slotted).num_terms == towers(live).num_terms
    new = snapshot_parts(tmp_path, None, [CatalogueItem(item_id="new")])
    longer = with_slots(
        grown_bundle(live, new, CONFIG, texts(tmp_path), mode="update"), live, CONFIG
    )
    assert longer.facts.links is not None
    assert len(longer.facts.links) == len(live.catalogue) + 1


def test_an_update_reads_the_facts_of_changed_heads_alone(tmp_path: Path) -> None:
    """The links are those of all facts, and what did not change is not asked for."""
    live = start(tmp_path)
    known, graph = planted_items(), live.catalogue.graph
    assert graph is not None
    change = HeadFacts(
        heads=frozenset({known[0].item_id, "new"}),
        facts=(("new", "by", "x0"), (known[0].item_id, "in", "x1")),
    )
    none = replace(snapshot_parts(tmp_path, None, [CatalogueItem(item_id="new")]), facts=None)
    some = replace(none, changed_facts=change)
    every = replace(none, facts=graph_with(graph, change))
    grown, whole = (
        grown_bundle(live, one, CONFIG, texts(tmp_path), mode="update") for one in (some, every)
    )
    expected = with_slots(whole, live, CONFIG)
    found = with_slots(grown, live, CONFIG, changed_heads=change.heads)
    save_bundle(found, tmp_path / "changed", whole_bytes=CONFIG.whole_bytes)
    found = load_bundle(tmp_path / "changed")
    assert found.catalogue.filter_rows({"in": "x1"}).sum() == 1
    assert list(found.term_names or ()) == list(expected.term_names or ())
    assert found.facts.links is not None
    assert expected.facts.links is not None
    assert found.facts.links.terms_L.tolist() == expected.facts.links.terms_L.tolist()
    assert found.facts.links.starts_X1.tolist() == expected.facts.links.starts_X1.tolist()


def test_an_unknown_modality_is_refused_by_name(tmp_path: Path) -> None:
    unknown = replace(CONFIG, fusion=FusionConfig(modalities=("audio",)))
    with pytest.raises(CannotStart, match="'audio' is unknown; there is picture"):
        start(tmp_path, unknown)


@pytest.mark.parametrize("model", ["embeddings", "pretrained", "hop"])
def test_terms_tell_items_apart_once_the_gate_opens(
    tmp_path: Path, model: Literal["embeddings", "pretrained", "hop"]
) -> None:
    """The gate is zero at first. With vectors at zero too, neither would learn anything."""
    bundle = start(tmp_path, replace(CONFIG, facts=FactsConfig(model=model, width=4)))
    terms = towers(bundle).terms
    assert terms is not None
    assert terms.any(1).any()
    assert float(towers(bundle).get_parameter("slots.facts.gate").detach()) == 0.0
