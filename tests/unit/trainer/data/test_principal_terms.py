"""First values of terms: items with common facts are alike, and vectors are whitened."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.arrays.text_column import TextColumn
from recommender.network.links import Links
from trainer.data.principal_terms import principal_terms

NUM_ENTITIES = 12


def links_of(entities: list[list[int]]) -> Links:
    """Return items whose facts have one relation, the term 0, and entities from the term 1 on."""
    terms = [[term for entity in row for term in (0, 1 + entity)] for row in entities]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in terms])])
    flat = [term for row in terms for term in row]
    return Links(
        starts_X1=torch.from_numpy(starts.astype(np.int64)),
        terms_L=torch.tensor(flat, dtype=torch.int32),
    )


def names(num_entities: int) -> TextColumn:
    return TextColumn.of([">by", *(f"={number}" for number in range(num_entities))])


def test_items_of_the_same_makers_are_alike() -> None:
    """Each of 48 items has two of three makers of its kind; there are four kinds."""
    links = links_of(
        [[item % 4 * 3 + item % 3, item % 4 * 3 + (item + 1) % 3] for item in range(48)]
    )
    terms_TW = principal_terms(links, names(NUM_ENTITIES), width=3, seed=0)
    vectors_NW = torch.nn.functional.normalize(links.means(terms_TW), dim=1)
    cosines_NN = vectors_NW @ vectors_NW.T
    kind_N = torch.arange(48) % 4
    same_NN = kind_N.unsqueeze(1) == kind_N
    assert cosines_NN[same_NN].mean() > 0.9
    assert cosines_NN[~same_NN].mean() < 0.0
    again_TW = principal_terms(links, names(NUM_ENTITIES), width=3, seed=0)
    assert torch.equal(terms_TW, again_TW)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, NUM_ENTITIES - 1), max_size=5), min_size=1, max_size=30),
    st.integers(1, 6),
)
def test_vectors_are_whitened_whatever_the_facts(entities: list[list[int]], width: int) -> None:
    """Over the items with facts, each component has mean 0, and variance 1 or 0."""
    links = links_of(entities)
    terms_TW = principal_terms(links, names(NUM_ENTITIES), width=width, seed=0)
    assert terms_TW.shape == (NUM_ENTITIES + 1, width)
    assert terms_TW.isfinite().all()
    assert not terms_TW[0].any(), "a relation alone says nothing of an item"
    vectors_XW = links.means(terms_TW)[links.starts_X1.diff() > 0]
    if not len(vectors_XW):
        return
    assert vectors_XW.mean(0).abs().max() < 1e-3
    products_WW = vectors_XW.T @ vectors_XW / len(vectors_XW)
    variance_W = products_WW.diagonal()
    near = torch.minimum((variance_W - 1.0).abs(), variance_W.abs())
    assert near.max() < 1e-2
    assert (products_WW - variance_W.diag()).abs().max() < 1e-2
