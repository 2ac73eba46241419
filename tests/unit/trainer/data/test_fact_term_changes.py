"""Terms after a few changes are those of all facts and items read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.catalogue.knowledge_graph import MAX_LINKS, KnowledgeGraph
from recommender.network.links import Links
from trainer.data.fact_term_changes import KnownTerms, changed_terms
from trainer.data.fact_terms import Terms, read_terms

Fact = tuple[str, str, str]
ONE = st.tuples(st.sampled_from("abcdxyz"), st.sampled_from("rs"), st.sampled_from("abcdxyz"))
BRAND = st.tuples(st.sampled_from("abcd"), st.sampled_from("xyv"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The facts of a shop at one time, how many items it has, and the brands of some."""

    facts: Sequence[Fact]
    num_items: int
    brands: Mapping[str, str]

    def catalogue(self, before: Catalogue | None = None) -> Catalogue:
        """Return the catalogue, as a change of one before."""
        items = [
            CatalogueItem(
                item_id=one,
                title=one,
                attributes={"brand": self.brands[one]} if one in self.brands else {},
            )
            for one in "abcd"[: self.num_items]
        ]
        grown = Catalogue(items) if before is None else before.with_items(items)[0]
        return grown.with_graph(KnowledgeGraph.of(self.facts))

    def after(self, change: Change) -> Shop:
        """Return the shop after a change."""
        return Shop(
            facts=sorted({*self.facts} ^ change.facts),
            num_items=max(self.num_items, change.num_items),
            brands={**self.brands, **dict(change.brands)},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Facts that come or go, how many items there are at least, and new brands of items."""

    facts: frozenset[Fact]
    num_items: int
    brands: Sequence[tuple[str, str]]


def changes(*, most: int) -> st.SearchStrategy[Change]:
    return st.builds(
        Change,
        facts=st.frozensets(ONE, max_size=most),
        num_items=st.integers(1, 4),
        brands=st.lists(BRAND, max_size=most),
    )


def lists_of(links: Links | None) -> list[list[int]]:
    if links is None:
        return []
    return [links.starts_X1.tolist(), links.terms_L.tolist()]


def lists_in(terms: Terms) -> list[object]:
    return [list(terms.names), lists_of(terms.links), lists_of(terms.neighbours)]


@pytest.mark.parametrize("relations", [(), ("brand",)])
@given(
    first=changes(most=9),
    later=st.lists(changes(most=1), min_size=1, max_size=4),
    hops=st.sampled_from([0, 1]),
)
def test_changes_give_the_terms_of_everything(
    first: Change, later: list[Change], hops: int, relations: tuple[str, ...]
) -> None:
    """Facts, items and attributes come and go, one change after the other."""
    catalogue = Catalogue([CatalogueItem(item_id=f"other {row}") for row in range(40)])
    shop = Shop(facts=(), num_items=1, brands={}).after(first)
    catalogue = shop.catalogue(catalogue)
    terms = read_terms(catalogue, relations, None, hops=hops)
    for change in later:
        heads = frozenset(head for head, *_ in change.facts)
        shop = shop.after(change)
        before, catalogue = catalogue, shop.catalogue(catalogue)
        names = terms.names if terms is not None else None
        every = read_terms(catalogue, relations, names, hops=hops)
        if terms is None:
            terms = every
            continue
        known = KnownTerms(catalogue=before, terms=terms, heads=heads)
        terms = changed_terms(catalogue, relations, known, max_share=1.0)
        if terms is None:  # too many items changed for the catalogue
            terms = every
            continue
        assert every is not None
        assert lists_in(terms) == lists_in(every)


def test_much_that_changed_is_read_with_all_else() -> None:
    shop = Shop(facts=[("a", "r", "x"), ("b", "r", "x")], num_items=4, brands={})
    catalogue = shop.catalogue()
    terms = read_terms(catalogue, (), None, hops=1)
    assert terms is not None
    known = KnownTerms(catalogue=catalogue, terms=terms, heads=frozenset({"a"}))
    assert changed_terms(catalogue, (), known) is None
    assert changed_terms(catalogue, (), known, max_share=0.5) is not None


def test_facts_beyond_those_read_of_an_item_share_nothing() -> None:
    """One of two items has an entity after the facts that are read of it."""
    many = [("a", "r", f"e{number:03}") for number in range(MAX_LINKS)]
    facts = [*many, ("a", "r", "d"), ("b", "r", "d"), ("a", "s", "x")]
    before = Shop(facts=facts, num_items=2, brands={}).catalogue()
    terms = read_terms(before, (), None, hops=1)
    assert terms is not None
    now = Shop(facts=[*facts, ("b", "s", "x")], num_items=2, brands={}).catalogue(before)
    known = KnownTerms(catalogue=before, terms=terms, heads=frozenset({"b"}))
    changed, every = (
        changed_terms(now, (), known, max_share=1.0),
        read_terms(now, (), terms.names, hops=1),
    )
    assert changed is not None
    assert every is not None
    assert lists_in(changed) == lists_in(every)
    assert "=d" in list(changed.names)
    assert "=x" not in list(changed.names)
