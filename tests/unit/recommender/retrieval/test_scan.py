"""The scan: it finds the best rows, whatever is hidden, excluded or filtered out."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.catalogue.catalogue import Mask
from recommender.retrieval.scan import BLOCKS, CHUNK, NO_ROW, Scan

NUM_ITEMS = 2 * CHUNK + 5
WIDTH = 8
HIDDEN = np.array([0, CHUNK, NUM_ITEMS - 1])


def _scan(type_: torch.dtype = torch.float32) -> tuple[Scan, torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(0)
    vectors_ND = torch.randn(NUM_ITEMS, WIDTH, generator=draws)
    bias_N = torch.randn(NUM_ITEMS, generator=draws)
    query_BD = torch.randn(6, WIDTH, generator=draws)
    scores_BN = query_BD @ vectors_ND.T + bias_N
    scores_BN[:, HIDDEN] = -torch.inf
    return Scan(vectors_ND.to(type_), bias_N, HIDDEN), query_BD, scores_BN


SCAN, QUERY_BD, SCORES_BN = _scan()
SHARES = (0.0, 0.0003, 0.05, 0.5)  # of the items that a filter leaves


@settings(max_examples=30)
@given(
    k=st.sampled_from([1, 10, 300]),
    shares=st.lists(st.sampled_from([None, *SHARES]), min_size=6, max_size=6),
    num_excluded=st.integers(0, 40),
    seed=st.integers(0, 9),
)
def test_a_scan_finds_what_sorting_finds(
    k: int, shares: list[float | None], num_excluded: int, seed: int
) -> None:
    draws = np.random.default_rng(seed)
    masks: dict[float | None, Mask | None] = {None: None}
    masks |= {share: draws.random(NUM_ITEMS) < share for share in SHARES}
    allowed = [masks[share] for share in shares]
    scores_BN = SCORES_BN.clone()
    for user, mask_N in enumerate(allowed):
        if mask_N is not None:
            scores_BN[user, torch.from_numpy(~mask_N)] = -torch.inf
    # the best rows are excluded, since others would not be found anyway
    excluded = scores_BN.topk(num_excluded).indices.numpy() if num_excluded else np.zeros((6, 0))
    for user, rows in enumerate(excluded):
        scores_BN[user, torch.from_numpy(rows).long()] = -torch.inf
    found_BK = SCAN.best(QUERY_BD, k, allowed, [rows.astype(int).tolist() for rows in excluded])
    assert found_BK.shape == (6, k)
    for found_K, scores_N in zip(found_BK, scores_BN, strict=True):
        best_K = scores_N.topk(k)
        expected = best_K.indices[best_K.values > -torch.inf]
        assert found_K[found_K != NO_ROW].tolist() == sorted(expected.tolist())


def test_rows_in_half_precision_have_the_best_ones_among_them() -> None:
    scan, query_BD, scores_BN = _scan(torch.bfloat16)
    found_BK = scan.best(query_BD, 21, [None] * 6, [()] * 6)
    for found_K, best_K in zip(found_BK, scores_BN.topk(10).indices, strict=True):
        assert set(best_K.tolist()) <= set(found_K.tolist())


def test_products_are_summed_in_single_precision() -> None:
    scan, query_BD, _ = _scan(torch.bfloat16)
    expected_N = scan.vectors_ND.float() @ query_BD[0]
    assert torch.allclose(scan.products(query_BD[0]), expected_N, atol=1e-5)


@pytest.mark.parametrize("num_items", [0, 1, 15, BLOCKS + 1])
def test_a_scan_of_few_items_finds_all_of_them(num_items: int) -> None:
    scan = Scan(torch.randn(num_items, WIDTH), torch.zeros(num_items), np.zeros(0, np.int64))
    found_BK = scan.best(QUERY_BD[:2], num_items + 3, [None, None], [[], range(num_items)])
    assert found_BK[0].tolist() == list(range(num_items))
    assert (found_BK[1] == NO_ROW).all()
    assert scan.best(QUERY_BD[:0], 3, [], []).shape == (0, min(3, num_items))
