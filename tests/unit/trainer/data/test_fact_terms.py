"""Facts become terms: which entities have a row, and that rows stay when facts change."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from recommender.arrays.text_column import TextColumn
from recommender.catalogue.catalogue import Catalogue
from recommender.catalogue.item_columns import CatalogueItem
from recommender.catalogue.knowledge_graph import KnowledgeGraph
from trainer.data.fact_terms import Terms, read_terms

Fact = tuple[str, str, str]
ITEMS = ("a", "b", "c")
FACTS = st.lists(
    st.tuples(st.sampled_from("abcxyz"), st.sampled_from(["r", "s"]), st.sampled_from("abcxyz")),
    max_size=12,
)


def catalogue(facts: Sequence[Fact], *, brand: str | None = None) -> Catalogue:
    attributes = {"brand": brand} if brand is not None else {}
    items = [CatalogueItem(item_id=item_id, attributes=attributes) for item_id in ITEMS]
    return Catalogue(items).with_graph(KnowledgeGraph.of(facts))


def facts_of(terms: Terms, row: int) -> list[tuple[str, str]]:
    """Return relation and entity of an item's facts by name."""
    begin, end = terms.links.starts_X1[row : row + 2].tolist()
    names = [terms.names[term] or "" for term in terms.links.terms_L[begin:end].tolist()]
    return sorted(zip(names[::2], names[1::2], strict=True))


def test_shared_entities_have_terms_and_others_have_none() -> None:
    facts = [("a", "by", "x"), ("b", "by", "x"), ("a", "by", "only"), ("x", "made", "c")]
    terms = read_terms(catalogue(facts), (), None, hops=0)
    assert terms is not None
    assert facts_of(terms, 0) == [(">by", "=x")]
    assert facts_of(terms, 2) == [("<made", "=x")]
    assert "=only" not in list(terms.names)


def test_attributes_are_facts_of_the_same_entities() -> None:
    """An item of a brand is related to what a fact calls by the brand's name."""
    facts = [("x", "owns", "a")]
    terms = read_terms(catalogue(facts, brand="x"), ("brand",), None, hops=0)
    assert terms is not None
    assert facts_of(terms, 0) == [("<owns", "=x"), (">brand", "=x")]
    assert facts_of(terms, 1) == [(">brand", "=x")]


def test_no_facts_have_no_terms() -> None:
    assert read_terms(catalogue([]), (), None, hops=1) is None


def test_a_hop_reads_the_facts_of_entities() -> None:
    facts = [("a", "by", "x"), ("b", "by", "x"), ("x", "from", "y")]
    terms = read_terms(catalogue(facts), (), None, hops=1)
    assert terms is not None
    assert terms.neighbours is not None
    row = list(terms.names).index("=x")
    begin, end = terms.neighbours.starts_X1[row : row + 2].tolist()
    names = {terms.names[term] for term in terms.neighbours.terms_L[begin:end].tolist()}
    assert names == {"<by", "=a", "=b", ">from", "=y"}
    assert len(terms.neighbours) == len(terms.names)


@given(before=FACTS, after=FACTS, hops=st.sampled_from([0, 1]))
def test_rows_of_terms_stay_when_facts_change(
    before: list[Fact], after: list[Fact], hops: int
) -> None:
    first = read_terms(catalogue(before), (), None, hops=hops)
    known: TextColumn | None = first.names if first is not None else None
    second = read_terms(catalogue(after), (), known, hops=hops)
    again = read_terms(catalogue(after), (), None, hops=0)
    names = list(known) if known is not None else []
    if second is None:
        assert not names
        return
    assert list(second.names)[: len(names)] == names
    assert len(set(second.names)) == len(second.names)
    for row in range(len(ITEMS)):
        assert facts_of(second, row) == (facts_of(again, row) if again is not None else [])
