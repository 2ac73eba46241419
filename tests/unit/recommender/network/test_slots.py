"""Slots: what a modality adds to an item, and that nothing changes without one."""

from dataclasses import replace

import pytest
import torch

from recommender.config import FACTS, Slot
from recommender.network.links import Links
from recommender.network.model import ItemBlock, ItemFacts, TwoTowers, terms_of
from recommender.network.slots import unit_variance
from recommender.ranking.item_rows import ItemRows
from tests.unit.recommender.network.test_model import NUM_ITEMS, config, facts

PICTURE = Slot(name="picture", width=4)
AUDIO = Slot(name="audio", width=2)
OF_FACTS = Slot(name=FACTS, width=3)
NUM_TERMS = 5
SLOTS = (PICTURE, AUDIO, OF_FACTS)


def towers(slots: tuple[Slot, ...] = SLOTS) -> TwoTowers:
    torch.manual_seed(0)
    return TwoTowers(config("transformer"), NUM_ITEMS, slots, num_terms=NUM_TERMS).eval()


def known_facts() -> ItemFacts:
    """Return facts of which the last item has no modality but its text."""
    starts_X1 = torch.tensor([*range(0, 2 * NUM_ITEMS, 2), 2 * NUM_ITEMS - 2])
    terms_L = torch.arange(2 * NUM_ITEMS - 2).remainder(NUM_TERMS).int()
    modalities_NV = torch.randn(NUM_ITEMS, 6, generator=torch.Generator().manual_seed(2))
    modalities_NV[-1] = 0.0
    return replace(
        facts(), modalities_NV=modalities_NV, links=Links(starts_X1=starts_X1, terms_L=terms_L)
    )


def with_open_gates(model: TwoTowers) -> TwoTowers:
    """Set gates and terms as training would."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.startswith("slots") or name == "terms":
                weight.normal_(generator=torch.Generator().manual_seed(len(name)))
    return model


def test_a_model_without_slots_has_no_new_weights() -> None:
    names = set(towers(()).state_dict())
    assert not any(name.startswith("slots") or name == "terms" for name in names)
    assert set(towers().state_dict()) > names


def test_closed_gates_give_the_numbers_of_texts_alone() -> None:
    """Slots do not change the first weights either, which come from the same generator."""
    plain, slotted = towers(()), towers()
    with torch.inference_mode():
        before, after = plain.item_side(facts()), slotted.item_side(known_facts())
    assert torch.equal(before.vectors_ND, after.vectors_ND)
    assert torch.equal(before.bias_N, after.bias_N)


def test_an_item_without_modalities_is_its_text() -> None:
    plain, slotted = towers(()), with_open_gates(towers())
    with torch.inference_mode():
        before, after = plain.item_side(facts()), slotted.item_side(known_facts())
    assert torch.equal(before.vectors_ND[-1], after.vectors_ND[-1])
    assert (before.vectors_ND[:-1] != after.vectors_ND[:-1]).any(1).all()


def test_slots_read_their_own_columns() -> None:
    """Another sound changes what the slot of sounds adds, and not the picture's part."""
    model = with_open_gates(towers((PICTURE, AUDIO)))
    known = known_facts()
    assert known.modalities_NV is not None
    louder_NV = known.modalities_NV.clone()
    louder_NV[:, 4:] *= 2.0
    with torch.no_grad():
        once = model.item_side(replace(known, modalities_NV=known.modalities_NV))
        twice = model.item_side(replace(known, modalities_NV=louder_NV))
        quiet = model.item_side(
            replace(known, modalities_NV=louder_NV * torch.tensor([1.0] * 4 + [0.0] * 2))
        )
    sound_ND = once.vectors_ND - quiet.vectors_ND
    assert torch.allclose(twice.vectors_ND - once.vectors_ND, sound_ND, atol=1e-5)


@pytest.mark.parametrize("hops", [0, 1])
def test_all_gates_learn_from_the_first_step(hops: int) -> None:
    slots = (PICTURE, replace(OF_FACTS, hops=hops))
    model, known = towers(slots), known_facts()
    assert known.modalities_NV is not None
    known = replace(known, modalities_NV=known.modalities_NV[:, :4])
    if hops:
        near = Links(starts_X1=torch.arange(0, 12, 2), terms_L=torch.arange(10).int() % 5)
        known = replace(known, neighbours=near)
    gates = [model.get_parameter(f"slots.{slot.name}.gate") for slot in slots]
    assert not any(gate.any() for gate in gates)
    with torch.no_grad():
        model.terms.normal_()  # type: ignore[union-attr]
    model.item_side(known).vectors_ND.sum().backward()  # type: ignore[no-untyped-call]
    assert all(gate.grad is not None and gate.grad.any() for gate in gates)


def test_one_hop_adds_the_facts_of_entities() -> None:
    model = with_open_gates(towers((replace(OF_FACTS, hops=1),)))
    near = Links(starts_X1=torch.tensor([0, 2, 2, 2, 2, 2]), terms_L=torch.tensor([3, 4]).int())
    with torch.inference_mode():
        terms_YW, joined_YW = model.term_vectors(None), model.term_vectors(near)
    assert terms_YW is not None
    assert joined_YW is not None
    hop = float(model.get_parameter("slots.facts.hop").detach())
    assert torch.allclose(joined_YW[0], terms_YW[0] + hop * (terms_YW[3] + terms_YW[4]))
    assert torch.equal(joined_YW[1:], terms_YW[1:])


def test_a_step_can_leave_out_any_modality() -> None:
    """Without its text and its vectors an item is its residual, which is zero here."""
    model, known = with_open_gates(towers()), known_facts()
    kept_XS = torch.ones(NUM_ITEMS, 4)
    kept_XS[3] = 0.0
    block = replace(ItemBlock.whole(known, model.table, terms_of(model, known)), kept_XS=kept_XS)
    with torch.inference_mode():
        side, whole = model.block_side(block), model.item_side(known)
    assert not side.vectors_ND[3].any()
    others_X = torch.tensor([row for row in range(NUM_ITEMS) if row != 3])
    assert torch.equal(side.vectors_ND[others_X], whole.vectors_ND[others_X])


@pytest.mark.parametrize("held_items", [0, NUM_ITEMS])
def test_single_rows_are_those_of_the_whole(held_items: int) -> None:
    """A large catalogue computes rows when they are asked for, from vectors in half precision."""
    model, known = with_open_gates(towers()), known_facts()
    assert known.modalities_NV is not None
    known = replace(known, texts_NT=known.texts_NT.half(), modalities_NV=known.modalities_NV.half())
    rows_X = torch.tensor([0, 4, 5, NUM_ITEMS - 1])
    with torch.inference_mode():
        items = ItemRows(model, known, held_items=held_items)
        whole = model.item_side(known)
        assert torch.allclose(items.at(rows_X).vectors_ND, whole.vectors_ND[rows_X], atol=1e-6)
        parts = torch.cat([side.vectors_ND for side in items.parts()])
    assert torch.allclose(parts, whole.vectors_ND, atol=1e-6)


def test_items_with_few_known_facts_have_vectors_as_long() -> None:
    """Half of the item's facts are new, so the mean of its vectors is half as long."""
    known_V = torch.tensor([3.0, -1.0, 2.0])
    lengths = unit_variance(torch.stack([known_V, known_V / 2, torch.zeros(3)])).norm(dim=1)
    assert torch.allclose(lengths[:2], torch.full((2,), 3.0**0.5), atol=0.02)
    assert lengths[2] == 0.0
