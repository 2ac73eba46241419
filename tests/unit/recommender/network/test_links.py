"""Facts as rows of terms: parts of the items read what the whole reads."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recommender.network.links import Links

NUM_TERMS = 7
FACTS = st.lists(
    st.lists(st.tuples(st.integers(0, NUM_TERMS - 1), st.integers(0, NUM_TERMS - 1)), max_size=3),
    min_size=1,
    max_size=6,
)


def links_of(facts: list[list[tuple[int, int]]]) -> Links:
    lengths_X = torch.tensor([2 * len(own) for own in facts])
    terms = [term for own in facts for pair in own for term in pair]
    starts_X1 = torch.cat([torch.zeros(1, dtype=torch.long), lengths_X.cumsum(0)])
    return Links(starts_X1=starts_X1, terms_L=torch.tensor(terms, dtype=torch.int))


def table() -> Tensor:
    return torch.randn(NUM_TERMS, 3, generator=torch.Generator().manual_seed(0))


@given(facts=FACTS)
def test_the_mean_is_over_facts_not_over_terms(facts: list[list[tuple[int, int]]]) -> None:
    table_YW = table()
    means_XW = links_of(facts).means(table_YW)
    for own, mean_W in zip(facts, means_XW, strict=True):
        sums = [table_YW[relation] + table_YW[entity] for relation, entity in own]
        expected_W = torch.stack(sums).mean(0) if sums else torch.zeros(3)
        assert torch.allclose(mean_W, expected_W, atol=1e-6)


@given(facts=FACTS, data=st.data())
def test_some_rows_have_their_own_facts(
    facts: list[list[tuple[int, int]]], data: st.DataObject
) -> None:
    links, means_XW = links_of(facts), links_of(facts).means(table())
    rows = data.draw(st.lists(st.sampled_from(range(len(facts))), unique=True).map(sorted))
    rows_X = torch.tensor(rows, dtype=torch.long)
    assert torch.allclose(links.at(rows_X).means(table()), means_XW[rows_X])
    first = data.draw(st.integers(0, len(facts)))
    part = links.between(slice(first, first + 2))
    assert torch.allclose(part.means(table()), means_XW[first : first + 2])


@given(facts=FACTS)
def test_places_among_the_named_terms_read_the_same(
    facts: list[list[tuple[int, int]]],
) -> None:
    links = links_of(facts)
    terms_Y: Tensor = links.terms_L.unique().long()  # type: ignore[no-untyped-call]
    place_T = torch.zeros(len(table()), dtype=torch.int)
    place_T[terms_Y] = torch.arange(len(terms_Y), dtype=torch.int)
    placed = links.at_places(place_T)
    assert torch.allclose(placed.means(table()[terms_Y]), links.means(table()))


def test_rows_can_be_spread_among_rows_without_facts() -> None:
    links = links_of([[(0, 1)], [], [(2, 3), (4, 5)]])
    spread = links.spread(torch.tensor([1, 2, 4]), 6)
    assert torch.equal(spread.means(table())[[1, 2, 4]], links.means(table()))
    assert not spread.means(table())[[0, 3, 5]].any()


def test_new_rows_have_no_facts() -> None:
    longer = links_of([[(0, 1)]]).with_more_rows(2)
    assert longer.means(table())[1:].abs().sum() == 0.0
    assert not Links.none(3).means(table()).any()
