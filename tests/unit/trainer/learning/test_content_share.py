"""What ids say along contents: known items stay where they are, new ones come to them."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.config import FACTS, ModelConfig, Slot
from recommender.network.links import Links
from recommender.network.model import ItemFacts, TwoTowers
from trainer.learning.content_share import move_share_to_content

NUM_ITEMS, NUM_KNOWN, NUM_TERMS = 40, 30, 9
SLOTS = (
    Slot(name="picture", width=5),
    Slot(name=FACTS, width=6, scales=True, hops=1),
)


def _facts(generator: torch.Generator) -> ItemFacts:
    counts_N = torch.randint(1, 20, (NUM_ITEMS,), generator=generator).float()
    counts_N[NUM_KNOWN:] = 0
    term_L = torch.randint(0, NUM_TERMS, (4 * NUM_ITEMS,), generator=generator).int()
    links = Links(starts_X1=torch.arange(0, 4 * NUM_ITEMS + 1, 4), terms_L=term_L)
    neighbours = Links(starts_X1=torch.arange(NUM_TERMS + 1), terms_L=term_L[:NUM_TERMS])
    return ItemFacts(
        texts_NT=torch.randn(NUM_ITEMS, 8, generator=generator),
        has_text_N=torch.ones(NUM_ITEMS),
        counts_N=counts_N,
        rating_sum_N=torch.zeros(NUM_ITEMS),
        rating_count_N=torch.zeros(NUM_ITEMS),
        modalities_NV=torch.randn(NUM_ITEMS, 5, generator=generator),
        links=links,
        neighbours=neighbours,
    )


def _model(generator: torch.Generator) -> TwoTowers:
    config = ModelConfig(dim=8, text_dim=8, num_heads=2)
    model = TwoTowers(config, NUM_ITEMS, SLOTS, num_terms=NUM_TERMS)
    assert model.terms is not None
    model.terms.data = torch.randn(NUM_TERMS, 6, generator=generator)
    for slot in SLOTS:
        model.get_parameter(f"slots.{slot.name}.gate").data.fill_(1.0)
    return model


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.floats(-0.3, 0.5))
def test_new_items_get_what_ids_say_along_contents(seed: int, share: float) -> None:
    """Ids here are a share of the contents, and noise that is none."""
    generator = torch.Generator().manual_seed(seed)
    model, facts = _model(generator), _facts(generator)
    with torch.no_grad():
        content_ND = model.item_side(facts).vectors_ND
        ids_ND = share * content_ND
        ids_ND[NUM_KNOWN:] = 0
        model.table[:, :-2] = ids_ND
        before = model.item_side(facts)
        found = move_share_to_content(model, facts)
        after = model.item_side(facts)
    assert abs(found - share) < 1e-4
    torch.testing.assert_close(
        after.vectors_ND[:NUM_KNOWN], before.vectors_ND[:NUM_KNOWN], atol=1e-4, rtol=1e-4
    )
    expected_ND = (1 + share) * content_ND[NUM_KNOWN:]
    torch.testing.assert_close(after.vectors_ND[NUM_KNOWN:], expected_ND, atol=1e-4, rtol=1e-4)
    assert torch.equal(after.bias_N, before.bias_N)


def test_ids_stay_where_nothing_else_is_known_of_items() -> None:
    generator = torch.Generator().manual_seed(1)
    facts = _facts(generator)
    model = TwoTowers(ModelConfig(dim=8, text_dim=8, num_heads=2), NUM_ITEMS)
    model.table.data = torch.randn(model.table.shape, generator=generator)
    facts.has_text_N.zero_()
    before_NE = model.table.detach().clone()
    assert move_share_to_content(model, facts) == 0.0
    assert torch.equal(model.table, before_NE)
